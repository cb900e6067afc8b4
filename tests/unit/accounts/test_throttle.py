"""How often something may be tried: never one more than the burst, and exactly when the answer says."""

from __future__ import annotations

from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine

from mailing.accounts import throttle
from mailing.accounts.tables import throttles
from mailing.accounts.throttle import Limit

LIMITS = st.builds(Limit, st.integers(1, 6), st.integers(1, 1000))


class Clock:
    def __init__(self):
        self.now = 1_700_000_000_000

    def __call__(self):
        return self.now


@pytest.fixture(scope="module")
def connection():
    engine = create_engine("sqlite://")
    throttles.create(engine)
    with engine.connect() as connection:
        yield connection


@pytest.fixture(scope="module")
def tries(connection):
    """A function that tries at these gaps; returns when one passed, and when one was told to wait."""

    def run(limit, gaps):
        clock, passed, told = Clock(), [], []
        throttle.forget(connection, "x")
        with mock.patch.object(throttle, "now_ms", clock):
            for gap in gaps:
                clock.now += gap
                wait = throttle.wait_ms(connection, "x", limit)
                (told.append((clock.now, wait)) if wait else passed.append(clock.now))
        return passed, told

    return run


@given(LIMITS, st.lists(st.integers(0, 1500), max_size=40))
def test_no_span_of_time_lets_one_more_pass_than_the_limit(tries, limit, gaps):
    passed, _told = tries(limit, gaps)
    for first, begun in enumerate(passed):
        for last, ended in enumerate(passed[first:], first):
            assert last - first + 1 <= limit.burst + (ended - begun) // limit.every_ms


@given(LIMITS, st.integers(1, 6))
def test_what_is_told_to_wait_passes_then_and_not_a_millisecond_earlier(tries, limit, more):
    _passed, told = tries(limit, [0] * (limit.burst + more))
    assert len(told) == more  # what is refused is not counted
    assert {wait for _at, wait in told} == {limit.every_ms}
    early, _ = tries(limit, [0] * limit.burst + [limit.every_ms - 1])
    assert len(early) == limit.burst
    then, _ = tries(limit, [0] * limit.burst + [limit.every_ms])
    assert len(then) == limit.burst + 1


@given(LIMITS, st.integers(0, 10))
def test_after_a_long_rest_the_whole_burst_is_there_and_no_more(tries, limit, more):
    rest = limit.burst * limit.every_ms
    passed, _told = tries(limit, [0] * limit.burst + [rest] + [0] * (limit.burst + more - 1))
    assert len(passed) == 2 * limit.burst


def test_each_name_counts_for_itself_and_is_forgotten_with_what_was_tried(connection):
    limit, clock = Limit(1, 1000), Clock()
    throttle.forget(connection, "x")
    with mock.patch.object(throttle, "now_ms", clock):
        assert throttle.wait_ms(connection, "ann", limit) == 0
        assert throttle.wait_ms(connection, "bob", limit) == 0
        assert throttle.wait_ms(connection, "ann", limit) == 1000
        throttle.forget(connection, "ann")
        assert throttle.wait_ms(connection, "ann", limit) == 0
        clock.now += 999
        assert throttle.wait_ms(connection, "bob", limit) == 1
