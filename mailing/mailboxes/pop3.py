"""As much of POP3 (RFC 1939) as it takes to fetch reports. STLS is RFC 2595, CAPA RFC 2449."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailing.core.reasons import Reason
from mailing.mailboxes import faults
from mailing.mailboxes.faults import MailboxError
from mailing.mailboxes.imap import GOODBYE_S, RefusedError

if TYPE_CHECKING:
    from mailing.mailboxes.line import Line

MESSAGES_MOST = 200_000
TEXT_MOST = 512 * 1024 * 1024  # bytes of a message that are read past
TOP_LINES = 5_000  # of a message that is too large
UIDL_MOST = 200  # characters; the RFC allows 70


@dataclass(slots=True)
class Pop3:
    """A connection to a server. ``keep`` are the bytes that are kept of one message."""

    line: Line
    keep: int
    offers: frozenset[bytes] = frozenset()

    def begin(self, *, secure: bool, optional: bool) -> None:
        """Hear the greeting, and encrypt the line if ``secure``, or where it is offered if ``optional``."""
        self._answer()
        self.ask()
        if secure and b"STLS" not in self.offers:
            if optional:
                return
            raise MailboxError(Reason("mailbox.no-starttls", server=self.line.server.name), lasts=True)
        if secure:
            self.command(b"STLS")
            self.line.secure()
            self.ask()

    def ask(self) -> None:
        """Ask what the server can do; an old one does not say."""
        try:
            self.command(b"CAPA")
        except RefusedError:
            self.offers = frozenset()
            return
        self.offers = frozenset(line.upper() for line in self._lines())

    def sign_in(self, user: str, password: str) -> None:
        """Sign in with a password. Raises ``RefusedError``."""
        self.command(b"USER " + user.encode())
        self.command(b"PASS " + password.encode())

    def sign_in_by_token(self, user: str, token: str) -> None:
        """Sign in with an access token (XOAUTH2). Raises ``RefusedError``."""
        self.line.send(b"AUTH XOAUTH2\r\n")
        if not self.line.read_line().startswith(b"+"):
            told = Reason("mailbox.sign-in-not-offered", server=self.line.server.name, way="XOAUTH2")
            raise MailboxError(told, lasts=True)
        secret = base64.b64encode(f"user={user}\1auth=Bearer {token}\1\1".encode())
        self.line.send(secret + b"\r\n")
        reply = self.line.read_line()
        if reply.startswith(b"+ "):  # an error, which is acknowledged
            self.line.send(b"\r\n")
            reply = self.line.read_line()
        self._judge(reply)

    def there(self) -> list[tuple[int, str, int]]:
        """Return number, unique id and bytes of each message."""
        try:
            self.command(b"UIDL")
        except RefusedError:
            raise MailboxError(Reason("mailbox.no-uidl", server=self.line.server.name), lasts=True) from None
        ids = dict(self._pairs())
        self.command(b"LIST")
        sizes = dict(self._pairs())
        return [
            (
                number,
                uidl.decode("latin-1")[:UIDL_MOST],
                int(size) if (size := sizes.get(number, b"")).isdigit() else 0,
            )
            for number, uidl in sorted(ids.items())
        ]

    def fetch(self, number: int, *, whole: bool) -> bytes:
        """Return a message, or how it begins where it need not be ``whole``."""
        if whole:
            self.command(b"RETR %d" % number)
            return self._text()
        try:
            self.command(b"TOP %d %d" % (number, TOP_LINES))
        except RefusedError:  # it need not know TOP
            self.command(b"RETR %d" % number)
        return self._text()

    def remove(self, number: int) -> None:
        """Delete a message, once the session ends well."""
        self.command(b"DELE %d" % number)

    def end(self, *, well: bool = False) -> None:
        """End the session; ``well``: what was deleted is to be gone."""
        try:
            if well:
                self.command(b"QUIT")
            else:
                self.line.send(b"QUIT\r\n")
                self.line.read_line(GOODBYE_S)
        except Exception:
            if well:
                raise
        finally:
            self.line.close()

    def command(self, command: bytes) -> None:
        """Give a command. Raises ``RefusedError``."""
        self.line.send(command + b"\r\n")
        self._answer()

    def _answer(self) -> None:
        self._judge(self.line.read_line())

    def _judge(self, reply: bytes) -> None:
        if reply.startswith(b"-ERR"):
            raise RefusedError(self._told("mailbox.said-no", reply[5:]))
        if not reply.startswith(b"+OK"):
            raise MailboxError(self._told("mailbox.garbled", reply))

    def _pairs(self) -> list[tuple[int, bytes]]:
        pairs = (line.split(b" ", 1) for line in self._lines())
        return [(int(it[0]), it[1].strip()) for it in pairs if len(it) > 1 and it[0].isdigit()]

    def _lines(self) -> list[bytes]:
        lines = []
        while (line := self.line.read_line()) != b".":
            lines.append(line)
            if len(lines) > MESSAGES_MOST:
                raise MailboxError(self._told("mailbox.garbled", line))
        return lines

    def _text(self) -> bytes:
        kept, size, begins = bytearray(), 0, True
        while True:
            piece, ended = self.line.read_piece()
            if begins and ended and piece.rstrip(b"\r\n") == b".":
                break
            size += len(piece)
            if size > TEXT_MOST:
                raise MailboxError(self._told("mailbox.garbled", piece))
            if len(kept) < self.keep:
                kept += piece.removeprefix(b".") if begins else piece
            begins = ended
        return bytes(kept[: self.keep])

    def _told(self, code: str, words: bytes) -> Reason:
        return Reason(code, server=self.line.server.name, said=faults.said(words) or "?")
