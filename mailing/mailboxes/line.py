"""A connection on which everything ends in time, and that can be stopped. It blocks, in a thread of its own.

``imaplib`` has no IDLE before Python 3.14, cannot go on after a read that was too slow, and takes a literal
of any size; ``poplib`` refuses lines of over 2,048 bytes, which reports have, and reads a message of any
size. So IMAP and POP3 are spoken here on one small buffer, which is bounded, and looks for the stop four
times a second.
"""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING

from mailing.core.reasons import Reason
from mailing.mailboxes import faults
from mailing.mailboxes.faults import MailboxError

if TYPE_CHECKING:
    from threading import Event

    from mailing.smtp.account import TlsMode

CONNECT_S, ANSWER_S = 15.0, 60.0
SLOWEST = 2_000  # bytes a second of a long text, after ``ANSWER_S``
LOOK_S = 0.25  # how soon a stop is seen
LINE_MOST = 64 * 1024  # bytes
_PIECE = 64 * 1024


class StoppedError(Exception):
    """Somebody asked it to stop."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where a mailbox is, and how the line to it is protected. ``ca`` is PEM."""

    host: str
    port: int
    tls: TlsMode
    verify: bool = True
    ca: str = field(default="", repr=False)

    @property
    def name(self) -> str:
        """``host:port``; an IPv6 address stands in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Line:
    """One connection. All it raises is ``MailboxError`` and ``StoppedError``."""

    def __init__(self, server: Server, stop: Event, answer_s: float = ANSWER_S) -> None:
        self.server, self.secured = server, False
        self._stop, self._answer_s = stop, answer_s
        self._buffer = bytearray()
        try:
            self._socket = socket.create_connection(
                (server.host, server.port), timeout=min(CONNECT_S, answer_s)
            )
        except UnicodeError:
            raise MailboxError(Reason("mailbox.unknown-host", host=server.host)) from None
        except OSError as error:
            raise faults.of(error, server.name, server.host) from error
        if server.tls == "tls":
            self.secure()

    @property
    def private(self) -> bool:
        """Whether nobody reads along: it is encrypted, or does not leave this machine."""
        if self.secured:
            return True
        try:
            return ip_address(self._socket.getpeername()[0].partition("%")[0]).is_loopback
        except (OSError, ValueError):
            return False

    def secure(self) -> None:
        """Encrypt the line from here on. What came before it, unasked, is no answer."""
        trust = ssl.create_default_context(cadata=self.server.ca or None)
        if not self.server.verify:
            trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
        self._buffer.clear()
        try:
            self._socket.settimeout(min(CONNECT_S, self._answer_s))
            self._socket = trust.wrap_socket(self._socket, server_hostname=self.server.host)
        except (OSError, ValueError) as error:
            self.close()
            known = error if isinstance(error, OSError) else OSError(str(error))
            raise faults.of(known, self.server.name, self.server.host) from error
        self.secured = True

    def send(self, data: bytes) -> None:
        """Send a whole command."""
        try:
            self._socket.settimeout(self._answer_s)
            self._socket.sendall(data)
        except OSError as error:
            raise faults.of(error, self.server.name, self.server.host) from error

    def read_line(self, within: float = 0.0) -> bytes:
        """Return the next line without its end. It must be here ``within`` seconds."""
        until = time.monotonic() + (within or self._answer_s)
        looked = 0
        while (end := self._buffer.find(b"\n", looked)) < 0:
            looked = len(self._buffer)
            if looked > LINE_MOST:
                raise MailboxError(
                    Reason(
                        "mailbox.garbled", server=self.server.name, said=faults.said(bytes(self._buffer[:80]))
                    )
                )
            self._fill(until)
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line.removesuffix(b"\r")

    def read_piece(self) -> tuple[bytes, bool]:
        """Return the next line of a text, or a piece of a long one; and whether it is the line's end."""
        until = time.monotonic() + self._answer_s
        looked = 0
        while (end := self._buffer.find(b"\n", looked)) < 0 and len(self._buffer) <= LINE_MOST:
            looked = len(self._buffer)
            self._fill(until)
        size = end + 1 if end >= 0 else len(self._buffer)
        piece = bytes(self._buffer[:size])
        del self._buffer[:size]
        return piece, end >= 0

    def read(self, size: int, keep: int) -> bytes:
        """Read ``size`` bytes; return the first ``keep`` of them."""
        until = time.monotonic() + self._answer_s + size / SLOWEST
        kept, left = bytearray(), size
        while left:
            if not self._buffer:
                self._fill(until)
            piece = self._buffer[:left]
            del self._buffer[: len(piece)]
            left -= len(piece)
            kept += piece[: max(keep - len(kept), 0)]
        return bytes(kept)

    def waits(self, seconds: float) -> bool:
        """Wait until something comes, at most so long; return whether it did."""
        until = time.monotonic() + seconds
        while not self._buffer:
            try:
                self._fill(until)
            except MailboxError as error:
                if error.reason.code == "mailbox.silent":
                    return False
                raise
        return True

    def close(self) -> None:
        """Let the connection go, without a word."""
        self._socket.close()

    def _fill(self, until: float) -> None:
        while True:
            if self._stop.is_set():
                raise StoppedError
            try:
                self._socket.settimeout(LOOK_S)
                data = self._socket.recv(_PIECE)
            except TimeoutError:
                if time.monotonic() < until:
                    continue
                raise MailboxError(Reason("mailbox.silent", server=self.server.name)) from None
            except OSError as error:
                raise faults.of(error, self.server.name, self.server.host) from error
            if not data:
                raise MailboxError(Reason("mailbox.closed", server=self.server.name))
            self._buffer += data
            return
