"""HTTP/1.1 read strictly: what a proxy in front might understand otherwise is refused (request smuggling).

h11 takes a bare LF for the end of a line and joins folded fields, as RFC 9112 sections 2.2 and 5.2 allow a
server; they allow it to refuse both as well. No connection becomes one of HTTP/2 half-way (RFC 9113 section
3.1 has dropped that): what a proxy passes on as one request could then hold many, under the proxy's address.
``install`` puts the strict reader in Hypercorn's place for it.
"""

from __future__ import annotations

import re
from typing import Any

import h11
import hypercorn.protocol
from hypercorn.protocol.h11 import H11Protocol

_END = re.compile(rb"\n\r?\n")
_LENIENT = re.compile(rb"(?<!\r)\n|\n[ \t]|\r(?!\n)")


class StrictConnection(h11.Connection):
    """A server's connection that refuses a head with bare CR or LF, or with a folded field."""

    def next_event(self) -> Any:
        """Return what the client sent next."""
        if self.their_state is h11.IDLE:
            head = self.trailing_data[0]
            if end := _END.search(head):
                head = head[: end.end()]
            elif head.endswith(b"\r"):
                head = head[:-1]  # its LF may still come
            if _LENIENT.search(head):
                raise h11.RemoteProtocolError("a bare line end or a folded field", error_status_hint=400)
        return super().next_event()


class StrictProtocol(H11Protocol):
    """Hypercorn's side of a connection that speaks HTTP/1."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        most = self.config.h11_max_incomplete_size
        self.connection = StrictConnection(h11.SERVER, max_incomplete_event_size=most)

    async def _check_protocol(self, event: h11.Request) -> None:
        """Hypercorn asks here whether to go on in HTTP/2: never, as HTTP/2 comes by ALPN alone."""


def install() -> None:
    """Let Hypercorn read so from now on."""
    hypercorn.protocol.H11Protocol = StrictProtocol  # type: ignore[attr-defined]
