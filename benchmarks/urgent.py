"""Rows: an urgent campaign behind a long one, and two that are as urgent, at a server that takes its time."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from benchmarks import sinks
from benchmarks.figures import Bar, Figure
from benchmarks.messages import DRAFT, people
from mailing.core.states import RecipientState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.site import Site
    from tests.support.stack import Stack

LONG, URGENT, EQUAL = 100_000, 10, 20_000
WORKERS, CONNECTIONS, THINK_S = 2, 10, 0.1
TRIES, SHARED_S = 3, 10.0


def urgent(site: Site) -> Iterator[Figure]:
    """Send to a few people while many wait, the longest of several times; then to many who are as urgent."""
    with (
        site.stack(workers=WORKERS, connections=CONNECTIONS) as stack,
        sinks.listening(stack.smtp_port, stack.folder, think_s=THINK_S) as sink,
    ):
        stack.start("redis", "worker", "beat")
        long = stack.send(DRAFT, people(LONG))
        stack.wait_for_count(long, RecipientState.SENT, 200)
        took_s = max(_overtake(stack) for _ in range(TRIES))
        equal = stack.send(DRAFT, people(EQUAL))
        stack.wait_for_count(equal, RecipientState.SENT, 1)
        before = _sent(stack, long), _sent(stack, equal)
        time.sleep(SHARED_S)
        each = _sent(stack, long) - before[0], _sent(stack, equal) - before[1]
    server = f"{THINK_S * 1000:.0f} ms server, {WORKERS * CONNECTIONS} connections, {site.database}"
    how = f"{URGENT} behind {LONG:,}, the slowest of {TRIES}, {sink.name}, {server}"
    yield Figure("urgent campaign accepted", took_s, "s", how, Bar(3, at_most=True))
    share, how = 100 * each[1] / sum(each), f"{EQUAL:,} beside {LONG:,}, for {SHARED_S:.0f} s"
    yield Figure("share of an equal campaign", share, "%", how, Bar(45))


def _overtake(stack: Stack) -> float:
    begun = time.perf_counter()
    stack.wait_for(stack.send(replace(DRAFT, priority=0), people(URGENT)))
    return time.perf_counter() - begun


def _sent(stack: Stack, campaign_id: int) -> int:
    return stack.campaign(campaign_id).counts[RecipientState.SENT]
