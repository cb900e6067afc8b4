"""The drawing of a campaign's speed."""

from __future__ import annotations

from mailing.paces import Course, Slot
from mailing.states import AttemptResult
from webapp.charts import BASE, draw

SENT, FAILED = AttemptResult.SENT, AttemptResult.FAILED


def course(*slots: Slot, start: int = 1000, end: int = 1900, width: int = 5) -> Course:
    return Course(start, end, width, slots)


def test_nothing_measured_is_no_chart():
    assert draw(course(), 1000) is None


def test_each_result_is_one_path_and_the_highest_slot_fills_the_height():
    chart = draw(course(Slot(1000, {SENT: 30, FAILED: 10}), Slot(1005, {SENT: 20})), 1000)
    sent, failed = chart.layers
    assert (sent.result, failed.result) == (SENT, FAILED)
    assert sent.path == "M0 98V24M1 98V49"
    assert failed.path == "M0 24V0"


def test_a_slot_without_results_is_a_gap_in_bars_and_base_line():
    chart = draw(course(Slot(1000, {SENT: 1}), Slot(1005, {SENT: 1}), Slot(1015, {SENT: 1})), 1000)
    assert chart.layers[0].path == "M0 98V0M1 98V0M3 98V0"
    assert chart.measured == f"M0 {BASE + 1}H2M3 {BASE + 1}H4"


def test_a_single_email_beside_many_is_still_seen():
    chart = draw(course(Slot(1000, {SENT: 100_000}), Slot(1005, {FAILED: 1})), 1000)
    assert chart.layers[1].path == "M1 98V97"


def test_a_young_campaign_is_drawn_from_the_left():
    chart = draw(course(Slot(1000, {SENT: 1}), end=1005), 1000)
    assert (chart.places, chart.full) == (60, False)
    assert chart.end == 1005 * 1000, "no moment that has not come"


def test_the_numbers_are_emails_per_minute():
    chart = draw(course(Slot(1300, {SENT: 40}), Slot(1895, {SENT: 10})), 1300)
    assert (chart.peak, chart.peak_at, chart.last) == (480, 1_300_000, 120)


def test_a_slot_that_was_not_lived_whole_is_not_taken_for_a_slow_one():
    """The first slot began before the campaign, and the last one has not ended."""
    chart = draw(course(Slot(1000, {SENT: 40}), Slot(1005, {SENT: 20}), end=1007), 1003)
    assert (chart.peak, chart.last) == (1200, 600)
    assert chart.peak_at == 1_003_000


def test_a_speed_of_long_ago_is_not_the_speed_now():
    assert draw(course(Slot(1000, {SENT: 40})), 1000).last == 0


def test_a_full_chart_of_all_results_stays_small():
    slots = [Slot(1000 + n * 5, dict.fromkeys(AttemptResult, 1000 + n)) for n in range(180)]
    chart = draw(course(*slots), 1000)
    assert sum(len(layer.path) for layer in chart.layers) + len(chart.measured) < 12_000
