"""The dialogue of one connection, written down for a person to read: who said what, and when.

It is written down as it goes (``overheard``), or afterwards from what was heard (``retell``), which costs
hardly anything where no dialogue is asked for. Nothing that signs in gets into it: neither what is said after
AUTH, nor a password that a server repeats. It is bounded, whatever a server says.
"""

from __future__ import annotations

from base64 import b64encode
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeAlias

from mailing.core.reasons import Reason
from mailing.smtp.replies import Reply, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mailing.core.reasons import Words
    from mailing.smtp.account import Sender

LINES_MOST = 300
LINE_MOST = 2_000  # characters
SECRET_LEAST = 4  # characters of what was said to sign in; shorter ones are signs, like = and *
HIDDEN = "\N{BULLET}" * 8
_STAGES = {
    "EHLO": Stage.HELLO,
    "HELO": Stage.HELLO,
    "STARTTLS": Stage.TLS,
    "AUTH": Stage.AUTH,
    "MAIL": Stage.MAIL,
    "RCPT": Stage.RCPT,
    "DATA": Stage.DATA,
    "RSET": Stage.MAIL,
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


Heard: TypeAlias = "tuple[float, bytes | int | Reply | Words]"
"""When (monotonic s), and what: commands, the bytes of a message that ended, a reply, what else happened."""


class Dialogue:
    """What is said on one connection to a sender's server, from a moment on (monotonic s), as a rule now."""

    def __init__(self, sender: Sender, begun: float | None = None) -> None:
        self.lines: list[Line] = []
        self._begun = monotonic() if begun is None else begun
        self._at: float | None = None  # the moment that is told of; none: now
        self._secrets: list[str] = []
        self.hide(*_secrets(sender))
        self._owed: deque[Stage | None] = deque()  # the stages of the replies that are to come
        self._signing_in = False
        self._in_text: int | None = None  # bytes of the message that were sent; none: commands are

    def note(self, stage: Stage | None, words: Words) -> None:
        """Write down what happened."""
        self._add(Side.NOTE, stage, words)

    def hide(self, *secrets: str) -> None:
        """Keep secrets out of what is written down from now on, whoever says them."""
        known = {*self._secrets, *filter(None, secrets)}
        self._secrets = sorted(known, key=len, reverse=True)  # one may be a part of another

    @property
    def secrets(self) -> Sequence[str]:
        """What is kept out, the longest first."""
        return tuple(self._secrets)

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
                self.hide(*_secret(line))
                self._add(Side.CLIENT, stage, HIDDEN)
            elif stage is Stage.AUTH:
                self._signing_in = True
                verb, way, *secret = line.split(" ")
                self.hide(*_secret(*secret))
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

    def retell(self, stage: Stage | None, heard: Sequence[Heard]) -> None:
        """Write down what was heard before, and at which ``stage`` it ended."""
        for self._at, what in heard:
            if isinstance(what, bytes):
                self.said(what)
            elif isinstance(what, int):
                self._end_text(what)
            elif isinstance(what, Reply):
                self.answered(what)
            else:
                self.note(stage, what)
        self._at = None

    def _text(self, data: bytes) -> None:
        self._in_text = (self._in_text or 0) + len(data)
        if data.endswith(_END) or data == _END[2:]:
            self._end_text(self._in_text)

    def _end_text(self, n: int) -> None:
        self._add(Side.CLIENT, Stage.DOT, Reason("dialogue.text", n=n))
        self._owed.append(Stage.DOT)
        self._in_text = None

    def _add(self, side: Side, stage: Stage | None, words: Words) -> None:
        if len(self.lines) < LINES_MOST:
            at = monotonic() if self._at is None else self._at
            self.lines.append(Line(round(1000 * (at - self._begun)), side, stage, self._hidden(words)))

    def _hidden(self, value: Any) -> Any:
        """Return words, or a value of a reason, without secrets and not too long."""
        if isinstance(value, str):
            for secret in self._secrets:
                value = value.replace(secret, HIDDEN)
            return value[:LINE_MOST]
        if isinstance(value, Reason):
            return Reason(value.code, **{name: self._hidden(each) for name, each in value.values.items()})
        return tuple(map(self._hidden, value)) if isinstance(value, tuple) else value


class Hearing:
    """What a session hears of one mail after the other, to be told of those that are not sent.

    On the fast path it costs a few times and references. ``opening`` is the dialogue up to the first mail.
    """

    def __init__(self, sender: Sender, opening: Dialogue | None) -> None:
        self.server = sender.server
        self._sender = sender
        self._secrets = opening.secrets if opening else ()  # a token, too, that signed in
        self._opening = opening
        self._heard: list[Heard] = []
        self._ahead: Heard | None = None

    def begin(self) -> None:
        """Listen to another mail."""
        self._heard = []

    def hear(self, what: bytes | int | Reply | Words, at: float = 0.0) -> None:
        """Note commands, the bytes of a message that ended, a reply, or what else happened, now or ``at``."""
        self._heard.append((at or monotonic(), what))

    def hear_ahead(self, commands: bytes) -> None:
        """Note the envelope of the mail after this one."""
        self._ahead = monotonic(), commands

    def take_ahead(self) -> None:
        """Count the envelope that went ahead to this mail."""
        if self._ahead:
            self._heard.append(self._ahead)
            self._ahead = None

    def forget(self) -> None:
        """Forget the envelope that went ahead, and its replies: another mail's."""
        self._heard.clear()
        self._ahead = None

    def end(self) -> None:
        """Note that the mail has its outcome."""
        self._opening = None

    def told(self, stage: Stage, begun: float) -> Sequence[Line]:
        """Return the dialogue of a mail that ``begun`` (monotonic s) and ended at a ``stage`` unsent."""
        dialogue = self._opening or Dialogue(self._sender, self._heard[0][0] if self._heard else begun)
        dialogue.hide(*self._secrets)
        dialogue.retell(stage, self._heard)
        return tuple(dialogue.lines)


def _secret(*said: str) -> list[str]:
    """Return what was said to sign in, but for signs like = and *."""
    return [each for each in said if len(each) >= SECRET_LEAST]


def _secrets(sender: Sender) -> Iterator[str]:
    """Yield the password in each form in which it goes over the line, and as servers may repeat it."""
    if sender.password:
        plain = f"\0{sender.username}\0{sender.password}"
        yield sender.password
        yield b64encode(sender.password.encode()).decode()
        yield b64encode(plain.encode()).decode()
