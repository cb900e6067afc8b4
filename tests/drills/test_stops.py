"""Somebody pauses and resumes again and again, then cancels: within a second nothing leaves any more."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from mailing.campaigns import NotAllowed
from mailing.states import CampaignAction
from tasks.sending import act
from tests.harness import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.drills.judging import Drill

SLOW = {"connections": 5, "think_s": 0.03}
TAKES_EFFECT_S = 1.0  # P4


def press(it: Drill, action: CampaignAction) -> None:
    act(it.stack.db, it.stack.redis, it.campaign_id, action)


def assert_that_nothing_leaves(it: Drill) -> None:
    time.sleep(TAKES_EFFECT_S)
    arrived = it.stack.delivered().total()
    time.sleep(TAKES_EFFECT_S / 2)
    assert it.stack.delivered().total() == arrived


@pytest.mark.parametrize(
    "misdeed",
    [
        pytest.param("", id="", marks=pytest.mark.short(on="sqlite")),
        pytest.param("answers_late", id="slow dialogue"),
    ],
)
def test_a_campaign_is_paused_and_resumed(drill: Callable[..., Drill], misdeed: str) -> None:
    it = drill(**SLOW, extra={"SINK_MISDEED": misdeed} if misdeed else {})
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
