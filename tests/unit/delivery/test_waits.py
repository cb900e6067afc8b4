"""How long a server asks to wait."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.delivery.waits import MAX_S, asked_wait_s

NOW = datetime(2026, 11, 26, 4, tzinfo=UTC)


def asked(text: str) -> int | None:
    return asked_wait_s(text, int(NOW.timestamp() * 1000))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("451 4.7.1 Please try again in 5 minutes", 300),
        ("451 retry after 300 seconds", 300),
        ("451 Greylisting in action, please come back in 00:05:00", 300),
        ("450 Greylisted for 5 minutes", 300),
        ("451 retry in 1 hour", 3600),
        ("451 try again in 4 mins, 30 secs", 270),
        ("451 wait 90s", 90),
        ("451 Retry-After: 120", 120),
        ("451 Retry-After=120", 120),
        ("451 retry in 300.", 300),
        ("451 try again in 99999 hours", MAX_S),
        ("451 try again in 3 days", MAX_S),
        ("451-4.7.1 busy\n451 4.7.1 try in 2 min", 120),
        ("450 wait at least 300 seconds", 300),
        ("450 please wait for at least 5 more minutes", 300),
        ("450 try again in about 10 minutes", 600),
        ("450 try again within the next 10 minutes", 600),
        ("450 Rate limited, try again in 5m0s", 300),
        ("450 try again in 1h30m", 5400),
        ("450 try again in 1h0m0.5s", 3600),
        ("450 try again in 4.98s", 5),
        ("450 try again in an hour", 3600),
        ("450 try again in one hour", 3600),
        ("450 try again in half an hour", 1800),
        ("450 try again in a minute", 60),
        ("450 try again in fifteen minutes", 900),
        ("450 try again in 1.5 hours", 5400),
        ("450 try again after 5-minute delay", 300),
        ("450 try again after 4 hour(s)", 14400),
        ("450 greylisted, 287 seconds remaining", 287),
        ("450 try again 15 minutes later", 900),
        ("450 retry after PT5M", 300),
        ("450 retry after PT1H30M", 5400),
        ("451 Please retry after 2026-11-26T05:00:00Z", 3600),
        ("451 Please retry after 2026-11-26T05:00:00.123Z", 3600),
        ("451 Please retry after 2026-11-26 05:00:00 UTC", 3600),
        ("451 not before 2026-11-26T06:30:00+01:00", 5400),
        ("451 until 2026-11-26T05:00", 3600),
        ("451 retry after Thu, 26 Nov 2026 05:00:00 +0000", 3600),
        ("451 retry after 26 Nov 2026 04:30:00 GMT", 1800),
        ("451 retry after 2026-12-26T05:00:00Z", MAX_S),
        ("451 retry after 2026-11-26T03:00:00Z", None),  # past
        ("451 retry after 2026-13-41T99:00:00Z", None),  # no such day
        ("451 retry after 2026-11-27", None),
        ("451 retry after 2026/11/27", None),
        ("451 retry after 27.11.2026", None),
        ("451 retry after 26 Nov", None),
        ("451 retry after 26th", None),
        ("451 retry after 2026", None),
        ("451 retry in 2027.", None),
        ("451 try again in 2026", None),
        ("451 try again in a few minutes", None),
        ("451 try again later", None),
        ("451 queue 300 seconds", None),
        ("451 in 5 mailboxes", None),
        ("451 2026-11-26T05:00:00Z mx1 rejected", None),
        ("", None),
    ],
)
def test_a_wait_named_in_a_reply_is_understood_and_nothing_else_is_one(text, seconds):
    assert asked(text) == seconds


@given(
    st.integers(0, 86_400), st.sampled_from(["try again in {}", "retry after {}", "please wait at least {}"])
)
def test_every_spelling_of_a_span_is_the_same_span(seconds, sentence):
    hours, minutes, rest = seconds // 3600, seconds // 60 % 60, seconds % 60
    spellings = [
        f"{seconds} seconds",
        f"{seconds}s",
        f"{hours} hours, {minutes} minutes and {rest} seconds",
        f"{hours}h{minutes}m{rest}s",
        f"{hours:02}:{minutes:02}:{rest:02}",
    ]
    assert {asked(f"451 4.7.1 {sentence.format(it)}") for it in spellings} == {seconds}


@given(st.integers(2, 86_399), st.sampled_from([0, 1, -5, 5.5]))
def test_every_spelling_of_a_moment_is_the_same_moment(seconds, zone):
    moment = NOW + timedelta(seconds=seconds)
    abroad = moment.astimezone(timezone(timedelta(hours=zone)))
    spellings = [
        moment.isoformat(),
        abroad.isoformat(" "),
        format_datetime(abroad),
        f"{moment:%Y-%m-%dT%H:%M:%SZ}",
    ]
    assert {asked(f"421 retry after {it}") for it in spellings} == {seconds}


@given(
    st.dates(), st.sampled_from(["%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%d %b %Y", "%Y", "%b %d, %Y", "%Y%m%d"])
)
def test_a_date_or_a_year_is_never_a_number_of_seconds(day, form):
    named = asked(f"451 Please retry after {day.strftime(form)}")
    assert named is None or form == "%Y%m%d" or day.year < 1970 or day.year >= 2200


@given(st.text(max_size=300) | st.text("retry after in 0123456789:-TZhms.,", max_size=100))
def test_whatever_a_reply_says_the_wait_is_none_or_within_bounds(text):
    named = asked(text)
    assert named is None or 0 <= named <= MAX_S
