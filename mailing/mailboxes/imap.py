"""As much of IMAP4rev1 (RFC 3501) as it takes to fetch reports: by UID, in small batches, marking nothing.

IDLE is RFC 2177, ID RFC 2971 (Yahoo, 163 and 126 let nobody in without), UIDPLUS RFC 4315, QUOTA RFC 9208,
SASL-IR RFC 4959. What a server says is untrusted: lines, literals and their number are bounded.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from mailing.core.reasons import Reason
from mailing.mailboxes import faults
from mailing.mailboxes.faults import MailboxError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailing.mailboxes.line import Line

RESPONSES_MOST = 200_000  # to one command
GARBAGE_MOST = 20  # lines that are no IMAP
LITERALS_MOST = 100  # of one response
LITERAL_MOST = 512 * 1024 * 1024  # bytes that are read past; of them ``READ_MOST`` are kept
GOODBYE_S, DONE_S = 3.0, 30.0
_LITERAL = re.compile(rb"\{(\d{1,12})\+?\}$")
_UID = re.compile(rb"\bUID (\d{1,10})\b", re.IGNORECASE)
_SIZE = re.compile(rb"\bRFC822\.SIZE (\d{1,12})\b", re.IGNORECASE)
_STORAGE = re.compile(rb"\bSTORAGE (\d{1,15}) (\d{1,15})\b", re.IGNORECASE)
_PERCENT = 100
_ID = b'("name" "Volley" "vendor" "Volley" "support-url" "")'


class Response(NamedTuple):
    """One response: its text without the literals, and those."""

    text: bytes
    literals: Sequence[bytes]


class RefusedError(MailboxError):
    """The server answered NO or BAD."""


@dataclass(frozen=True, slots=True)
class Folder:
    """What a server says of a folder. ``next`` is the UID that the next message gets; 0: not said."""

    uidvalidity: int
    next: int
    messages: int
    read_only: bool


@dataclass(slots=True)
class Imap:
    """A connection to a server. ``keep`` are the bytes that are kept of one literal."""

    line: Line
    keep: int
    offers: frozenset[bytes] = frozenset()
    _tag: int = 0
    _garbage: int = field(default=0)

    def begin(self, *, secure: bool, optional: bool) -> None:
        """Hear the greeting, and encrypt the line if ``secure``, or where it is offered if ``optional``."""
        greeting = self._response().text.upper()
        if not greeting.startswith((b"* OK", b"* PREAUTH")):
            raise MailboxError(self._told("mailbox.said-no", greeting[2:]))
        self.ask()
        if secure and b"STARTTLS" not in self.offers:
            if optional:
                return
            raise MailboxError(Reason("mailbox.no-starttls", server=self.line.server.name), lasts=True)
        if secure:
            self.command(b"STARTTLS")
            self.line.secure()
            self.ask()

    def ask(self) -> None:
        """Ask what the server can do."""
        told = [it.text for it in self.command(b"CAPABILITY") if it.text.upper().startswith(b"* CAPABILITY ")]
        self.offers = frozenset(b" ".join(told).upper().split())

    def sign_in(self, user: str, password: str) -> None:
        """Sign in with a password. Raises ``RefusedError``."""
        if b"AUTH=PLAIN" in self.offers:
            self._authenticate(b"PLAIN", f"\0{user}\0{password}".encode())
        elif b"LOGINDISABLED" in self.offers:
            raise MailboxError(Reason("mailbox.sign-in-after-tls", server=self.line.server.name), lasts=True)
        else:
            self.command(b"LOGIN " + quoted(user) + b" " + quoted(password))
        self._introduce()

    def sign_in_by_token(self, user: str, token: str) -> None:
        """Sign in with an access token (XOAUTH2). Raises ``RefusedError``."""
        self._authenticate(b"XOAUTH2", f"user={user}\1auth=Bearer {token}\1\1".encode())
        self._introduce()

    def open(self, folder: str, *, change: bool) -> Folder:
        """Open a folder, so that nothing in it changes unless ``change``. Raises ``RefusedError``."""
        found = self.command((b"SELECT " if change else b"EXAMINE ") + quoted(utf7(folder)))
        text = b"\n".join(it.text for it in found)

        def figure(pattern: bytes) -> int:
            match = re.search(pattern, text, re.IGNORECASE)
            return int(match[1]) if match else 0

        return Folder(
            figure(rb"\[UIDVALIDITY (\d{1,10})\]"),
            figure(rb"\[UIDNEXT (\d{1,10})\]"),
            figure(rb"(?m)^\* (\d{1,10}) EXISTS"),
            b"[READ-ONLY]" in text.upper(),
        )

    def sizes(self, first: int, last: int) -> list[tuple[int, int]]:
        """Return UID and bytes of the messages between two UIDs; a ``last`` of 0 is the last one."""
        found = {}
        until = b"%d" % last if last else b"*"
        for it in self.command(b"UID FETCH %d:%s (UID RFC822.SIZE)" % (first, until)):
            uid, size = _UID.search(it.text), _SIZE.search(it.text)
            if uid and size and int(uid[1]) >= first and (not last or int(uid[1]) <= last):
                found[int(uid[1])] = int(size[1])
        return sorted(found.items())

    def fetch(self, uids: Sequence[int], most: int | None = None) -> dict[int, bytes]:
        """Return messages, of each at most the first ``most`` bytes; those that are gone are left out."""
        part = b"<0.%d>" % most if most else b""
        named = b",".join(b"%d" % it for it in uids)
        found = {}
        for it in self.command(b"UID FETCH %s (UID BODY.PEEK[]%s)" % (named, part)):
            uid = _UID.search(it.text)
            if uid and b"BODY[" in it.text.upper() and int(uid[1]) in uids:
                found[int(uid[1])] = it.literals[0] if it.literals else b""
        return found

    def remove(self, uids: Sequence[int]) -> None:
        """Delete messages, and no others where the server can do so."""
        named = b",".join(b"%d" % it for it in uids)
        self.command(b"UID STORE %s +FLAGS.SILENT (\\Deleted)" % named)
        self.command(b"UID EXPUNGE " + named if b"UIDPLUS" in self.offers else b"EXPUNGE")

    def fullness(self, folder: str) -> int:
        """Return how full the account is, in percent; 0 where nobody says."""
        if b"QUOTA" not in self.offers:
            return 0
        try:
            found = self.command(b"GETQUOTAROOT " + quoted(utf7(folder)))
        except RefusedError:
            return 0
        shares = [
            int(it[1]) * _PERCENT // int(it[2])
            for each in found
            if (it := _STORAGE.search(each.text)) and int(it[2])
        ]
        return max(shares, default=0)

    def idle(self, seconds: float) -> None:
        """Wait until something happens in the folder, at most so long."""
        tag, news = self._send(b"IDLE"), False
        for _ in range(RESPONSES_MOST):
            if (it := self._response()).text.startswith(b"+"):
                break
            if not it.text.startswith(b"* ") or it.text.upper().startswith(b"* BYE"):
                raise MailboxError(self._told("mailbox.said-no", b"IDLE"))
            news = True  # it happened before the server began to wait
        if not news and self.line.waits(seconds):
            self._response()
        self.line.send(b"DONE\r\n")
        self._until(tag, b"IDLE")

    def end(self) -> None:
        """Say goodbye, if that can be said at once."""
        try:
            self.line.send(b"Z LOGOUT\r\n")
            self.line.read_line(GOODBYE_S)
        except Exception:  # noqa: BLE001, S110 - it is over either way
            pass
        finally:
            self.line.close()

    def command(self, command: bytes) -> list[Response]:
        """Return the responses to a command. Raises ``RefusedError``."""
        return self._until(self._send(command), command)

    def _introduce(self) -> None:
        self.ask()
        if b"ID" in self.offers:
            self.command(b"ID " + _ID)

    def _authenticate(self, way: bytes, secret: bytes) -> None:
        if b"AUTH=" + way not in self.offers:
            told = Reason("mailbox.sign-in-not-offered", server=self.line.server.name, way=way.decode())
            raise MailboxError(told, lasts=True)
        initial = base64.b64encode(secret)
        if b"SASL-IR" in self.offers:
            tag = self._send(b"AUTHENTICATE %s %s" % (way, initial))
        else:
            tag = self._send(b"AUTHENTICATE " + way)
            self._until(tag, b"AUTHENTICATE", go_on=True)
            self.line.send(initial + b"\r\n")
        self._until(tag, b"AUTHENTICATE")

    def _send(self, command: bytes) -> bytes:
        self._tag += 1
        tag = b"V%d" % self._tag
        self.line.send(tag + b" " + command + b"\r\n")
        return tag

    def _until(self, tag: bytes, command: bytes, *, go_on: bool = False) -> list[Response]:
        """Return all responses up to the tagged one, or up to where the server asks to ``go_on``."""
        found: list[Response] = []
        while True:
            it = self._response()
            if it.text.startswith(b"+"):
                if go_on:
                    return found
                self.line.send(b"\r\n")  # an error of XOAUTH2 is acknowledged so
                continue
            if not it.text.startswith(tag + b" "):
                if it.text.upper().startswith(b"* BYE") and not command.startswith(b"LOGOUT"):
                    raise MailboxError(self._told("mailbox.said-no", it.text[6:]))
                found.append(it)
                if len(found) > RESPONSES_MOST:
                    raise MailboxError(self._told("mailbox.garbled", it.text))
                continue
            verdict, _, words = it.text[len(tag) + 1 :].partition(b" ")
            if verdict.upper() != b"OK":
                raise RefusedError(self._told("mailbox.said-no", words))
            return found

    def _response(self) -> Response:
        """Return the next response; some lines that are none are passed over."""
        while True:
            text = self.line.read_line()
            literals: list[bytes] = []
            while (size := _LITERAL.search(text)) and len(literals) < LITERALS_MOST:
                if int(size[1]) > LITERAL_MOST:
                    raise MailboxError(self._told("mailbox.garbled", text))
                literals.append(self.line.read(int(size[1]), self.keep))
                text = text[: size.start()] + self.line.read_line()
            if text.startswith((b"* ", b"+", b"V%d " % self._tag)):
                return Response(text, literals)
            self._garbage += 1
            if self._garbage > GARBAGE_MOST:
                raise MailboxError(self._told("mailbox.garbled", text))

    def _told(self, code: str, words: bytes) -> Reason:
        return Reason(code, server=self.line.server.name, said=faults.said(words) or "?")


def quoted(text: str) -> bytes:
    """Return a text as a quoted string."""
    return b'"' + text.replace("\\", "\\\\").replace('"', '\\"').encode() + b'"'


def utf7(name: str) -> str:
    """Return the name of a folder as it is said (RFC 3501 section 5.1.3)."""

    def packed(match: re.Match[str]) -> str:
        if match[0] == "&":
            return "&-"
        coded = base64.b64encode(match[0].encode("utf-16-be"), b"+,").decode().rstrip("=")
        return f"&{coded}-"

    return re.sub(r"&|[^ -~]+", packed, name)
