"""An estimate has a basis, or there is none."""

import pytest

from mailing.ledger.rates import Speed
from mailing.reports.estimates import bulk


@pytest.mark.parametrize(
    ("slots", "speed"),
    [
        ([], None),
        ([7], None),
        ([50, 100, 100, 30], None),
        ([50, 100, 100, 100, 30], Speed(300, 15_000)),
        ([50, 100, 200, 300, 30, 1, 1, 1, 1], Speed(600, 15_000)),
        ([50, 100, 200, 300, *[1] * 30], Speed(600, 15_000)),
    ],
)
def test_the_speed_is_that_of_whole_slots_without_the_retries_behind_them(slots, speed):
    assert bulk(slots) == speed
