"""Row: mail providers post one-click unsubscribes to one web process, while a campaign is being sent."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from benchmarks import sinks
from benchmarks.figures import Bar, Figure
from benchmarks.messages import DRAFT, people
from benchmarks.site import act, store
from mailing.core.states import CampaignAction, RecipientState
from mailing.senders.limits import Limits
from mailing.senders.routes import Route
from mailing.suppression import leave_tokens, leaving
from mailing.suppression.leave_tokens import Leaver
from mailing.suppression.tables import suppressions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.site import Site

RATE, SECONDS = 500, 20  # a second, and for how long
CONNECTIONS = 64  # that providers hold open
EMAILS = 20_000  # more than leave meanwhile
PACED = replace(DRAFT, route=Route(limits=Limits(per_minute=10_000)))
PATIENCE_S = 60.0
_BODY = b"List-Unsubscribe=One-Click"
_REQUEST = (
    "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
    "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n"
)


def leave(site: Site) -> Iterator[Figure]:
    """Post so many a second for some seconds, each for another person; then count who is suppressed."""
    n = RATE * SECONDS
    with site.stack() as stack, sinks.listening(stack.smtp_port, stack.folder) as sink:
        campaign_id = store(stack, PACED, people(EMAILS))
        stack.start("redis", "worker", "beat", "web")
        act(stack, campaign_id, CampaignAction.SEND)
        sinks.wait_for(sink, 100, PATIENCE_S)
        with stack.db.read() as connection:
            key = leaving.key(connection)
        paths = [
            f"/u/{leave_tokens.seal(key, Leaver(campaign_id, it, '', f'gone{it}@leave.example'))}"
            for it in range(n + RATE)
        ]
        asyncio.run(_post(stack.web_port, paths[n:]))  # what is compiled and read at the first
        sent, begun = stack.campaign(campaign_id).counts[RecipientState.SENT], time.perf_counter()
        waits_s = sorted(asyncio.run(_post(stack.web_port, paths[:n])))
        took_s = time.perf_counter() - begun
        emails = stack.campaign(campaign_id).counts[RecipientState.SENT] - sent
        with stack.db.read() as connection:
            kept = connection.execute(select(func.count()).select_from(suppressions)).scalar_one()
        if kept != len(paths):
            raise sinks.WrongCountError(f"Of {len(paths)} people who unsubscribed, {kept} are suppressed.")
    how = f"{n:,} one-click posts, {60 * emails / took_s:,.0f} emails a minute meanwhile, {site.database}"
    yield Figure("unsubscribes", n / took_s, "/s", how, Bar(0.98 * RATE))
    yield Figure("unsubscribe, p99", 1000 * waits_s[int(0.99 * n)], "ms", how, Bar(100, at_most=True))


async def _post(port: int, paths: Sequence[str]) -> list[float]:
    """Post each when its turn comes, whether the others were answered or not; return the waits in s."""
    waits: list[float] = []
    begun = time.perf_counter()

    async def provider(first: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for n in range(first, len(paths), CONNECTIONS):
            due = begun + n / RATE
            await asyncio.sleep(due - time.perf_counter())
            head = _REQUEST.format(path=paths[n], port=port, length=len(_BODY))
            writer.write(head.encode() + _BODY)
            answer = await reader.readuntil(b"\r\n\r\n")
            if not answer.startswith(b"HTTP/1.1 200"):
                raise sinks.WrongCountError(f"Refused: {answer[:60]!r}")
            length = int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            waits.append(time.perf_counter() - due)
        writer.close()

    await asyncio.gather(*(provider(first) for first in range(CONNECTIONS)))
    return waits
