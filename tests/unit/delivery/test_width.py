"""On how many connections a server likes to be sent mail."""

import pytest

from mailing.delivery.width import REST_AFTER, SPARED_S, Width
from mailing.smtp import verdicts
from mailing.smtp.rulebook import Follows, Ruling, Scope
from mailing.smtp.verdicts import Verdict

SLOWER = verdicts.of(Ruling(Scope.LANE, Follows.WAIT))
RESTING = verdicts.of(Ruling(Scope.LANE, Follows.REST, 600))
QUOTA = verdicts.of(Ruling(Scope.ACCOUNT, Follows.REST, 600))
FULL = verdicts.of(verdicts.LATER)


def complain(width: Width, verdict: Verdict, now: float) -> list[bool]:
    """Have several receivers complain, with nothing accepted in between."""
    return [width.heard(verdict, f"{n}.example", now) for n in range(REST_AFTER)]


@pytest.mark.parametrize("verdict", [SLOWER, RESTING])
def test_one_receiver_that_complains_narrows_its_own_lane_only(verdict):
    width = Width(10)
    assert not any(width.heard(verdict, "one.example", now) for now in range(50))
    assert (width.room(50), width.spared) == (10, False)


def test_what_is_accepted_in_between_speaks_for_lanes_and_against_the_server():
    width = Width(10)
    for n in range(20):
        width.heard(RESTING, f"{n}.example", 0)
        if n % (REST_AFTER - 1):
            width.heard(verdicts.SENT, "good.example", 0)
    assert width.room(0) == 10


def test_several_receivers_that_complain_halve_the_width_each_time_down_to_one_connection():
    width = Width(10)
    assert complain(width, SLOWER, 0) == [False] * (REST_AFTER - 1) + [True]
    seen = [width.connections]
    for now in range(4):
        assert width.heard(SLOWER, "one.example", now)
        seen.append(width.connections)
    assert seen == [5, 2, 1, 1, 1]


def test_half_a_minute_after_the_last_complaint_it_is_as_wide_as_before():
    width = Width(10)
    complain(width, SLOWER, 100)
    assert not width.is_over(100 + SPARED_S)
    assert width.is_over(100.1 + SPARED_S)
    assert (width.connections, width.spared) == (10, False)


@pytest.mark.parametrize("verdict", [FULL, verdicts.SENT, verdicts.of(verdicts.FAILED)])
def test_what_is_no_complaint_changes_nothing(verdict):
    width = Width(4)
    assert not any(complain(width, verdict, 0))
    assert width.room(0) == 4


def test_where_all_want_rest_nobody_is_sent_anything_for_ever_longer_up_to_the_rules_wait():
    width, now, rests = Width(10), 0.0, []
    complain(width, RESTING, now)
    for _ in range(12):
        begun = now
        while not width.room(now):
            now += 1
        rests.append(now - begun)
        width.heard(RESTING, "one.example", now)
    assert rests == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]
    assert not width.is_over(now)


def test_a_quota_of_ours_narrows_but_does_not_rest_the_connections_that_is_the_senders():
    width = Width(10)
    assert not any(complain(width, QUOTA, 0))  # the rest of the sender is told instead
    assert width.room(0) == 1


def test_a_change_of_the_connections_holds_at_once_or_after_the_complaint():
    width = Width(10)
    width.resize(4)
    assert width.connections == 4
    complain(width, SLOWER, 0)
    width.resize(20)
    assert width.connections == 2
    width.is_over(SPARED_S + 1)
    assert width.connections == 20
