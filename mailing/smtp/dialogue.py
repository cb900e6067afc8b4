"""The dialogue of one connection, written down for a person who reads along: who said what, and when.

Nothing that signs in gets into it: neither what is said after AUTH, nor a password that a server repeats. It
is bounded, whatever a server says. ``overheard`` fills it.
"""

from __future__ import annotations

from base64 import b64encode
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from time import monotonic
from typing import TYPE_CHECKING

from mailing.core.reasons import Reason
from mailing.smtp.replies import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailing.core.reasons import Words
    from mailing.smtp.account import Sender
    from mailing.smtp.replies import Reply

LINES_MOST = 300
LINE_MOST = 2_000  # characters
HIDDEN = "\N{BULLET}" * 8
_STAGES = {
    "EHLO": Stage.HELLO,
    "HELO": Stage.HELLO,
    "STARTTLS": Stage.TLS,
    "AUTH": Stage.AUTH,
    "MAIL": Stage.MAIL,
    "RCPT": Stage.RCPT,
    "DATA": Stage.DATA,
}
_GO_AHEAD, _CHALLENGE = 354, 334
_END = b"\r\n.\r\n"


class Side(StrEnum):
    """Who speaks: we, the server, or whoever tells what else happened."""

    CLIENT = "client"
    SERVER = "server"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Line:
    """What was said, ``ms`` after the beginning. ``stage`` is none at the goodbye."""

    ms: int
    side: Side
    stage: Stage | None
    words: Words


class Dialogue:
    """What is said on one connection to a sender's server."""

    def __init__(self, sender: Sender) -> None:
        self.lines: list[Line] = []
        self._begun = monotonic()
        self._secrets = sorted(_secrets(sender), key=len, reverse=True)
        self._owed: deque[Stage | None] = deque()  # the stages of the replies that are to come
        self._signing_in = False
        self._in_text: int | None = None  # bytes of the message that were sent; none: commands are

    def note(self, stage: Stage | None, words: Words) -> None:
        """Write down what happened."""
        self._add(Side.NOTE, stage, words)

    def hide(self, secret: str) -> None:
        """Keep a secret out of what is written down from now on."""
        self._secrets.append(secret)

    def greeting(self, reply: Reply) -> None:
        """Write down what the server says first."""
        self._add(Side.SERVER, Stage.GREETING, reply.text)

    def said(self, data: bytes) -> None:
        """Write down what we say: one command, several at once, or a piece of the message."""
        if self._in_text is not None:
            self._text(data)
            return
        for line in data.decode("utf-8", "replace").removesuffix("\r\n").split("\r\n"):
            stage = Stage.AUTH if self._signing_in else _STAGES.get(line[:8].partition(" ")[0].upper())
            self._owed.append(stage)
            if self._signing_in:
                self._add(Side.CLIENT, stage, HIDDEN)
            elif stage is Stage.AUTH:
                self._signing_in = True
                verb, way, *secret = line.split(" ")
                self._add(Side.CLIENT, stage, " ".join((verb, way, *(HIDDEN for _ in secret))))
            else:
                self._add(Side.CLIENT, stage, line)

    def answered(self, reply: Reply) -> None:
        """Write down a reply to what was said first of what has no reply yet."""
        stage = self._owed.popleft() if self._owed else None
        if stage is Stage.AUTH and reply.code != _CHALLENGE:
            self._signing_in = False
        if stage is Stage.DATA and reply.code == _GO_AHEAD:
            self._in_text = 0
        self._add(Side.SERVER, stage, reply.text)

    def _text(self, data: bytes) -> None:
        self._in_text = (self._in_text or 0) + len(data)
        if data.endswith(_END) or data == _END[2:]:
            self._add(Side.CLIENT, Stage.DOT, Reason("dialogue.text", n=self._in_text))
            self._owed.append(Stage.DOT)
            self._in_text = None

    def _add(self, side: Side, stage: Stage | None, words: Words) -> None:
        if isinstance(words, str):
            for secret in self._secrets:
                words = words.replace(secret, HIDDEN)
            words = words[:LINE_MOST]
        if len(self.lines) < LINES_MOST:
            self.lines.append(Line(round(1000 * (monotonic() - self._begun)), side, stage, words))


def _secrets(sender: Sender) -> Iterator[str]:
    """Yield the password in each form in which it goes over the line, and as servers may repeat it."""
    if sender.password:
        plain = f"\0{sender.username}\0{sender.password}"
        yield sender.password
        yield b64encode(sender.password.encode()).decode()
        yield b64encode(plain.encode()).decode()
