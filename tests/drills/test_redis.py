"""Redis loses everything, or is away, in mid-campaign."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.drills.judging import Drill

SLOW = {"connections": 5, "think_s": 0.03}


def test_redis_is_flushed_every_second(drill: Callable[..., Drill]) -> None:
    it = drill(**SLOW)
    it.begin()
    it.disturb(it.stack.redis.flushall, 1, times=10)
    it.end()
    it.judge()


def test_redis_is_killed_and_restarted_empty(drill: Callable[..., Drill]) -> None:
    it = drill(**SLOW)
    it.begin()

    def strike() -> None:
        it.stack.kill("redis")
        shutil.rmtree(it.stack.folder / "redis")
        it.stack.start("redis")

    it.disturb(strike, 4, times=3)
    it.end()
    it.judge()


def test_redis_is_away_for_20_s(drill: Callable[..., Drill]) -> None:
    it = drill(**SLOW)
    it.begin()
    it.stack.stop("redis")
    time.sleep(20)  # the fault itself
    it.stack.start("redis")
    it.end()
    it.judge()
