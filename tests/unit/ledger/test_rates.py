"""How fast emails end: whatever happened, no two figures of a campaign contradict each other."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.core.states import AttemptResult
from mailing.ledger import rates
from mailing.ledger.rates import SLOT_S, Slot, Speed

SENT = AttemptResult.SENT
MOMENTS = st.integers(0, 400_000)


def slots_of(ends: list[int], width: int = SLOT_S) -> list[Slot]:
    """Count moments (ms) in slots, as the ledger does."""
    counts: dict[int, int] = {}
    for end in ends:
        at = end // 1000 // width * width
        counts[at] = counts.get(at, 0) + 1
    return [Slot(at, {SENT: n}) for at, n in sorted(counts.items())]


def peak(course: rates.Course) -> float:
    return max((it.speed.per_minute for it in course.stretches), default=0.0)


@given(MOMENTS, st.integers(0, 300_000), st.lists(MOMENTS), st.sampled_from([5, 10, 25, 300]))
def test_the_peak_is_never_below_the_average_and_the_parts_add_up(begun, lasted, ends, width):
    """Results from before the start and after the end as well: clocks are set, and answers come late."""
    course = rates.course(begun, begun + lasted, slots_of(ends, width), width)
    parts = course.stretches
    assert sum(it.speed.n for it in parts) == course.average.n == len(ends)
    assert peak(course) >= course.average.per_minute * (1 - 1e-12)
    assert all(a.end <= b.start for a, b in pairwise(parts))
    assert all(course.begun <= it.start < it.end <= course.until for it in parts)


@given(st.integers(0, 50_000), st.lists(st.integers(0, 200_000), max_size=300), st.integers(0, 250_000))
def test_the_last_minute_is_never_above_the_peak_nor_the_average_of_a_young_campaign(begun, lived, age):
    now = begun + age
    until = rates.until(begun, None, now)
    seen = [Slot(slot.at, slot.counts) for slot in slots_of([begun + at for at in lived if at <= age])]
    seen = [slot for slot in seen if slot.at * 1000 < until]
    course, recent = rates.course(begun, until, seen), rates.recent(begun, until, seen)
    assert recent.per_minute <= peak(course) * (1 + 1e-12)
    if age < rates.MINUTE_MS:
        assert (recent, recent.whole_minute) == (course.average, False)
    else:
        assert recent.ms <= age
    assert recent.whole_minute or recent.ms == course.until - begun


def test_a_campaign_of_less_than_a_second_has_one_figure():
    """1,216 emails within 0.4 s, on both sides of a slot's end."""
    course = rates.course(4_800, 5_200, [Slot(0, {SENT: 600}), Slot(5, {SENT: 616})])
    assert [it.speed for it in course.stretches] == [course.average] == [Speed(1216, 400)]
    assert course.average.per_minute == 1216 * 60  # over a second: no more is known


def test_one_email_is_no_thousands_a_minute():
    assert rates.course(7_000, 7_012, [Slot(5, {SENT: 1})]).average.per_minute == 60


def test_no_email_is_no_speed():
    course = rates.course(7_000, 90_000, [])
    assert (course.average.per_minute, list(course.stretches)) == (0, [])
    assert rates.recent(7_000, 90_000, []).per_minute == 0


def test_a_rest_counts_for_the_average_since_the_start_and_not_for_the_peak():
    night = 8 * 3600
    course = rates.course(0, (night + 10) * 1000, [Slot(0, {SENT: 500}), Slot(night, {SENT: 500})])
    assert course.average == Speed(1000, (night + 10) * 1000)
    assert peak(course) == 6000


def test_a_try_after_the_end_moves_the_end():
    course = rates.course(0, 10_000, [Slot(5, {SENT: 9}), Slot(100, {SENT: 1})])
    assert course.until > 100_000
    assert course.average.n == 10


def test_a_clock_that_is_set_back_makes_no_negative_time():
    course = rates.course(500_000, 100_000, [Slot(95, {SENT: 5})])
    assert course.begun <= course.until
    assert course.average.per_minute > 0
    assert rates.recent(500_000, 100_000, []).per_minute == 0


@pytest.mark.parametrize(
    ("age_s", "window_s"), [(0.5, 0.5), (12, 12), (59.9, 59.9), (61, 61), (67, 60), (600, 60)]
)
def test_the_last_minute_is_one_only_after_a_minute(age_s, window_s):
    """Until then it is what has passed, and knows it."""
    begun = 1_000_000
    until = rates.until(begun, None, begun + round(age_s * 1000))
    speed = rates.recent(begun, until, [Slot(1000, {SENT: 5})])
    assert speed.ms == window_s * 1000 or 60_000 <= speed.ms <= 65_000
    assert speed.whole_minute is (age_s >= 60)
