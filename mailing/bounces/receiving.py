"""What is said with a server that brings reports: SMTP (RFC 5321) or LMTP (RFC 2033), by its greeting.

Pure: bytes in, replies and messages out. No library's server is used, for those read a message line by line:
here a report is found by its end. Only ``CRLF . CRLF`` ends one, so none can be smuggled in behind another.
Mail is taken for the bounce domain alone: for the addresses that we send from, those by which people
unsubscribe, and a few that people name to receivers for their spam reports.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from mailing.bounces import tokens
from mailing.suppression import leave_addresses

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZE_MOST = 20 * 1024 * 1024  # bytes of a message (RFC 1870)
LINE_MOST = 4 * 1024  # bytes of a command
RECIPIENTS_MOST = 100
FAULTS_MOST = 20  # of one connection
NAMED = frozenset({"abuse", "bounces", "complaints", "dmarc", "fbl", "postmaster"})
_END = b"\r\n.\r\n"
_PATH = re.compile(rb"(?:FROM|TO):[ ]*<([^<>\r\n]{0,500})>(?:[ ][^\r\n]*)?$", re.IGNORECASE)
_SIZE = re.compile(rb"[ ]SIZE=(\d{1,20})\b", re.IGNORECASE)
ACCEPTED = b"250 2.0.0 Recorded\r\n"
LATER = b"451 4.3.0 It cannot be recorded now; try again later\r\n"
_LARGE = b"552 5.3.4 Reports have at most %d bytes\r\n" % SIZE_MOST
_BAD = b"503 5.5.1 Not now\r\n"


class Brought(NamedTuple):
    """A message that came, and to whom."""

    raw: bytes
    to: Sequence[str]


@dataclass(slots=True)
class Dialogue:
    """One connection, from its greeting to its end."""

    domain: str
    host: str
    over: bool = False
    _buffer: bytearray = field(default_factory=bytearray)
    _lmtp: bool = False
    _greeted: bool = False
    _sender: bytes | None = None
    _to: list[str] = field(default_factory=list)
    _in_text: bool = False
    _looked: int = 0  # how much of the text has no end in it
    _too_large: bool = False
    _faults: int = 0

    @property
    def greeting(self) -> bytes:
        """What is said first."""
        return f"220 {self.host} Volley takes bounces\r\n".encode()

    def feed(self, data: bytes) -> None:
        """Take bytes as they come."""
        self._buffer += data

    def proceed(self) -> tuple[bytes, Brought | None]:
        """Return the replies to what has come, up to a message, which must be answered before it goes on."""
        replies: list[bytes] = []
        while not self.over:
            if self._in_text:
                brought = self._text()
                if brought is None:
                    break
                if not self._too_large:
                    return b"".join(replies), brought
                replies.append(self.answer(_LARGE, brought))
                continue
            end = self._buffer.find(b"\r\n", 0, LINE_MOST)
            if end < 0:
                if len(self._buffer) > LINE_MOST:
                    replies.append(b"500 5.5.2 The line is too long\r\n")
                    self.over = True
                break
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 2]
            replies.append(self._command(line))
        return b"".join(replies), None

    def answer(self, reply: bytes, brought: Brought) -> bytes:
        """Return what is replied to a message: over LMTP once for each recipient (RFC 2033 section 4.2)."""
        self._too_large = False
        return reply * len(brought.to) if self._lmtp else reply

    def _text(self) -> Brought | None:
        end = self._buffer.find(_END, max(self._looked - len(_END), 0))
        if end < 0:
            self._looked = len(self._buffer)
            if self._looked > SIZE_MOST:
                self._too_large = True
                del self._buffer[: -len(_END)]
                self._looked = 0
            return None
        raw = bytes(self._buffer[2 : end + 2])  # without the line end of DATA, which is put before it
        del self._buffer[: end + len(_END)]
        if raw.startswith(b".") or b"\n." in raw:
            raw = (b"\n" + raw).replace(b"\n.", b"\n")[1:]
        brought = Brought(raw, tuple(self._to))
        self._in_text, self._looked = False, 0
        self._forget()
        return brought

    def _command(self, line: bytes) -> bytes:
        verb, _, rest = line.partition(b" ")
        match verb.upper():
            case b"EHLO" | b"LHLO" | b"HELO":
                return self._hello(verb.upper())
            case b"MAIL" if self._greeted and self._sender is None:
                return self._mail(rest)
            case b"RCPT" if self._sender is not None:
                return self._rcpt(rest)
            case b"DATA" if self._to:
                self._in_text, self._looked = True, 0
                self._buffer[:0] = b"\r\n"  # so that a lone dot, too, ends the text
                return b"354 End with a dot on a line of its own\r\n"
            case b"MAIL" | b"RCPT" | b"DATA":
                return self._fault(_BAD)
        return self._other(verb.upper())

    def _other(self, verb: bytes) -> bytes:
        if verb == b"RSET":
            self._forget()
            return b"250 2.0.0 Reset\r\n"
        if verb == b"NOOP":
            return b"250 2.0.0 Here\r\n"
        if verb != b"QUIT":
            return self._fault(b"502 5.5.1 Unknown command\r\n")
        self.over = True
        return b"221 2.0.0 Bye\r\n"

    def _hello(self, verb: bytes) -> bytes:
        self._forget()
        self._greeted, self._lmtp = True, verb == b"LHLO"
        host = self.host.encode()
        if verb == b"HELO":
            return b"250 %b\r\n" % host
        offers = (host, b"PIPELINING", b"SIZE %d" % SIZE_MOST, b"8BITMIME", b"SMTPUTF8")
        lines = [b"250-%b\r\n" % it for it in offers]
        return b"".join([*lines, b"250 ENHANCEDSTATUSCODES\r\n"])

    def _mail(self, rest: bytes) -> bytes:
        found = _PATH.match(rest)
        if not found:
            return self._fault(b"501 5.5.4 Say MAIL FROM:<address>\r\n")
        size = _SIZE.search(rest)
        if size and int(size[1]) > SIZE_MOST:
            return _LARGE
        self._sender = found[1]
        return b"250 2.1.0 Ok\r\n"

    def _rcpt(self, rest: bytes) -> bytes:
        found = _PATH.match(rest)
        if not found:
            return self._fault(b"501 5.5.4 Say RCPT TO:<address>\r\n")
        address = found[1].decode("utf-8", "replace")
        local, _, host = address.rpartition("@")
        if host.lower() != self.domain:
            return self._fault(b"550 5.7.1 Only bounces are taken here\r\n")
        ours = tokens.is_ours(address, self.domain) or leave_addresses.is_ours(address, self.domain)
        if not (ours or local.lower() in NAMED):
            return self._fault(b"550 5.1.1 Nothing was sent from this address\r\n")
        if len(self._to) == RECIPIENTS_MOST:
            return b"452 4.5.3 Too many recipients\r\n"
        self._to.append(address)
        return b"250 2.1.5 Ok\r\n"

    def _fault(self, reply: bytes) -> bytes:
        self._faults += 1
        if self._faults < FAULTS_MOST:
            return reply
        self.over = True
        return b"421 4.7.0 Too many errors\r\n"

    def _forget(self) -> None:
        self._sender, self._to = None, []
