"""Limits hold whatever is lost: workers, and all that Redis knows of what has left."""

from __future__ import annotations

import itertools
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, update

from mailing.senders import limits
from mailing.senders.limits import Limits
from mailing.senders.tables import senders
from tests.drills.judging import DOMAINS, MOST_IN_FLIGHT
from tests.drills.test_workers import signal_one
from tests.support.days import pass_by
from tests.support.stack import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.drills.judging import Drill
    from tests.support.stack import Stack

SECONDS = 12  # that it takes by the limit
EVERY_S = 2
LOOK_S = 0.02


class Watcher(threading.Thread):
    """Looks all the time how many emails the sink has taken, to one domain or to all."""

    def __init__(self, stack: Stack, domain: str = "") -> None:
        super().__init__(daemon=True)
        self._stack, self._domain, self._over = stack, domain, threading.Event()
        self.seen: list[tuple[float, int]] = []

    def run(self) -> None:
        while not self._over.wait(LOOK_S):
            before = time.monotonic()
            self.seen.append((before, self.taken()))

    def taken(self) -> int:
        """Return how many it has taken by now."""
        return sum(n for email, n in self._stack.delivered().items() if email.endswith(self._domain))

    def most_in_a_second(self) -> int:
        """Return the most that came between two looks less than a second apart."""
        self._over.set()
        self.join()
        most = first = 0
        for last, (_, n) in enumerate(self.seen):
            # the count of a look was read after its moment, so the next one's moment bounds it
            ends = self.seen[last + 1][0] if last + 1 < len(self.seen) else float("inf")
            while first < last and ends - self.seen[first][0] >= 1:
                first += 1
            most = max(most, n - self.seen[first][1])
        return most


@pytest.mark.short(on="sqlite")
@pytest.mark.parametrize("receiver", ["", "domain0.example"], ids=["of_a_sender", "for_a_receiver"])
def test_a_limit_holds_while_workers_are_killed_and_redis_is_flushed(
    drill: Callable[..., Drill], receiver: str
) -> None:
    """Nobody whom it does not mean waits for it."""
    it = drill(workers=3, connections=5)
    meant = it.share(1 / DOMAINS) if receiver else it.row.recipients
    most = meant // (2 * SECONDS if receiver else SECONDS)
    _limit(it.stack, Limits(per_second=most), receiver)
    watcher = Watcher(it.stack, receiver)
    watcher.start()
    it.begin(sent=0)
    killed = _strike(it, 4)
    if receiver:
        lost = len(killed) * MOST_IN_FLIGHT * it.stack.connections
        others = it.row.recipients - meant - 1 - lost  # the domains may not divide evenly
        wait_until(lambda: it.stack.delivered().total() - watcher.taken() >= others, "all others are sent")
        assert watcher.taken() < meant
    it.end(300)
    it.judge(killed=killed)
    assert watcher.most_in_a_second() <= most


@pytest.mark.short(on="sqlite")
def test_a_list_is_spread_over_days_while_workers_are_killed_and_redis_is_flushed(
    drill: Callable[..., Drill],
) -> None:
    """No window of 24 hours ever holds more than the quota, and all are sent when the last one opens."""
    it = drill(workers=3, connections=5, think_s=0.02)
    quota, killed = it.share(0.6), list[str]()
    _limit(it.stack, Limits(per_24h=quota))
    it.begin(sent=0)
    before = 0
    while it.going_on:
        killed += _strike(it, 2)
        wait_until(
            lambda: not it.count("sending") and (_rests(it) or not it.going_on), "it waits, or is over"
        )
        taken = it.stack.delivered().total()
        assert taken - before <= quota
        before = taken
        if it.going_on:
            pass_by(it.stack, 24.2)
    it.end()
    it.judge(killed=killed)


def _rests(it: Drill) -> bool:
    return it.stack.campaign(it.campaign_id).rest is not None


def _strike(it: Drill, times: int) -> list[str]:
    """Kill a worker and have Redis forget, in turns; return the names of the killed."""
    killed, number = list[str](), itertools.count()

    def strike() -> None:
        if next(number) % 2:
            killed.append(signal_one(it.stack, signal.SIGKILL))
        else:
            it.stack.redis.flushall()

    it.disturb(strike, EVERY_S, times)
    return killed


def _limit(stack: Stack, limited: Limits, receiver: str = "") -> None:
    """Limit the only sender, once a worker has kept it: in all it sends, or in what a receiver gets."""
    wait_until(lambda: _is_kept(stack), "the sender is kept")
    kept = (
        {"receiver_limits": {receiver: limits.dump(limited)}}
        if receiver
        else {"limits": limits.dump(limited)}
    )
    with stack.db.write() as connection:
        connection.execute(update(senders).values(**kept, revision=senders.c.revision + 1))


def _is_kept(stack: Stack) -> bool:
    with stack.db.read() as connection:
        return connection.execute(select(senders.c.id)).first() is not None
