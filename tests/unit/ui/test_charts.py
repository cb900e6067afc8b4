"""The drawing of a campaign's speed."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.core.states import AttemptResult
from mailing.ledger import rates
from mailing.ledger.rates import Slot
from webapp.ui.charts import BASE, Chart, ceiling, draw, strip

SENT, FAILED = AttemptResult.SENT, AttemptResult.FAILED


def drawn(*slots: Slot, begun: float = 1000, until: float = 1900, width: int = 5) -> Chart | None:
    return draw(rates.course(round(begun * 1000), round(until * 1000), slots, width))


def heights(chart: Chart) -> dict[int, int]:
    """How high the bars reach, by their place."""
    tops: dict[int, int] = {}
    for layer in chart.layers:
        for x, top in re.findall(r"M(\d+) \d+V(\d+)", layer.path):
            tops[int(x)] = min(tops.get(int(x), BASE), int(top))
    return {x: BASE - top for x, top in tops.items()}


def test_nothing_measured_is_no_chart():
    assert drawn() is None


def test_each_result_is_one_path_on_a_scale_that_ends_at_a_round_number():
    """480 a minute fills 96 of 100 parts of a scale up to 500, and the base takes the other two."""
    chart = drawn(Slot(1000, {SENT: 30, FAILED: 10}), Slot(1005, {SENT: 20}))
    sent, failed = chart.layers
    assert (sent.result, failed.result) == (SENT, FAILED)
    assert chart.ceiling == 500
    assert sent.path == "M0 98V27M1 98V51"
    assert failed.path == "M0 27V3"


def test_a_slot_without_results_is_a_gap_in_bars_and_base_line():
    chart = drawn(Slot(1000, {SENT: 1}), Slot(1005, {SENT: 1}), Slot(1015, {SENT: 1}))
    assert chart.layers[0].path == "M0 98V39M1 98V39M3 98V39"
    assert chart.measured == f"M0 {BASE + 1}H2M3 {BASE + 1}H4"


def test_a_single_email_beside_many_is_still_seen():
    chart = drawn(Slot(1000, {SENT: 100_000}), Slot(1005, {FAILED: 1}))
    assert chart.layers[1].path == "M1 98V97"


@pytest.mark.parametrize(
    ("rate", "top"),
    [(0.3, 0.5), (1, 1), (12, 20), (201, 250), (480, 500), (145_954, 200_000), (5_000, 5_000)],
)
def test_the_scale_ends_at_the_next_round_number(rate, top):
    assert ceiling(rate) == pytest.approx(top)


def test_each_bar_can_be_read_out():
    chart = drawn(Slot(1000, {SENT: 30, FAILED: 10}), Slot(1015, {SENT: 20}))
    assert chart.readings == [
        [0, 1, 1_000_000, 480.0, 30, 0, 10, 0, 0],
        [3, 1, 1_015_000, 240.0, 20, 0, 0, 0, 0],
    ]


def test_a_young_campaign_is_drawn_from_the_left():
    chart = drawn(Slot(1000, {SENT: 1}), until=1004)
    assert (chart.places, chart.full) == (60, False)
    assert chart.end == 1004 * 1000, "no moment that has not come"


def test_the_numbers_are_emails_per_minute():
    chart = drawn(Slot(1300, {SENT: 40}), Slot(1895, {SENT: 10}), begun=1300)
    assert (chart.peak.per_minute, chart.peak_at, chart.last) == (480, 1_300_000, 120)


def test_a_slot_that_was_not_lived_whole_is_not_taken_for_a_slow_one():
    """The first slot began before the campaign, and the last one has not ended."""
    chart = drawn(Slot(1000, {SENT: 50}), Slot(1005, {SENT: 20}), begun=1002, until=1008)
    assert (chart.peak.per_minute, chart.last) == (1000, 400)
    assert chart.peak_at == 1_002_000
    assert heights(chart) == {0: 98, 1: 39}


def test_the_peak_stands_at_the_tallest_bar_also_where_a_slot_was_hardly_lived():
    """50 emails within the last 0.1 s before a slot ends are no 30,000 a minute."""
    chart = drawn(Slot(1000, {SENT: 50}), Slot(1005, {SENT: 500}), begun=1004.9, until=1200)
    assert round(chart.peak.per_minute) == round(550 * 60 / 5.1)
    assert chart.peak_at == 1_004_900
    assert len(set(heights(chart).values())) == 1


def test_a_speed_of_long_ago_is_not_the_speed_now():
    assert drawn(Slot(1000, {SENT: 40})).last == 0


def test_a_full_chart_of_all_results_stays_small():
    slots = [Slot(1000 + n * 5, dict.fromkeys(AttemptResult, 1000 + n)) for n in range(180)]
    chart = drawn(*slots)
    assert sum(len(layer.path) for layer in chart.layers) + len(chart.measured) < 12_000


@given(
    st.dictionaries(st.integers(0, 30), st.integers(1, 100_000), min_size=1),
    st.floats(0, 20),
    st.floats(0.001, 200),
    st.sampled_from([5, 10, 60]),
)
def test_the_label_of_the_peak_points_at_the_tallest_bar(counts, begun, lasted, width):
    slots = [Slot(at * width, {SENT: n}) for at, n in sorted(counts.items())]
    chart = drawn(*slots, begun=begun, until=begun + lasted, width=width)
    tall = heights(chart)
    assert BASE * 0.39 <= max(tall.values()) <= BASE
    assert tall[(chart.peak_at - chart.start) // chart.width] == max(tall.values())
    assert max(tall) < chart.places
    assert all(x >= 0 for x in tall)


def test_a_strip_lies_exactly_over_its_time_and_its_peak_fills_it():
    course = rates.course(
        1_000_000, 1_020_000, [Slot(1000, {SENT: 30, FAILED: 10}), Slot(1010, {SENT: 20})], 5
    )
    found = strip(course, 1_000_000, 1_020_000)
    assert [(layer.result, layer.path) for layer in found.layers] == [
        (SENT, "M0 100.0V25.0H250V100.0ZM500 100.0V50.0H750V100.0Z"),
        (FAILED, "M0 25.0V0.0H250V25.0Z"),
    ]
    assert (round(found.peak.per_minute), found.peak_at) == (480, 1_000_000)
    assert strip(rates.course(0, 1, [], 5), 0, 1) is None


@given(
    st.lists(st.integers(1, 10**5), min_size=1, max_size=9), st.integers(0, 60_000), st.integers(0, 60_000)
)
def test_a_strip_stays_within_its_bounds(counts: list[int], start: int, length: int):
    slots = [Slot(n * 5, {SENT: count, FAILED: 1}) for n, count in enumerate(counts)]
    for layer in strip(rates.course(0, 45_000, slots, 5), start, start + length).layers:
        for x, y in re.findall(r"[MH]([\d.-]+)(?: |V)([\d.-]+)", layer.path):
            assert 0 <= float(x) <= 1000
            assert 0 <= float(y) <= 100
