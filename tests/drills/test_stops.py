"""Somebody pauses and resumes again and again, then cancels: within a second nothing leaves any more."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from mailing.campaigns.lifecycle import NotAllowed
from mailing.core.states import CampaignAction
from tests.drills.freezing import freeze_one
from tests.support.stack import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.drills.judging import Drill

SLOW = {"connections": 5, "think_s": 0.03}
TAKES_EFFECT_S = 1.0  # P4


def press(it: Drill, action: CampaignAction) -> None:
    it.stack.act(it.campaign_id, action)


def assert_that_nothing_leaves(it: Drill, *, within_s: float = TAKES_EFFECT_S, for_s: float = 0.5) -> None:
    time.sleep(within_s)
    arrived = it.stack.delivered().total()
    time.sleep(for_s)
    assert it.stack.delivered().total() == arrived


@pytest.mark.parametrize(
    "misdeed",
    [
        pytest.param("", id="", marks=pytest.mark.short(on="sqlite")),
        pytest.param("answers_late", id="slow dialogue"),
    ],
)
def test_a_campaign_is_paused_and_resumed(drill: Callable[..., Drill], misdeed: str) -> None:
    extra = {"SINK_MISDEED": misdeed} if misdeed else {}
    it = drill(connections=5, think_s=0.1, extra=extra)  # two seconds at least: time for several pauses
    it.begin()

    def strike() -> None:
        with suppress(NotAllowed):  # the last email may have left before either
            press(it, CampaignAction.PAUSE)
            assert_that_nothing_leaves(it)
            press(it, CampaignAction.RESUME)

    done = it.disturb(strike, it.size.sweep_s / 4, times=6)
    it.end()
    it.judge()
    assert done > 1


@pytest.mark.short(on="sqlite")
def test_a_campaign_is_canceled(drill: Callable[..., Drill]) -> None:
    it = drill(**SLOW)
    it.begin()
    press(it, CampaignAction.CANCEL)
    assert_that_nothing_leaves(it)
    wait_until(lambda: not it.going_on, "nobody is on the way any more")
    it.judge(canceled=it.count("canceled"))
    assert it.count("canceled") > it.share(0.2)


@pytest.mark.short
def test_a_campaign_is_paused_while_a_worker_is_frozen(drill: Callable[..., Drill]) -> None:
    """Woken after that, it sends nothing of what it holds before it has looked at the campaign."""
    no_lease_ends = {"SINK_MISDEED": "answers_late", "LEASE_S": "20"}
    it = drill(**SLOW | {"think_s": 0.15}, extra=no_lease_ends)
    it.begin()
    frozen = freeze_one(it.stack, in_transaction=False)
    try:
        press(it, CampaignAction.PAUSE)
        assert_that_nothing_leaves(it)
    finally:
        os.kill(frozen, signal.SIGCONT)
    assert_that_nothing_leaves(it, within_s=0)
    wait_until(lambda: not it.count("sending"), "what it held waits again")
    press(it, CampaignAction.RESUME)
    it.end()
    it.judge()


@pytest.mark.short(on="sqlite")
def test_a_campaign_is_paused_while_another_program_locks_the_database(drill: Callable[..., Drill]) -> None:
    """Nobody can store the pause, and no worker know of it: so nothing leaves until they can."""
    it = drill(connections=5, think_s=1.2)
    it.begin(sent=1)
    with it.stack.db.write() as connection:
        if not it.stack.db.sqlite:
            connection.execute(text("LOCK TABLE campaigns IN ACCESS EXCLUSIVE MODE"))
        pressing = threading.Thread(target=press, args=(it, CampaignAction.PAUSE))
        pressing.start()
        assert_that_nothing_leaves(it, for_s=1.5)
    pressing.join()
    assert it.stack.campaign(it.campaign_id).state == "paused"
    assert_that_nothing_leaves(it)
    press(it, CampaignAction.CANCEL)
    wait_until(lambda: not it.going_on, "nobody is on the way any more")
    it.judge(canceled=it.count("canceled"))
