"""How numbers, times and shares are written."""

from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.core.states import RecipientState
from webapp.i18n import languages
from webapp.ui import formats
from webapp.ui.badges import BAR_ORDER

SP = formats.NBSP


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (48_210, 120_000, "40.2%"),
        (0, 120_000, "0%"),
        (120_000, 120_000, "100%"),
        (119_999, 120_000, "99.9%"),
        (1, 120_000, "<0.1%"),
        (1, 1_000, "0.1%"),
        (0, 0, "0%"),
    ],
)
def test_a_share_says_nothing_and_all_only_when_it_is_so(part, whole, text):
    assert formats.share(part, whole) == text


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, f"0.0{SP}s"),
        (4_240, f"4.2{SP}s"),
        (59_999, f"59{SP}s"),
        (124_000, f"2{SP}min 4{SP}s"),
        (7_200_000, f"2{SP}h"),
        (4_320_000, f"1{SP}h 12{SP}min"),
        (90_061_000, f"1{SP}d 1{SP}h"),
    ],
)
def test_a_duration_has_its_two_largest_units(ms, text):
    assert formats.duration(ms) == text


def test_a_due_time_counts_down_to_now():
    assert formats.until(10_000, 10_000) == "now"
    assert formats.until(5_000, 10_000) == "now"
    assert formats.until(11_100, 10_000) == f"in 2.0{SP}s"
    assert formats.until(10_000 + 240_000, 10_000) == f"in 4{SP}min"


def test_times_are_written_in_the_reader_s_zone():
    ms = 1_795_356_131_034
    assert formats.clock(ms, UTC) == "14:02:11"
    assert formats.stamp(ms, UTC) == "22 Nov 2026, 14:02:11"
    assert formats.iso(ms) == "2026-11-22T14:02:11.034Z"
    assert formats.clock(None, UTC) == formats.stamp(None, UTC) == formats.iso(None) == ""


def test_what_is_due_on_another_day_tells_the_day():
    now = 1_795_356_131_034
    assert formats.due(now + 60_000, now, UTC) == "14:03:11"
    assert formats.due(now + 86_400_000, now, UTC) == "23 Nov, 14:02"
    assert formats.due(None, now, UTC) == ""


@given(st.dictionaries(st.sampled_from(RecipientState), st.integers(0, 1_000_000)))
def test_the_bar_is_always_full_and_shows_every_state_that_has_an_email(counts):
    parts = formats.segments(counts, BAR_ORDER)
    assert {part.state for part in parts} == {state for state, n in counts.items() if n}
    if parts:
        assert abs(sum(part.width for part in parts) - formats.BAR_WIDTH) < 1
        assert min(part.width for part in parts) > 2


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"waiting": 0, "deferred": 0, "per_minute": 0, "running_ms": 60_000}, ""),
        (
            {"waiting": 0, "deferred": 1, "per_minute": 0, "running_ms": 60_000},
            f"1{SP}email waiting to retry",
        ),
        ({"waiting": 9, "deferred": 0, "per_minute": 5, "running_ms": 900}, "Calculating…"),
        (
            {"waiting": 9, "deferred": 0, "per_minute": 0, "running_ms": 90_000},
            "Estimate unavailable: nothing was sent in the last minute",
        ),
        ({"waiting": 600, "deferred": 0, "per_minute": 100, "running_ms": 90_000}, f"About 6{SP}min"),
        ({"waiting": 50, "deferred": 0, "per_minute": 100, "running_ms": 90_000}, "Less than a minute"),
        (
            {"waiting": 600, "deferred": 3, "per_minute": 100, "running_ms": 20_000},
            f"About 6{SP}min; 3{SP}emails waiting to retry",
        ),
        (
            {"waiting": 0, "behind": 73, "deferred": 7, "per_minute": 0, "running_ms": 20_000},
            f"73{SP}emails behind slow receivers; 7{SP}emails waiting to retry",
        ),
        (
            {"waiting": 50, "behind": 1, "deferred": 0, "per_minute": 100, "running_ms": 90_000},
            f"Less than a minute; 1{SP}email behind a slow receiver",
        ),
    ],
)
def test_a_forecast_is_given_only_when_it_is_honest(given, text):
    assert formats.forecast(**given) == text


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_csv_cell_can_start_a_formula(start):
    assert formats.safe_cell(f"{start}HYPERLINK(1)").startswith("'")
    assert formats.safe_cell("a@b.example") == "a@b.example"


def test_rates_and_numbers_have_separators():
    assert formats.rate(1_234.4) == "1,234/min"
    assert formats.rate(2.5) == "2.5/min"
    assert formats.rate(0.02) == "<0.1/min"  # not none
    assert formats.rate(0) == "0/min"
    assert formats.number(48_210) == "48,210"
    assert languages.ngettext("%(n)s row", "%(n)s rows", 1) == f"1{SP}row"
    assert languages.ngettext("%(n)s row", "%(n)s rows", 2_000) == f"2,000{SP}rows"
