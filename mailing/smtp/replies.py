"""What an SMTP server answers.

Pure: bytes in, replies out. RFC 5321 section 4.2 is the grammar, RFC 3463 the enhanced
codes, RFC 2034 where they stand in a reply.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING

from mailing.core.reasons import Reason, ReasonError

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_LINE = 8 * 1024  # RFC 5321 section 4.5.3.1.5 says 512; real servers write more, none writes this much
MAX_REPLY = 64 * 1024

_LINE = re.compile(rb"[2-5]\d\d(?:[ \t-]|$)")
_ENHANCED = re.compile(r"^\d{3}[ \t-]([245]\.\d{1,3}\.\d{1,3})(?!\S)", re.MULTILINE)
_ENHANCED_ELSEWHERE = re.compile(  # in brackets, behind a #, the address or another code, or before a sign
    r"(?:[(\[]\s?#?|#|>:?\s|\b\d{3}[ -])([45]\.\d{1,3}\.\d{1,3})(?![\w.])"
    r"|^\d{3}[ \t-]+([45]\.\d{1,3}\.\d{1,3})(?=[:;,\])-])",
    re.MULTILINE,
)


ACCEPTED, TRANSIENT, PERMANENT = 2, 4, 5  # the first digit of a code
_REFUSING = 400  # and above


class ReplyError(ReasonError, ValueError):
    """The server sent something that is no SMTP reply, so nothing that follows can be trusted.

    ``replies`` are those that were complete before the fault.
    """

    def __init__(self, reason: Reason, replies: Sequence[Reply] = ()) -> None:
        super().__init__(reason)
        self.replies = list(replies)


class Stage(StrEnum):
    """The step of the dialogue that a reply answers, or that a connection was lost in."""

    CONNECT = "connect"
    GREETING = "greeting"
    HELLO = "hello"
    TLS = "tls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    DOT = "dot"


OPENING = frozenset({Stage.CONNECT, Stage.GREETING, Stage.HELLO, Stage.TLS, Stage.AUTH})
"""The stages before any recipient is named: what is refused there is never the recipient's fault."""


@dataclass(frozen=True, slots=True)
class ReplyCode:
    """What servers answered alike. ``code`` is 0 where no answer came."""

    code: int
    enhanced: str


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply. ``text`` is the server's lines verbatim, codes included, joined by newlines.

    ``enhanced`` is empty when the server names no valid code (RFC 3463: class 2, 4 or 5).
    """

    code: int
    enhanced: str
    text: str


class ReplyParser:
    """Replies from bytes that arrive in any portions. After a ``ReplyError`` it must not be fed again."""

    __slots__ = ("_lines", "_rest", "_size")

    def __init__(self) -> None:
        self._rest = b""
        self._lines: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[Reply]:
        """Return the replies that ``data`` completes, in order.

        Raises ``ReplyError`` for a line that is no reply, a line past ``MAX_LINE`` bytes, or a reply
        past ``MAX_REPLY``; the error holds the replies that came before the fault.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        replies: list[Reply] = []
        try:
            for line in lines:
                if line[3:4] != b"-" and not self._lines:
                    replies.append(_one_line(line))
                elif (reply := self._one_of_many(_checked(line))) is not None:
                    replies.append(reply)
            if len(self._rest) > MAX_LINE + 1:  # the CR may be here already
                _checked(self._rest)
        except ReplyError as error:
            raise ReplyError(error.reason, replies) from None
        return replies

    def _one_of_many(self, line: bytes) -> Reply | None:
        self._lines.append(line)
        self._size += len(line)
        if self._size > MAX_REPLY:
            raise ReplyError(Reason("connection.reply-too-long", most=MAX_REPLY))
        if line[3:4] == b"-":
            return None
        lines, self._lines, self._size = self._lines, [], 0
        return _reply(b"\n".join(lines))


def _checked(line: bytes) -> bytes:
    """Return ``line`` without its CR. Raises ``ReplyError`` if it is no line of a reply."""
    line = line.removesuffix(b"\r")
    if len(line) > MAX_LINE:
        raise ReplyError(Reason("connection.line-too-long", most=MAX_LINE))
    if not _LINE.match(line):
        raise ReplyError(Reason("connection.no-reply-line", reply=repr(_readable(line[:100]))))
    return line


def _reply(lines: bytes) -> Reply:
    """Return the reply in ``lines``. Where codes differ the last line's counts: it ends the reply."""
    text = _readable(lines)
    last = text.rpartition("\n")[2]
    code = int(last[:3])
    return Reply(code, _enhanced(code, text), text)


def _enhanced(code: int, text: str) -> str:
    """Return the enhanced code where RFC 2034 wants it; of a refusal, also where servers write it instead."""
    if match := _ENHANCED.search(text):
        return match[1]
    match = _ENHANCED_ELSEWHERE.search(text) if code >= _REFUSING else None
    return match[1] or match[2] if match else ""


@lru_cache(maxsize=64)
def _one_line(line: bytes) -> Reply:  # cached, for "250 2.1.5 Ok" comes with every email
    return _reply(_checked(line))


def _readable(raw: bytes) -> str:
    """Return ``raw`` as text that every database takes: no control characters, no broken UTF-8."""
    text = raw.decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(c if c in "\n\t" or (c >= " " and c != "\x7f") else f"\\x{ord(c):02x}" for c in text)


def reply_from(code: int, message: str) -> Reply:
    """Return the reply whose lines, without their codes, are ``message``'s lines."""
    lines = message.splitlines() or [""]
    marks = ["-"] * (len(lines) - 1) + [" "]
    text = "\n".join(f"{code:03d}{mark}{line}" for mark, line in zip(marks, lines, strict=True))
    text = _readable(text.encode("utf-8", "surrogateescape"))
    return Reply(code, _enhanced(code, text), text)
