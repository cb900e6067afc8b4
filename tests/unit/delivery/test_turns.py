"""Who gets the next claims: the most urgent campaign, and those that are as urgent in turn."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from mailing.delivery.turns import Line, share

LINES = st.lists(
    st.builds(Line, st.integers(0, 2), st.integers(1, 4), st.integers(1, 99), st.just(0), st.integers(0, 30)),
    max_size=6,
    unique_by=lambda line: line.batch_id,
).map(
    lambda lines: [
        line._replace(priority=line.campaign_id % 3, in_hand=line.campaign_id * 3) for line in lines
    ]
)


def line(campaign: int, *, priority: int = 5, batch: int = 0, in_hand: int = 0, most: int = 500) -> Line:
    return Line(priority, campaign, batch or campaign, in_hand, most)


def test_the_most_urgent_comes_first_and_what_it_cannot_use_goes_to_the_next() -> None:
    assert share(40, [line(1), line(2, priority=0, most=10)]) == [30, 10]


def test_two_that_are_as_urgent_get_the_same() -> None:
    assert share(40, [line(1), line(2)]) == [20, 20]


def test_the_next_claim_is_for_the_one_that_has_the_fewest_in_hand() -> None:
    assert share(1, [line(1, in_hand=21), line(2, in_hand=19)]) == [0, 1]
    assert share(10, [line(1, in_hand=20), line(2)]) == [0, 10]


def test_what_one_of_them_cannot_use_goes_to_the_other() -> None:
    assert share(40, [line(1), line(2, most=5)]) == [35, 5]


def test_batches_of_one_campaign_share_its_part_the_earlier_first() -> None:
    assert share(40, [line(1, batch=8), line(1, batch=7, most=15), line(2, batch=9)]) == [5, 15, 20]


@given(st.integers(0, 100), LINES)
def test_no_room_is_left_that_somebody_could_use_and_nobody_gets_more_than_that(
    room: int, lines: list[Line]
) -> None:
    got = share(room, lines)
    assert all(0 <= n <= it.most for n, it in zip(got, lines, strict=True))
    assert sum(got) == min(room, sum(it.most for it in lines))


@given(st.integers(0, 100), LINES)
def test_nobody_gets_anything_before_the_more_urgent_have_all_that_they_can_use(
    room: int, lines: list[Line]
) -> None:
    got = share(room, lines)
    hungry = [it.priority for n, it in zip(got, lines, strict=True) if n < it.most]
    assert all(it.priority <= min(hungry) for n, it in zip(got, lines, strict=True) if n and hungry)


@given(st.integers(0, 100), LINES)
def test_among_those_as_urgent_nobody_who_wants_more_has_two_fewer_than_another_got(
    room: int, lines: list[Line]
) -> None:
    got = share(room, lines)
    held, hungry = Counter[int](), set[int]()
    for n, it in zip(got, lines, strict=True):
        held[it.campaign_id] += n
        if n < it.most:
            hungry.add(it.campaign_id)
    at = {it.campaign_id: it for it in lines}
    for one in hungry:
        for other in (each for each in at if held[each] and at[each].priority == at[one].priority):
            assert at[one].in_hand + held[one] >= at[other].in_hand + held[other] - 1
