"""How wide the lane to a server is."""

import pytest

from mailing.delivery.width import REST_AFTER, SPARED_S, Width
from mailing.smtp import verdicts
from mailing.smtp.rulebook import Follows, Ruling, Scope

SLOWER = verdicts.of(Ruling(Scope.LANE, Follows.WAIT))
RESTING = verdicts.of(Ruling(Scope.LANE, Follows.REST, 600))
QUOTA = verdicts.of(Ruling(Scope.ACCOUNT, Follows.REST, 600))
FULL = verdicts.of(verdicts.LATER)


def test_each_complaint_halves_the_width_down_to_one_connection():
    width = Width(10)
    seen = []
    for now in range(5):
        assert width.heard(SLOWER, now)
        seen.append(width.connections)
    assert seen == [5, 2, 1, 1, 1]


def test_half_a_minute_after_the_last_complaint_it_is_as_wide_as_before():
    width = Width(10)
    width.heard(SLOWER, 100)
    assert not width.is_over(100 + SPARED_S)
    assert width.is_over(100.1 + SPARED_S)
    assert (width.connections, width.spared) == (10, False)


@pytest.mark.parametrize("verdict", [FULL, verdicts.SENT, verdicts.of(verdicts.FAILED)])
def test_what_is_no_complaint_changes_nothing(verdict):
    width = Width(4)
    assert not width.heard(verdict, 0)
    assert width.room(0) == 4


def test_a_receiver_that_wants_rest_leaves_the_others_one_connection():
    width = Width(10)
    width.heard(RESTING, 0)
    assert width.room(0) == 1


def test_once_nothing_else_is_accepted_nobody_is_sent_anything_for_ever_longer_up_to_the_rules_wait():
    width, now, rests = Width(10), 0.0, []
    for _ in range(16):
        width.heard(RESTING, now)
        begun = now
        while not width.room(now):
            now += 1
        rests.append(now - begun)
    assert rests == [0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600, 600]
    assert width.room(now) == 1
    assert not width.is_over(now)


def test_what_is_accepted_in_between_speaks_against_a_rest_of_all():
    width = Width(10)
    for _ in range(5):
        for _ in range(REST_AFTER - 1):
            width.heard(RESTING, 0)
        width.heard(verdicts.SENT, 0)
    assert width.room(0) == 1


def test_a_quota_of_ours_narrows_but_does_not_rest_the_lane_that_is_the_senders():
    width = Width(10)
    for now in range(REST_AFTER):
        assert not width.heard(QUOTA, now)  # the rest of the sender is told instead
    assert width.room(REST_AFTER) == 1


def test_a_change_of_the_connections_holds_at_once_or_after_the_complaint():
    width = Width(10)
    width.resize(4)
    assert width.connections == 4
    width.heard(SLOWER, 0)
    width.resize(20)
    assert width.connections == 2
    width.is_over(SPARED_S + 1)
    assert width.connections == 20
