"""Row: ten receivers, one of which refuses all, and how much slower the other nine are than alone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sqlalchemy import update

from benchmarks import sinks
from benchmarks.figures import Bar, Figure
from benchmarks.messages import DRAFT
from benchmarks.site import act, store
from mailing.core.clock import now_ms
from mailing.core.states import CampaignAction
from mailing.core.tables import rests
from tests.drills.misdeeds import REFUSING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from benchmarks.sinks import Sink
    from benchmarks.site import Site
    from tests.support.stack import Stack

EACH = 600  # recipients of a lane
GOOD = 9
ROUNDS = 3
THINK_S = 0.05  # the server sets the speed, as it does in earnest, and not this machine
PATIENCE_S = 120.0
PROCESSES, CONNECTIONS = 2, 20


def lanes(site: Site) -> Iterator[Figure]:
    """Send to nine receivers, and to the same with a tenth that refuses, in turn; count at the sink."""
    with (
        site.stack(workers=PROCESSES, connections=CONNECTIONS) as stack,
        _refusing(stack) as sink,
    ):
        stack.start("redis", "worker", "beat")
        _sent_s(stack, sink, tenth=False)  # everything is loaded
        took = [[_sent_s(stack, sink, tenth=tenth) for tenth in (False, True)] for _ in range(ROUNDS)]
    alone, beside = map(min, zip(*took, strict=True))  # what else the machine did only made it slower
    lost = max(0.0, 1 - alone / beside) * 100
    how = (
        f"best of {ROUNDS}, {GOOD} lanes of {EACH:,}, a tenth refuses with 421, {sink.name}, {site.database}"
    )
    yield Figure("speed that nine lanes lose by one that refuses", lost, "%", how, Bar(3, at_most=True))


def _refusing(stack: Stack) -> AbstractContextManager[Sink]:
    misdeed = "refuses_one_receiver"
    return sinks.listening(stack.smtp_port, stack.folder, think_s=THINK_S, misdeed=misdeed)


def _sent_s(stack: Stack, sink: Sink, *, tenth: bool) -> float:
    """Return the seconds until all lanes that take mail have theirs. The tenth is then canceled."""
    domains = [f"lane{n}.example" for n in range(GOOD)] + ([REFUSING] if tenth else [])
    people = [f"u{n}@{domain}" for n in range(EACH) for domain in domains]
    wanted = sink.count() + EACH * GOOD
    campaign_id = store(stack, DRAFT, people)
    begun = time.perf_counter()
    act(stack, campaign_id, CampaignAction.SEND)
    sinks.wait_for(sink, wanted, PATIENCE_S)
    took_s = time.perf_counter() - begun
    if tenth:
        act(stack, campaign_id, CampaignAction.CANCEL)
        with stack.db.write() as connection:  # so that it is refused anew in the next round
            connection.execute(update(rests).values(ended_at=now_ms()))
    stack.wait_for(campaign_id, "canceled" if tenth else "finished", patience_s=PATIENCE_S)
    return took_s
