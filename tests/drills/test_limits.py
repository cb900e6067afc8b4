"""A sender's limit holds whatever is lost: workers, and all that Redis knows of what has left."""

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
from tests.drills.test_workers import signal_one
from tests.support.stack import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.drills.judging import Drill
    from tests.support.stack import Stack

SECONDS = 20  # that it takes by the limit
LOOK_S = 0.02


class Watcher(threading.Thread):
    """Looks all the time how many emails the sink has taken."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(daemon=True)
        self._stack, self._over = stack, threading.Event()
        self.seen: list[tuple[float, int]] = []

    def run(self) -> None:
        while not self._over.wait(LOOK_S):
            before = time.monotonic()
            self.seen.append((before, self._stack.delivered().total()))

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
def test_a_limit_holds_while_workers_are_killed_and_redis_is_flushed(drill: Callable[..., Drill]) -> None:
    it = drill(workers=3, connections=5)
    per_second = it.row.recipients // SECONDS
    wait_until(lambda: _limit(it.stack, per_second), "the sender is kept")
    watcher, killed, number = Watcher(it.stack), list[str](), itertools.count()
    watcher.start()
    it.begin(sent=0)

    def strike() -> None:
        if next(number) % 2:
            killed.append(signal_one(it.stack, signal.SIGKILL))
        else:
            it.stack.redis.flushall()

    it.disturb(strike, 4, times=4)
    it.end(300)
    it.judge(killed=killed)
    assert watcher.most_in_a_second() <= per_second


def _limit(stack: Stack, per_second: int) -> bool:
    """Limit the only sender, once a worker has kept it; return whether one has."""
    with stack.db.write() as connection:
        if connection.execute(select(senders.c.id)).first() is None:
            return False
        wanted = {"limits": limits.dump(Limits(per_second=per_second)), "revision": senders.c.revision + 1}
        connection.execute(update(senders).values(wanted))
    return True
