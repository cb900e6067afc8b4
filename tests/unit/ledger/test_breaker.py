"""When so many of the last outcomes are bad that a campaign must pause."""

from __future__ import annotations

import pytest

from mailing.core.reasons import UnfitError
from mailing.ledger.breaker import USUAL, Breaker, of_canary


@pytest.mark.parametrize(
    ("bad", "outcomes", "trips"),
    [
        (0, 0, False),
        (19, 19, False),  # all of them, and still too few to judge by
        (20, 20, True),
        (19, 200, False),
        (20, 200, True),  # the limit itself is too many
        (20, 201, False),
    ],
)
def test_it_trips_at_its_share_and_not_before_its_least_number(
    bad: int, outcomes: int, *, trips: bool
) -> None:
    assert USUAL.trips(bad, outcomes) is trips


@pytest.mark.parametrize(
    ("bad", "of", "exceeds"), [(0, 50, False), (4, 50, False), (5, 50, True), (0, 0, False)]
)
def test_a_share_of_few_is_judged_without_a_least_number(bad: int, of: int, *, exceeds: bool) -> None:
    assert USUAL.exceeds(bad, of) is exceeds


@pytest.mark.parametrize(
    "numbers",
    [
        {"percent": -1},
        {"percent": 101},
        {"of_last": 9, "at_least": 5},
        {"of_last": 1_001},
        {"at_least": 0},
        {"of_last": 50, "at_least": 51},  # it could never trip
    ],
)
def test_what_could_never_trip_or_would_always_is_refused(numbers: dict[str, int]) -> None:
    with pytest.raises(UnfitError):
        Breaker(**numbers)


def test_what_is_stored_is_read_again_and_nothing_stored_is_off() -> None:
    own = Breaker(5, 100, 10)
    assert Breaker.load(own.dump()) == own
    assert Breaker.load(None) is None


def test_each_limit_works_without_the_other() -> None:
    only_complaints, only_failures = Breaker(0), Breaker(10, complaints=0)
    assert not only_complaints.trips(200, 200)
    assert only_complaints.trips_for(3, 1_000)
    assert only_failures.trips(20, 200)
    assert not only_failures.trips_for(1_000, 1_000)
    assert Breaker(0, complaints=0).idle
    assert of_canary(only_complaints) == of_canary(None) == USUAL
    assert of_canary(only_failures) is only_failures
