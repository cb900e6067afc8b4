"""What stands before the application: it finds out who asks for which host and path, and takes no WebSocket.

Behind a proxy the connection tells neither the client nor the scheme, and the host and the path may be those
of the proxy: what a trusted one says is put in their place (``forwarding``). A proxy may cut the prefix of
``VOLLEY_URL`` off or pass it on; the application gets it as ASGI's ``root_path`` in either case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast
from urllib.parse import quote

import structlog

from mailing.sites import split
from webapp.http import forwarding

if TYPE_CHECKING:
    from hypercorn.typing import ASGIFramework, ASGIReceiveCallable, ASGISendCallable, HTTPScope, Scope

    from mailing.settings import Settings


class Door:
    """An ASGI application around another."""

    def __init__(self, inner: ASGIFramework, settings: Settings) -> None:
        self._inner = inner
        self._prefix, self._proxies = settings.site.prefix, settings.proxies

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Let a request in as it was meant."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000, "reason": None})  # before accept: a 403
            return
        if scope["type"] == "http":
            scope = self._seen(scope)
            structlog.contextvars.bind_contextvars(client=(scope.get("client") or ("",))[0])
        await self._inner(scope, receive, send)

    def _seen(self, scope: HTTPScope) -> HTTPScope:
        """Return the request with the client, scheme, host and path that were meant."""
        headers = [(name.lower(), value) for name, value in scope["headers"]]
        client, port = scope.get("client") or ("", 0)
        fields = [(name.decode("latin1"), value.decode("latin1")) for name, value in headers]
        asked = forwarding.read(client, fields, self._proxies)
        path, named = scope["path"], str(asked.host or "")
        if not path.startswith("/") and path != "*":  # absolute form: it counts, not the Host field
            parts = split(path)
            named = (parts and parts.netloc) or "?"
            path = (parts and parts.path) or "/"
        if named:
            headers = [pair for pair in headers if pair[0] != b"host"] + [(b"host", named.encode("latin1"))]
        if self._prefix and f"{path}/".startswith(f"{self._prefix}/"):
            path = path.removeprefix(self._prefix) or "/"
        return cast(
            "HTTPScope",
            {
                **scope,
                "client": (asked.client, port if asked.client == client else 0),
                "scheme": asked.scheme or scope["scheme"],
                "path": self._prefix + path,
                "raw_path": quote(self._prefix + path).encode(),
                "root_path": self._prefix,
                "headers": headers,
            },
        )
