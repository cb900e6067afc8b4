"""The short way for one-click unsubscribes (RFC 8058): providers post hundreds a second after a campaign.

An ASGI application around the other. It answers a whole, short form at an unsubscribe link, by the same desk
and with the same headers; whatever else comes goes on as it came. The long way took 1 ms of a processor for
each, which was most of its time.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from sqlalchemy.exc import SQLAlchemyError

from mailing.sites import read_host
from mailing.suppression.list_fields import PATH
from webapp.http.security import HEADERS, HSTS
from webapp.public.unsubscribe import FIELD, ONE_CLICK, PAGE_HEADERS, desk_of

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope, Scope
    from quart import Quart

    from mailing.settings import Settings

BODY_MOST = 256  # bytes; it has 26
BODY_S = 10.0  # for a body that is so short
PIECES_MOST = 8  # in which it comes; Hypercorn makes two of it
_FORM = b"application/x-www-form-urlencoded"
_SAID = b"You are unsubscribed"  # read by a program
_PLAIN = {"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(_SAID))}


class OneClick:
    """Around an application, which answers to the hosts of the settings."""

    def __init__(self, app: Quart, settings: Settings) -> None:
        self._app, self._inner = app, app.asgi_app
        self._secure = settings.url is not None and settings.url.scheme == "https"
        self._ours = lru_cache(maxsize=64)(lambda host: _is_ours(host, settings.names))

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Answer, or let the request pass."""
        if scope["type"] != "http" or not (token := self._token(scope)):
            return await self._inner(scope, receive, send)
        taken = await _take(receive)
        desk = desk_of(self._app)
        who = await desk.read(token) if _asks(taken) else None
        if who is None or not who.email:
            return await self._inner(scope, _after(taken, receive), send)
        try:
            await desk.leave(who, (scope.get("client") or ("",))[0])
        except SQLAlchemyError:  # the long way tells why
            return await self._inner(scope, _after(taken, receive), send)
        headers = {**HEADERS, **PAGE_HEADERS, **_PLAIN}
        if self._secure or scope["scheme"] == "https":
            headers["Strict-Transport-Security"] = HSTS
        lines = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": lines, "trailers": False})
        return await send({"type": "http.response.body", "body": _SAID, "more_body": False})

    def _token(self, scope: HTTPScope) -> str:
        """Return the token that a short form is posted to; empty for any other request."""
        start = f"{scope['root_path']}{PATH}"
        if scope["method"] != "POST" or not scope["path"].startswith(start):
            return ""
        fields = dict(scope["headers"])
        length = fields.get(b"content-length", b"0")
        short = length.isdigit() and len(length) <= len(str(BODY_MOST)) and int(length) <= BODY_MOST
        form = fields.get(b"content-type", b"").partition(b";")[0].strip().lower() == _FORM
        token = scope["path"].removeprefix(start)
        ours = short and form and "/" not in token and self._ours(fields.get(b"host", b"").decode("latin1"))
        return token if ours else ""


def _is_ours(host: str, names: AbstractSet[str]) -> bool:
    found = read_host(host)
    return found is not None and found.name in names


async def _take(receive: ASGIReceiveCallable) -> list[Any]:
    """Take what comes of a body that should be short, up to its end or its bounds."""
    taken: list[Any] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(BODY_S):
            while len(taken) < PIECES_MOST:
                taken.append(await receive())
                if taken[-1]["type"] != "http.request" or not taken[-1].get("more_body"):
                    break
    return taken


def _asks(taken: list[Any]) -> bool:
    """Whether a body that was taken is whole, short, and asks for it."""
    if not taken or taken[-1]["type"] != "http.request" or taken[-1].get("more_body"):
        return False
    body = b"".join(it.get("body", b"") for it in taken)
    form = dict(parse_qsl(body.decode("utf-8", "replace"))) if len(body) <= BODY_MOST else {}
    return form.get(FIELD, "").strip().casefold() == ONE_CLICK


def _after(taken: list[Any], receive: ASGIReceiveCallable) -> ASGIReceiveCallable:
    """Return what brings the messages that were taken, and then the others."""
    waiting = iter(taken)

    async def again() -> Any:
        return next(waiting, None) or await receive()

    return again
