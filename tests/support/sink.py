"""An SMTP sink in a process of its own: it accepts everything and writes down what it accepted.

    python -m tests.support.sink --port 2525 --record FILE [--think SECONDS]

One line per message, appended before its reply is sent: ``recipient<TAB>Message-ID``. The file is the
judge of what was really delivered: it does not depend on anything that Volley writes. Messages are
counted when their dot arrives, even if the client is gone before the reply.

With ``SINK_MISDEED`` in its environment it misbehaves instead: ``drills.misdeeds`` has the names.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections import Counter
from typing import TYPE_CHECKING

import uvloop

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from pathlib import Path

GREETING = b"220 sink ESMTP\r\n"
EHLO = b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES\r\n"
OK = b"250 2.0.0 Ok\r\n"
GO_AHEAD = b"354 End data with <CR><LF>.<CR><LF>\r\n"


class Dialogue(asyncio.Protocol):
    """One client."""

    def __init__(self, record: int, think_s: float) -> None:
        self.record = record
        self.think_s = think_s
        self.buffer = b""
        self.in_text = False
        self.waiting = False
        self.sender = self.recipient = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        transport.write(GREETING)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        self.proceed()

    def proceed(self) -> None:
        answers = []
        while not self.waiting:
            if self.in_text:
                end = self.buffer.find(b"\r\n.\r\n")
                if end < 0:
                    break
                text, self.buffer = self.buffer[:end], self.buffer[end + 5 :]
                self.in_text = False
                reply = self.end(text)
                if self.think_s and not self.waiting:
                    self.waiting = True
                    asyncio.get_running_loop().call_later(self.think_s, self.reply_late, reply)
                else:
                    answers.append(reply)
                continue
            line, found, rest = self.buffer.partition(b"\r\n")
            if not found:
                break
            self.buffer = rest
            answers.append(self.answer(line))
        if answers:
            self.transport.write(b"".join(answers))

    def reply_late(self, reply: bytes) -> None:
        self.waiting = False
        if not self.transport.is_closing():
            self.transport.write(reply)
            self.proceed()

    def answer(self, line: bytes) -> bytes:
        verb = line[:4].upper()
        if verb == b"RCPT":
            self.recipient = line[line.index(b"<") + 1 : line.index(b">")]
        elif verb == b"MAIL":
            self.sender = line[line.index(b"<") + 1 : line.index(b">")]
        elif verb == b"DATA":
            self.in_text = True
            self.buffer = b"\r\n" + self.buffer  # so that a lone dot, too, ends the text
            return GO_AHEAD
        elif verb == b"EHLO":
            return EHLO
        elif verb == b"QUIT":
            self.transport.write(b"221 2.0.0 Bye\r\n")
            self.transport.close()
            return b""
        return OK

    def end(self, text: bytes) -> bytes:
        self.accept(text)
        return OK

    def accept(self, text: bytes) -> None:
        start = text.find(b"Message-ID: ") + 12
        message_id = text[start : text.find(b"\r\n", start)]
        os.write(self.record, b"\t".join((self.recipient, message_id, self.sender)) + b"\n")


async def serve(port: int, meet: Callable[[], asyncio.Protocol], tls: ssl.SSLContext | None = None) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(meet, "127.0.0.1", port, backlog=1024, ssl=tls)
    await server.serve_forever()


def delivered(record: Path) -> Counter[str]:
    """Return how often each recipient got a message, as the sink wrote it down."""
    return Counter(recipient for recipient, _ in accepted(record))


def accepted(record: Path) -> list[tuple[str, str]]:
    """Return each message that the sink took, as recipient and Message-ID."""
    return [(recipient, message_id) for recipient, message_id, _ in _lines(record)]


def senders(record: Path) -> dict[str, str]:
    """Return by recipient from whom the envelope of the last message to them was."""
    return {recipient: sender for recipient, _, sender in _lines(record)}


def _lines(record: Path) -> list[list[str]]:
    lines = record.read_text().splitlines() if record.exists() else ()
    return [[*line.split("\t"), ""][:3] for line in lines]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--record", required=True)
    parser.add_argument("--think", type=float, default=0.0)
    chosen = parser.parse_args()
    record = os.open(chosen.record, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    tls = None
    if misdeed := os.environ.get("SINK_MISDEED"):
        from tests.drills import misdeeds  # noqa: PLC0415 - its dialogue is made of this module's

        meet, tls = misdeeds.misbehaving(misdeed, record, chosen.think)
    else:

        def meet() -> Dialogue:
            return Dialogue(record, chosen.think)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(chosen.port, meet, tls))


if __name__ == "__main__":
    main()
