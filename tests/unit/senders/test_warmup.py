"""A warm-up: more each day, only after a day with mail, and not after one with bad signs."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.core.reasons import Reason
from mailing.senders import warmup
from mailing.senders.limits import NONE, Limits
from mailing.senders.warmup import Day, Plan, Signs

GMAIL = Limits(per_24h=500)
BEGUN = Plan(cap=50, day="2026-11-26")
GOOD = Signs(sent=50)


def test_a_plan_doubles_from_fifty_up_to_the_daily_limit_and_then_is_over() -> None:
    assert [*Plan().coming(GMAIL)] == [100, 200, 400, 500]
    plan, caps = BEGUN, []
    for day in range(27, 33):
        plan = plan.after(GOOD, f"2026-11-{day}", GMAIL)
        caps.append(plan.today)
    assert caps == [100, 200, 400, 500, None, None]
    assert plan.over
    assert warmup.within(GMAIL, plan) == GMAIL


def test_a_plan_begins_with_its_first_day_whatever_was_sent_before() -> None:
    begun = Plan(first=20).after(Signs(sent=400, failed=100), "2026-11-26", GMAIL)
    assert (begun.today, begun.day, begun.past, begun.stopped) == (20, "2026-11-26", (), "")


def test_a_day_on_which_nothing_was_sent_does_not_advance() -> None:
    idle = BEGUN.after(Signs(), "2026-11-27", GMAIL)
    assert (idle.today, idle.day, idle.past) == (50, "2026-11-27", ())


def test_a_day_with_mail_is_remembered_and_not_for_ever() -> None:
    plan = BEGUN.after(Signs(sent=41), "2026-11-27", GMAIL)
    assert plan.past == (Day("2026-11-26", 50, 41),)
    old = replace(BEGUN, past=tuple(Day(f"day {n}", 1, 1) for n in range(warmup.KEPT)))
    assert len(old.after(GOOD, "2026-11-27", GMAIL).past) == warmup.KEPT


@pytest.mark.parametrize(
    ("signs", "stops"),
    [
        (Signs(100, failed=5), False),
        (Signs(100, failed=3, held=3), True),
        (Signs(100, held=6), True),
        (Signs(10, failed=2), False),
        (Signs(10, failed=3), True),
        (Signs(100, complaints=1), True),
    ],
)
def test_more_than_five_percent_failed_or_held_stops_the_growth_and_says_why(
    signs: Signs, stops: bool
) -> None:
    plan = BEGUN.after(signs, "2026-11-27", GMAIL)
    assert bool(plan.stopped) is stops
    assert plan.today == (50 if stops else 100)


def test_a_plan_that_stopped_stays_until_a_person_lets_it_grow() -> None:
    stopped = BEGUN.after(Signs(100, failed=9, held=2), "2026-11-27", GMAIL)
    assert stopped.stopped == Reason("warmup.bad-signs", total=100, failed=9, held=2)
    next_day = stopped.after(GOOD, "2026-11-28", GMAIL)
    assert (next_day.today, next_day.day) == (50, "2026-11-28")
    assert [*next_day.coming(GMAIL)] == []
    assert next_day.resumed().after(GOOD, "2026-11-29", GMAIL).today == 100


def test_the_cap_of_the_day_is_a_limit_beside_the_others() -> None:
    assert warmup.within(GMAIL, BEGUN) == Limits(per_24h=500, per_day=50)
    assert warmup.within(Limits(per_day=30), BEGUN) == Limits(per_day=30)
    assert warmup.within(NONE, None) == NONE


def test_another_first_day_begins_again_and_other_figures_go_on() -> None:
    grown = replace(BEGUN, cap=200)
    assert grown.edited(50, 20, 1_000).next_cap(NONE) == 240
    assert grown.edited(10, 100, None).today == 10


def test_a_plan_is_kept_as_json() -> None:
    plan = BEGUN.after(Signs(100, failed=9, held=2), "2026-11-27", GMAIL)
    assert warmup.load(warmup.dump(plan)) == plan
    assert warmup.load(warmup.dump(None)) is None


@given(
    first=st.integers(1, 10_000),
    growth=st.integers(1, 1_000),
    most=st.integers(1, 100_000),
)
def test_caps_grow_every_day_and_never_above_the_full_volume(first: int, growth: int, most: int) -> None:
    caps = [*zip(range(100), Plan(first, growth).coming(Limits(per_day=most)), strict=False)]
    days = [first, *(cap for _, cap in caps)]
    assert all(one < other for one, other in pairwise(days))
    assert all(cap <= most for cap in days[1:])
