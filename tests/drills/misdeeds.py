"""The ways in which the sink misbehaves, by the name in ``SINK_MISDEED``.

Each misdeed is a function that is asked at every step of the dialogue and says what to do instead of
answering as one should: some bytes, ``HANG``, ``CLOSE``, ``LATE``, or nothing. Each connection that is
broken so is told on stderr as ``broke STEP``, so that a drill knows how many emails may be in doubt.
``SINK_OFTEN`` says how many times as often it comes: short drills need that.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import time
import zlib
from collections import Counter, deque
from typing import TYPE_CHECKING, Any

from tests.support.sink import EHLO, GREETING, OK, Dialogue

if TYPE_CHECKING:
    from collections.abc import Callable

    Misdeed = Callable[["Misbehaving", str], object]

HANG, CLOSE, LATE = object(), object(), object()
LATE_S = 0.15
OFTEN = int(os.environ.get("SINK_OFTEN", "1"))
WANTS_SILENCE, SILENCE_S = "domain3.example", 2
REFUSING = "refusing.example"  # the receiver that refuses all
BAD_RECIPIENT = b"503 5.5.1 No valid recipient\r\n"
_STEPS = {b"EHLO": "ehlo", b"MAIL": "mail", b"RCPT": "rcpt", b"DATA": "data"}
_JUNK = (
    b"Ok then\r\n",
    b"25\r\n",
    b"\x00\xff\xfe\x80\r\n",
    b"250-first\r\n999 second\r\n",
    b"250 2.0.0 Ok\r\n250 2.0.0 Ok, I said\r\n",
    b"354 surprise\r\n",
    b"250-this never ends\r\n",
    b"2" * 9000 + b"\r\n",
)


class State:
    """What all connections of the sink know together."""

    def __init__(self) -> None:
        self.reached: Counter[str] = Counter()
        self.greylisted: set[bytes] = set()
        self.recent: deque[float] = deque()
        self.silent_until = 0.0

    def every(self, n: int, step: str) -> bool:
        """Whether ``step`` was reached another ``n`` times, or fewer if it is to come often."""
        return self.reached[step] % max(3, n // OFTEN) == 0


class Misbehaving(Dialogue):
    """A client's dialogue with a server that is up to ``misdeed``."""

    def __init__(self, record: int, think_s: float, misdeed: Misdeed, state: State) -> None:
        super().__init__(record, think_s)
        self.misdeed = misdeed
        self.state = state
        self.number = state.reached["connection"] = state.reached["connection"] + 1
        self.messages = 0
        self.taken = False  # the recipient was accepted
        self.pipelining = True
        self.late = misdeed is answers_late

    def connection_made(self, transport: Any) -> None:
        self.transport = Trickle(transport) if self.misdeed is byte_by_byte else transport
        self.transport.write(self.tampered("greeting", GREETING))

    def answer(self, line: bytes) -> bytes:
        step = _STEPS.get(line[:4].upper(), "")
        reply = super().answer(line)
        if self.buffer and not self.pipelining and step in {"mail", "rcpt"}:
            self.accuse(b"!pipelined")
        if step:
            reply = self.tampered(step, reply)
        if step == "rcpt":
            self.taken = reply.startswith(b"2")
        elif step == "data":
            if self.taken or self.misdeed is refuses_rcpt_but_takes_data:
                self.in_text = self.late or reply.startswith(b"354")
            else:
                self.in_text = False
                return BAD_RECIPIENT
        return reply

    def end(self, text: bytes) -> bytes:
        if not self.taken:
            if text.strip():
                self.accuse(b"!refused")
            return b"554 5.5.1 No valid recipient\r\n"
        self.taken = False
        self.messages += 1
        if instead := self.tampered("text", b""):
            return instead
        if self.waiting:
            return b""
        self.accept(text)
        return self.tampered("dot", OK)

    def accuse(self, what: bytes) -> None:
        """Write down what a client must never do, where the judge looks."""
        os.write(self.record, what + b":" + self.recipient + b"\t\n")

    def tampered(self, step: str, reply: bytes) -> bytes:
        """Return what is said at ``step`` instead of ``reply``; after that perhaps nothing more."""
        self.state.reached[step] += 1
        instead = self.misdeed(self, step)
        if instead is None:
            return reply
        if isinstance(instead, bytes):
            if instead in _JUNK:
                os.write(2, b"broke %s\n" % step.encode())
            if not instead.startswith(b"421"):
                return instead
        self.waiting = True
        if instead is LATE:
            asyncio.get_running_loop().call_later(LATE_S, self.reply_late, reply)
            return b""
        os.write(2, b"broke %s\n" % step.encode())
        if instead is not HANG:
            asyncio.get_running_loop().call_soon(self.transport.close)
        return instead if isinstance(instead, bytes) else b""


class Trickle:
    """A transport that sends one byte at a time."""

    def __init__(self, transport: Any) -> None:
        self.transport = transport
        self.left = bytearray()
        self.close_after = False

    def write(self, data: bytes) -> None:
        idle, self.left[len(self.left) :] = not self.left, data
        if idle:
            self.trickle()

    def trickle(self) -> None:
        if self.left and not self.transport.is_closing():
            self.transport.write(bytes(self.left[:1]))
            del self.left[:1]
            asyncio.get_running_loop().call_soon(self.trickle)
        elif self.close_after:
            self.transport.close()

    def close(self) -> None:
        self.close_after = True
        if not self.left:
            self.transport.close()

    def is_closing(self) -> bool:
        return self.transport.is_closing()


def greylists(client: Misbehaving, step: str) -> object:
    if step == "rcpt" and client.recipient not in client.state.greylisted:
        client.state.greylisted.add(client.recipient)
        return b"451 4.7.1 Greylisted, please try again later\r\n"
    return None


def refuses_by_rate(client: Misbehaving, step: str) -> object:
    if step == "mail" and client.state.every(701, "mail"):
        return b"421 4.7.0 Too many messages, closing\r\n"
    if step != "rcpt":
        return None
    recent, now = client.state.recent, time.monotonic()
    while recent and recent[0] < now - 1:
        recent.popleft()
    if len(recent) >= 400 // OFTEN:
        return b"450 4.7.28 Rate limit exceeded, try again in 5 seconds\r\n"
    recent.append(now)
    return None


def refuses_one_receiver(client: Misbehaving, step: str) -> object:
    if step == "text" and client.recipient.endswith(REFUSING.encode()):
        return b"421 4.7.28 Gmail has detected an unusual rate of mail originating from your IP address\r\n"
    return None


def wants_silence(client: Misbehaving, step: str) -> object:
    """One receiver wants silence for some seconds, now and then; an email before they are over renews it."""
    if step != "text" or not client.recipient.endswith(WANTS_SILENCE.encode()):
        return None
    state, now = client.state, time.monotonic()
    if now >= state.silent_until and not state.every(100, "silence"):
        state.reached["silence"] += 1
        return None
    state.reached["silence"] += 1
    state.silent_until = now + SILENCE_S
    return b"421 4.7.28 Unusual rate of mail from your IP address, try again in %d seconds\r\n" % SILENCE_S


def closes_before_the_dot(client: Misbehaving, step: str) -> object:
    return CLOSE if step == "data" and client.state.every(100, "data") else None


def closes_in_the_text(client: Misbehaving, step: str) -> object:
    return CLOSE if step == "text" and client.state.every(100, "text") else None


def closes_after_the_dot(client: Misbehaving, step: str) -> object:
    return CLOSE if step == "dot" and client.state.every(100, "dot") else None


def hangs(client: Misbehaving, step: str) -> object:
    often = {"greeting": 9, "ehlo": 11, "mail": 400, "rcpt": 410, "data": 420, "text": 430, "dot": 440}
    return HANG if client.state.every(often[step], step) else None


def byte_by_byte(client: Misbehaving, step: str) -> object:
    return None


def answers_late(client: Misbehaving, step: str) -> object:
    return LATE if step == "data" and client.taken else None


def malformed(client: Misbehaving, step: str) -> object:
    if step in {"mail", "rcpt", "data", "dot"}:
        client.state.reached["reply"] += 1
        number = client.state.reached["reply"]
        often = 211 // OFTEN
        if number % often == 0:
            return _JUNK[number // often % len(_JUNK)]
        if step != "data":
            return b"250-2.0.0 This answer\r\n250-2.0.0 has three\r\n250 2.0.0 lines\r\n"
    return None


def drops_tls(client: Misbehaving, step: str) -> object:
    often = {"greeting": 7, "ehlo": 9, "rcpt": 300, "data": 310, "dot": 320}
    return CLOSE if step in often and client.state.every(often[step], step) else None


def refuses_rcpt_but_takes_data(client: Misbehaving, step: str) -> object:
    if step == "rcpt":
        kind = zlib.crc32(client.recipient) % 10
        if kind == 0:
            return b"550 5.1.1 No such user\r\n"
        if kind == 1 and client.recipient not in client.state.greylisted:
            client.state.greylisted.add(client.recipient)
            return b"452 4.2.2 Mailbox full\r\n"
    return None


def changes_its_capabilities(client: Misbehaving, step: str) -> object:
    if step == "mail" and client.messages >= 40 // OFTEN:
        return b"421 4.3.2 Going for maintenance\r\n"
    if step != "ehlo":
        return None
    answers = (
        EHLO,
        b"250 sink\r\n",
        b"250-sink\r\n250-8BITMIME\r\n250 SIZE 200000\r\n",
        b"502 5.5.1 No EHLO here\r\n",
        b"250-sink\r\n250-SMTPUTF8\r\n250-SIZE\r\n250 PIPELINING\r\n",
    )
    answer = answers[client.number % len(answers)]
    client.pipelining = b"PIPELINING" in answer
    return answer


def misbehaving(
    name: str, record: int, think_s: float
) -> tuple[Callable[[], Misbehaving], ssl.SSLContext | None]:
    """Return who meets each client, and the TLS it wants from the first byte, if any."""
    misdeed, state = globals()[name], State()
    tls = None
    if misdeed is drops_tls:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(os.environ["SINK_CERTIFICATE"])
    return lambda: Misbehaving(record, think_s, misdeed, state), tls
