"""Who is sent first, by domain, and when their outcome lets the others follow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from mailing.campaigns.canary import Canary, shares
from mailing.core.states import RecipientState
from mailing.ledger.breaker import USUAL

SENT, FAILED, UNKNOWN = RecipientState.SENT, RecipientState.FAILED, RecipientState.UNKNOWN
DEFERRED, QUEUED, CANCELED = RecipientState.DEFERRED, RecipientState.QUEUED, RecipientState.CANCELED
UNTIL = 1_000


@pytest.mark.parametrize(
    ("sizes", "n", "places"),
    [
        ([600, 300, 100], 10, [6, 3, 1]),
        ([960, 15, 15, 10], 50, [48, 1, 1, 0]),
        ([5, 0], 10, [5, 0]),  # nobody is chosen twice
        ([], 10, []),
        ([1, 1, 1], 2, [1, 1, 0]),
    ],
)
def test_each_of_the_biggest_domains_has_its_share(sizes: list[int], n: int, places: list[int]) -> None:
    assert shares(sizes, n) == places


@given(some.lists(some.integers(0, 1000), max_size=30), some.integers(0, 200))
def test_all_places_are_given_and_no_group_gets_more_than_it_has(sizes: list[int], n: int) -> None:
    places = shares(sizes, n)
    assert sum(places) == min(n, sum(sizes))
    assert all(place <= size for place, size in zip(places, sizes, strict=True))


@pytest.mark.parametrize(
    ("counts", "now", "over", "clean"),
    [
        ({SENT: 49, QUEUED: 1}, UNTIL, False, True),  # who waits for a claim is waited for, however long
        ({SENT: 46, DEFERRED: 4}, UNTIL - 1, False, True),
        ({SENT: 46, DEFERRED: 4}, UNTIL, True, True),
        ({SENT: 45, DEFERRED: 5}, UNTIL, True, False),
        ({SENT: 50}, 0, True, True),
        ({SENT: 46, FAILED: 4}, 0, True, True),
        ({SENT: 45, FAILED: 4, UNKNOWN: 1}, 0, True, False),
        ({SENT: 9, CANCELED: 41}, 0, True, True),  # a person took them out
        ({CANCELED: 50}, 0, True, True),
    ],
)
def test_it_is_over_when_all_have_their_outcome_or_the_time_is_up_and_clean_below_the_limit(
    counts: dict[RecipientState, int], now: int, *, over: bool, clean: bool
) -> None:
    canary = Canary(counts, UNTIL)
    assert canary.over(now) is over
    assert canary.clean(USUAL) is clean or not over
