"""Row: what it costs to hand over a file to the server, in CPU time, against its bytes on the wire."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from benchmarks import sinks
from benchmarks.figures import Bar, Figure
from benchmarks.filling import FILE, MESSAGE
from benchmarks.messages import address
from mailing.core.states import AttemptResult
from mailing.messages import compose
from mailing.messages.compose import Message
from mailing.smtp.account import Sender
from mailing.smtp.envelope import Mail
from mailing.smtp.session import Session
from tests.support.stack import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.site import Site
    from mailing.messages.attachments import Attachment
    from mailing.messages.compose import Prepared

MAILS, ROUNDS = 60, 5
LINE_BITS = 10_000_000_000  # a second: on such a line the bytes take longer than handing them over


def wire(site: Site) -> Iterator[Figure]:
    """Send mails with and without a file of 1 MB to a sink."""
    with site.folder() as folder, sinks.listening(port := free_port(), folder) as sink:
        sender = Sender("127.0.0.1", port)
        plain, large = (_prepared(files) for files in ((), (FILE,)))
        each_ms = [min(asyncio.run(_send(sender, it)) for _ in range(ROUNDS)) for it in (plain, large)]
    line_ms = 1000 * len(large.tail) * 8 / LINE_BITS
    how = f"{len(large.tail):,} bytes as they are encoded, more than a mail without them, {sink.name}"
    yield Figure("1 MB, handed over", each_ms[1] - each_ms[0], "ms/email", how, Bar(line_ms, at_most=True))


def _prepared(files: tuple[Attachment, ...]) -> Prepared:
    message = Message(MESSAGE.sender_from, "News", "News", files=files)
    return compose.prepare(message, token="0123456789abcdef" * 2, domain=None)


async def _send(sender: Sender, prepared: Prepared) -> float:
    """Return the milliseconds of CPU that one mail takes, filled and handed over."""
    session = await Session.open(sender)
    begun = time.thread_time()
    for number in range(MAILS):
        filled = prepared.fill(number, address(number), "", None, number)
        mail = Mail(prepared.envelope_from, address(number), filled.head, clean=True, tail=filled.tail)
        delivery = await session.deliver(mail, None)
        if delivery.verdict.result is not AttemptResult.SENT:
            raise sinks.WrongCountError(f"A mail was not taken: {delivery.words}")
    took_s = time.thread_time() - begun
    await session.close()
    return 1000 * took_s / MAILS
