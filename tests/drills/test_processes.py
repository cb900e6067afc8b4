"""Web and beat die, two beats run, batches come three times, and clocks are moved."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from mailing.core.clock import now_ms
from mailing.core.states import RecipientState
from mailing.core.tables import recipients
from mailing.ledger import batches
from tasks.sending import enqueue
from tests.support.stack import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.drills.judging import Drill

SLOW = {"connections": 5, "think_s": 0.03}
HOUR_S = 3600


def test_web_and_beat_are_killed_every_2_s(drill: Callable[..., Drill]) -> None:
    it = drill("redis", "sink", "worker", "beat", "web", **SLOW)
    it.begin()

    def strike() -> None:
        for name in ("web", "beat"):
            it.stack.kill(name)
        it.stack.start("web", "beat")

    it.disturb(strike, 2, times=4)
    it.end()
    it.judge()


def test_two_beats_run_at_once(drill: Callable[..., Drill]) -> None:
    it = drill(**SLOW)
    it.stack.processes["another beat"] = it.stack.processes.pop("beat")
    it.stack.start("beat")
    it.begin()
    it.end()
    it.judge()


def test_every_batch_comes_three_times_at_once(drill: Callable[..., Drill]) -> None:
    it = drill(**SLOW)
    it.begin(sent=0)
    with it.stack.db.write() as connection:
        errands = batches.wake(connection, it.campaign_id)
    threads = [threading.Thread(target=enqueue, args=(it.stack.db, errands)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    it.end()
    it.judge()


@pytest.mark.parametrize("moved_by", [HOUR_S, -HOUR_S], ids=["forward", "back"])
def test_a_workers_clock_moves_by(drill: Callable[..., Drill], moved_by: int) -> None:
    """Nobody loses a lease by it, and a lease that is not renewed still ends in time."""
    it = drill("redis", "sink", "beat", **SLOW)
    move = start_workers(it)
    it.begin()
    move(moved_by)
    it.stack.wait_for_count(it.campaign_id, RecipientState.SENT, it.share(0.2))
    time.sleep(5)  # several beats and sweeps
    assert "lease was lost" not in it.stack.log("worker")
    killed = it.stack.alive()
    it.stack.kill("worker")  # the one with the wrong clock, and its supervisor
    it.end()
    it.judge(killed=killed)
    assert it.row.seconds < 100


@pytest.mark.parametrize(
    "moved_by",
    [pytest.param(HOUR_S, id="forward", marks=pytest.mark.short), pytest.param(-HOUR_S, id="back")],
)
def test_due_times_hold_when_a_workers_clock_moves_by(drill: Callable[..., Drill], moved_by: int) -> None:
    it = drill("redis", "sink", "beat", connections=5, extra={"SINK_MISDEED": "greylists"})
    it.pulls = False
    move = start_workers(it)
    move(moved_by)
    it.begin(sent=0)
    wait_until(lambda: it.count("deferred") > it.share(0.8), "most are deferred")
    time.sleep(2.5 * it.size.sweep_s)  # two sweeps and more
    with it.stack.db.read() as connection:
        due = connection.execute(
            select(recipients.c.due_at).where(recipients.c.state == "deferred")
        ).scalars()
        waits = [at - now_ms() for at in due]
    assert it.count("sent") == 0
    assert min(waits) > 0
    assert max(waits) < 120_000
    it.pulls = True
    it.end()
    it.judge()


def start_workers(it: Drill) -> Callable[[int], None]:
    """Start two workers, and one whose clock can be moved by seconds; return what moves it."""
    stack = it.stack
    stack.start("worker")
    stack.processes["steady workers"] = stack.processes.pop("worker")
    offset = stack.folder / "offset"
    offset.write_text("0")
    stack.workers = 1
    stack.env |= {
        "VOLLEY_WORKERS": "1",
        "PYTHONPATH": str(Path(__file__).with_name("skewed")),
        "CLOCK_OFFSET": str(offset),
    }
    stack.start("worker")

    def move(seconds: int) -> None:
        beside = offset.with_suffix(".new")
        beside.write_text(str(seconds))
        beside.replace(offset)

    return move
