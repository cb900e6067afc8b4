"""Row: bounces that a mail server brings over LMTP: read, matched, recorded, each answered once committed."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from benchmarks import archive
from benchmarks.figures import Bar, Figure
from benchmarks.processes import cpu_s
from benchmarks.sinks import WrongCountError
from mailing.bounces import store, tokens
from mailing.bounces.tokens import Returns
from mailing.core.tables import campaigns, recipients
from tests.support import bounces
from tests.support.stack import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.site import Site
    from tests.support.stack import Stack

REPORTS = 20_000
BAR = 100_000 / 60  # a second
LINES = 20
DOMAIN = "bounces.sender.example"


def returned(site: Site) -> Iterator[Figure]:
    """Bring a report about each recipient of a campaign over some connections at a time."""
    extra = {"VOLLEY_BOUNCE_DOMAIN": DOMAIN, "VOLLEY_BOUNCE_BIND": f"127.0.0.1:{free_port()}"}
    with site.stack(extra=extra) as stack:
        archive.fill_one(stack.db, REPORTS)
        sent = [(to, bounces.dsn(person, to=to, number=to)) for person, to in _addresses(stack)]
        stack.start("redis", "bounces")
        used, begun = cpu_s([stack.processes["bounces"].pid]), time.monotonic()
        asyncio.run(_bring(stack, sent))
        took = time.monotonic() - begun
        used = cpu_s([stack.processes["bounces"].pid]) - used
        with stack.db.read() as connection:
            found = store.counts(connection, 1).hard
    if found != len(sent):
        raise WrongCountError(f"Of {len(sent):,} reports {found:,} found their recipient.")
    each = f"{1e3 * used / REPORTS:.2f} ms CPU each"
    how = f"{REPORTS:,} reports over {LINES} LMTP connections, {site.database}, {each}"
    yield Figure("bounces", REPORTS / took, "/s", how, Bar(BAR))


def _addresses(stack: Stack) -> Sequence[tuple[str, str]]:
    with stack.db.read() as connection:
        returns = Returns(DOMAIN, tokens.stored(connection))
        token = connection.execute(select(campaigns.c.token)).scalar_one()
        rows = connection.execute(
            select(recipients.c.id, func.lower(recipients.c.email).label("email"))
        ).all()
    return [(row.email, returns.address(row.id, token)) for row in rows]


async def _bring(stack: Stack, sent: Sequence[tuple[str, bytes]]) -> None:
    await asyncio.gather(*(_line(stack, sent[n::LINES]) for n in range(LINES)))


async def _line(stack: Stack, sent: Sequence[tuple[str, bytes]]) -> None:
    assert stack.settings.bounce_bind
    reader, writer = await asyncio.open_connection(*stack.settings.bounce_bind)
    writer.write(b"LHLO mx.example\r\n")
    while not (await reader.readline()).startswith(b"250 "):
        pass
    for to, raw in sent:
        writer.write(b"MAIL FROM:<>\r\nRCPT TO:<%b>\r\nDATA\r\n%b\r\n.\r\n" % (to.encode(), raw))
        replies = [(await reader.readline())[:3] for _ in range(4)]
        if replies != [b"250", b"250", b"354", b"250"]:
            raise WrongCountError(f"The door said {replies}.")
    writer.close()
