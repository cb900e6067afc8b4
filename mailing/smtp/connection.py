"""One open SMTP connection as bytes: commands out, replies in, and a deadline for each answer.

It knows how many replies the server owes, so that none is ever taken for the answer to something
else. What the replies mean is for ``smtp`` to say.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailing.core.reasons import Reason
from mailing.smtp.replies import PERMANENT, TRANSIENT, ReplyError, ReplyParser

if TYPE_CHECKING:
    from mailing.core.reasons import Words
    from mailing.smtp.replies import Reply

BLOCK = 64 * 1024
"""Bytes written before waiting until the network took most of them."""


_QUICK_ACK: int | None = getattr(socket, "TCP_QUICKACK", None)  # Linux only


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The longest waits, in seconds.

    RFC 5321 section 4.5.3.2 asks for 5 minutes at most steps, for mail servers that talk to anyone. A
    bulk sender talks to one relay of its own choice, and a lane that hangs for minutes stops a campaign:
    so the early steps are shorter, where giving up costs a new try and nothing else. Behind the dot
    giving up costs an ``unknown``, so that wait stays long.
    """

    connect: float = 30
    greeting: float = 60
    command: float = 60
    data: float = 120
    dot: float = 300


class Lost(Exception):  # noqa: N818 - an outcome, not a mistake
    """The connection is of no more use, and ``words`` say why."""

    def __init__(self, words: Words) -> None:
        super().__init__(words)
        self.words = words


class Wire(asyncio.Protocol):
    """The client's end of a connection whose server has greeted. It takes over ``transport``."""

    def __init__(self, transport: asyncio.Transport, timeouts: Timeouts) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._parser = ReplyParser()
        self._replies: deque[Reply] = deque()
        self._owed = 0
        self._lost: Words | None = None
        self.hung_up = False  # the server closed, and did nothing wrong before
        self.farewell: Reply | None = None  # a refusal that nothing asked for
        self._paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._closed = self._loop.create_future()
        # One timer for all waits: it looks at the deadline at least as often as the shortest wait ends
        self._tick = min(timeouts.command, timeouts.data, timeouts.dot)
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._timeout = 0.0
        self._socket: socket.socket | None = transport.get_extra_info("socket")
        secured = transport.get_extra_info("ssl_object")
        self.tls: str = (secured.version() or "") if secured else ""
        transport.set_protocol(self)

    @property
    def usable(self) -> bool:
        """Whether the connection is open as far as is known."""
        return not self._lost and not self._transport.is_closing()

    @property
    def owed(self) -> int:
        """How many replies the server has not sent yet."""
        return self._owed

    def write(self, data: bytes, replies: int) -> None:
        """Send ``data``, to which the server owes ``replies``. Raises ``Lost`` with nothing sent."""
        if self._lost or self._transport.is_closing():
            raise Lost(self._lost or Reason("connection.broken"))
        self._owed += replies
        self._transport.write(data)

    async def drain(self, timeout: float) -> None:  # noqa: ASYNC109 - one timer serves all waits
        """Wait until the network took most of what was written. Raises ``Lost``, after ``timeout`` too."""
        while self._paused:
            await self._wait(timeout)

    async def reply(self, timeout: float) -> Reply:  # noqa: ASYNC109
        """Return the next reply that is owed. Raises ``Lost``, after ``timeout`` seconds too."""
        while not self._replies:
            await self._wait(timeout)
        return self._replies.popleft()

    def drop(self, words: Words) -> None:
        """Close at once. ``words`` say why; the first ones given are kept."""
        if self._lost is None:
            self._lost = words
            self._transport.abort()
            self._wake()

    async def quit(self, patience: float) -> None:
        """Say goodbye, wait ``patience`` seconds for the server to do the same, then close."""
        with suppress(Lost, TimeoutError):
            async with asyncio.timeout(patience):
                self.write(b"QUIT\r\n", 1)
                await self.reply(patience)
                self._lost = Reason("connection.closed-here")
                self._transport.close()
                await asyncio.shield(self._closed)
        self._lost = self._lost or Reason("connection.closed-here")
        self._transport.abort()

    async def _wait(self, timeout: float) -> None:  # noqa: ASYNC109
        if self._lost:
            raise Lost(self._lost)
        self._timeout = timeout
        self._deadline = self._loop.time() + timeout
        if self._timer is None:
            self._timer = self._loop.call_later(min(self._tick, timeout), self._look_at_the_clock)
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _look_at_the_clock(self) -> None:
        self._timer = None
        now = self._loop.time()
        if self._waiter is None or self._waiter.done():
            return
        if now >= self._deadline:
            self.drop(Reason("connection.timeout", n=f"{self._timeout:g}"))
        else:
            self._timer = self._loop.call_at(min(self._deadline, now + self._tick), self._look_at_the_clock)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Read what the server sent (called by the event loop)."""
        if self._lost:
            return
        fault: Reason | None = None
        try:
            replies = self._parser.feed(data)
        except ReplyError as error:
            replies, fault = error.replies, error.reason
        self._owed -= len(replies)
        if self._owed < 0:
            unasked = replies[self._owed]
            fault = Reason("connection.unasked-reply", reply=unasked.text)
            if unasked.code // 100 in {TRANSIENT, PERMANENT}:
                self.farewell = unasked
            del replies[self._owed :]
        self._replies.extend(replies)
        if self._owed and _QUICK_ACK is not None and self._socket is not None:
            # The server may hold its next reply back until this one is acknowledged (RFC 896), and the
            # system would wait 40 ms for something to send it with (RFC 1122 section 4.2.3.2).
            self._socket.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)
        if fault:
            self.drop(fault)
        self._wake()

    def eof_received(self) -> None:
        """Note that the server closed its end (called by the event loop)."""
        self.hung_up = self.hung_up or not self._lost
        self.drop(Reason("connection.closed"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection is gone (called by the event loop)."""
        self.hung_up = self.hung_up or not self._lost
        broken = Reason("connection.broken-by", said=str(exc)) if exc else Reason("connection.closed")
        self.drop(broken)
        if self._timer is not None:
            self._timer.cancel()
        if not self._closed.done():
            self._closed.set_result(None)

    def pause_writing(self) -> None:
        """Note that the network is slower than we are (called by the event loop)."""
        self._paused = True

    def resume_writing(self) -> None:
        """Note that the network caught up (called by the event loop)."""
        self._paused = False
        self._wake()
