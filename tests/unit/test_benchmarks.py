"""The pure parts of the benchmarks: figures, bars, the table, what is sent."""

import email

import pytest

from benchmarks import figures, memory, messages
from benchmarks.figures import RATE, Bar, Figure
from mailing.addresses.parsing import parse_pasted
from mailing.messages import compose

NAIVE = Figure("naive", 100, RATE, reference=True)


def judged(value, bar, *others):
    return figures.judge(Figure("this", value, RATE, bar=bar), {other.name: other for other in others})


def test_a_bar_is_met_exactly_at_its_limit():
    assert judged(10, Bar(10)) == "met"
    assert judged(9.99, Bar(10)) == "MISSED"
    assert judged(10, Bar(10, at_most=True)) == "met"
    assert judged(10.01, Bar(10, at_most=True)) == "MISSED"


def test_a_bar_can_be_a_multiple_of_a_reference():
    bar = Bar(10, of="naive")
    assert judged(1000, bar, NAIVE) == "met"
    assert judged(999, bar, NAIVE) == "MISSED"


def test_without_its_reference_a_figure_is_not_judged():
    assert judged(1, Bar(10, of="naive")) == "not judged"


def test_a_figure_without_a_bar_is_only_shown():
    assert judged(1, None) == ""


def test_a_missed_bar_is_told_with_the_figure_and_the_bar():
    slow = Figure("Volley", 990, RATE, bar=Bar(10, of="naive"))
    assert figures.missed([NAIVE, slow]) == [
        "Volley: 990 emails/s, but the bar is at least 10 x naive.",
    ]


def test_a_bar_that_is_not_judged_is_not_missed():
    assert figures.missed([Figure("Volley", 990, RATE, bar=Bar(10, of="naive"))]) == []


def test_a_figure_with_two_bars_must_meet_both():
    source = Figure("source", 2000, RATE, reference=True)
    both = Figure("Volley", 990, RATE, bar=Bar(9, of="naive"), also=Bar(0.5, of="source"))
    assert figures.judge(both, {"naive": NAIVE, "source": source}) == "MISSED"
    assert figures.missed([NAIVE, source, both]) == [
        "Volley: 990 emails/s, but the bar is at least 0.50 x source.",
    ]
    assert figures.judge(both, {"naive": NAIVE}) == "not judged"


def test_the_table_shows_each_figure_as_a_multiple_of_the_references_of_its_unit():
    lines = figures.table(
        [
            NAIVE,
            Figure("Volley", 1234, RATE, bar=Bar(10, of="naive")),
            Figure("paste", 4.561, "s", "100 lines"),
        ]
    ).splitlines()
    assert lines[0].split() == ["figure", "x", "naive", "bar", "measured", "with"]
    assert lines[1].split() == ["naive", "100", "emails/s", "1.00"]
    assert lines[2].split() == [
        "Volley",
        "1,234",
        "emails/s",
        "12.34",
        "at",
        "least",
        "10",
        "x",
        "naive",
        "met",
    ]
    assert lines[3].split() == ["paste", "4.56", "s", "100", "lines"]


def test_memory_growth_compares_the_last_quarter_with_the_second():
    assert memory.growth([50, 50, 100, 100, 300, 300, 110, 110]) == pytest.approx(10)


def test_every_recipient_of_the_benchmarks_is_taken_once():
    parsed = parse_pasted("\n".join(messages.people(500)))
    assert [entry.email for entry in parsed.entries] == [messages.address(number) for number in range(500)]
    assert not parsed.refused


def test_the_baselines_send_about_as_many_bytes_as_volley_for_the_same_message():
    prepared = compose.prepare(messages.DRAFT.message, token="t", domain=None)
    filled = prepared.fill(1, "user1@d1.example", "User 1", None, 0)
    baseline = messages.compose("User 1", "user1@d1.example")
    assert 1800 < len(baseline) < 2800
    assert 0.8 < len(filled.data) / len(baseline) < 1.25
    for data in (filled.data, baseline):
        text, html = email.message_from_bytes(data).get_payload()
        assert b"Hello User 1," in text.get_payload(decode=True)
        assert b"<b>User 1</b>" in html.get_payload(decode=True)
