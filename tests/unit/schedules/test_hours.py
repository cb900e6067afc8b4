"""Hours of the day: when they hold, when they begin again, and how much of a time lies outside of them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.core.reasons import UnfitError
from mailing.schedules.hours import DAY, MINUTE_MS, Hours

ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Ho_Chi_Minh",
    "Pacific/Apia",
    "UTC",
)
HOURS = st.builds(Hours, st.integers(0, DAY - 1), st.integers(0, DAY - 1)).filter(
    lambda it: it.first != it.last
)
MOMENTS = st.integers(1_262_304_000, 1_893_456_000).map(lambda s: s * 1000)  # 2010 to 2030
HOUR_MS = 60 * MINUTE_MS


def at(text: str, zone: str, fold: int = 0) -> int:
    local = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)
    return int(local.astimezone(UTC).timestamp() * 1000)


def wall(ms: int, zone: str) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, ZoneInfo(zone)):%Y-%m-%d %H:%M}"


@pytest.mark.parametrize("text", ["08:00-20:00", "22:30-06:00", "00:00-12:00", "12:00-00:00"])
def test_what_is_stored_is_what_was_read(text: str) -> None:
    assert str(Hours.read(text)) == text


def test_midnight_may_be_written_as_an_end_and_hours_without_a_zero() -> None:
    assert str(Hours.read("8:00-24:00")) == "08:00-00:00"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "schedule.unreadable-hours"),
        ("08:00", "schedule.unreadable-hours"),
        ("08:00-25:00", "schedule.unreadable-hours"),
        ("24:00-08:00", "schedule.unreadable-hours"),
        ("\uff18:00-20:00", "schedule.unreadable-hours"),
        ("08:00-08:00", "schedule.no-hours"),
        ("00:00-24:00", "schedule.no-hours"),
        ("08:00-", "schedule.half-hours"),
        ("-20:00", "schedule.half-hours"),
    ],
)
def test_hours_that_are_none_are_refused_with_a_sentence(text: str, code: str) -> None:
    with pytest.raises(UnfitError) as refused:
        Hours.read(text)
    assert refused.value.reason.code == code


def test_the_first_minute_is_within_and_the_last_is_not() -> None:
    hours, zone = Hours.read("08:00-20:00"), ZoneInfo("Asia/Ho_Chi_Minh")
    begin, end = at("2026-12-01T08:00", zone.key), at("2026-12-01T20:00", zone.key)
    assert [hours.holds(it, zone) for it in (begin - 1, begin, end - 1, end)] == [False, True, True, False]


def test_hours_over_midnight_hold_on_both_sides_of_it() -> None:
    hours, zone = Hours.read("22:00-06:00"), ZoneInfo("Europe/Berlin")
    held = [
        hours.holds(at(f"2026-12-01T{it}", zone.key), zone) for it in ("21:59", "22:00", "00:00", "05:59")
    ]
    assert held == [False, True, True, True]
    assert wall(hours.opens_at(at("2026-12-01T06:00", zone.key), zone), zone.key) == "2026-12-01 22:00"


@pytest.mark.parametrize(
    ("zone", "hours", "now", "opens"),
    [
        ("Europe/Berlin", "02:30-05:00", "2026-03-29T01:00", "2026-03-29 03:00"),  # 02:00 to 03:00 is skipped
        ("Europe/Berlin", "02:10-02:50", "2026-03-29T01:00", "2026-03-30 02:10"),  # that day has none of them
        ("America/New_York", "02:30-05:00", "2026-03-08T01:00", "2026-03-08 03:00"),
        ("Australia/Lord_Howe", "02:10-05:00", "2026-10-04T01:00", "2026-10-04 02:30"),  # half an hour
        ("Pacific/Apia", "08:00-09:00", "2011-12-29T10:00", "2011-12-31 08:00"),  # there was no 30th
    ],
)
def test_where_the_clock_jumps_over_the_beginning_they_begin_with_the_first_minute_that_there_is(
    zone: str, hours: str, now: str, opens: str
) -> None:
    assert wall(Hours.read(hours).opens_at(at(now, zone), ZoneInfo(zone)), zone) == opens


@pytest.mark.parametrize(
    ("zone", "day", "hours", "again_after_ms"),
    [
        ("Europe/Berlin", "2026-10-25", "02:00-02:30", HOUR_MS),
        ("America/New_York", "2026-11-01", "01:00-01:30", HOUR_MS),
        ("Australia/Lord_Howe", "2026-04-05", "01:30-01:45", HOUR_MS // 2),
    ],
)
def test_where_the_clock_shows_them_twice_both_times_count(
    zone: str, day: str, hours: str, again_after_ms: int
) -> None:
    its, there = Hours.read(hours), ZoneInfo(zone)
    first = at(f"{day}T{its.begin}", zone)
    end = at(f"{day}T{its.end}", zone)
    assert its.holds(first, there)
    assert not its.holds(end, there)
    assert its.opens_at(end, there) == first + again_after_ms


@given(HOURS, MOMENTS, st.sampled_from(ZONES))
def test_they_begin_with_the_first_moment_that_lies_within_them(hours: Hours, now: int, name: str) -> None:
    zone = ZoneInfo(name)
    if hours.holds(now, zone):
        return
    opens, ended = hours.opens_at(now, zone), hours.closed_at(now, zone)
    assert ended <= now < opens
    assert hours.holds(opens, zone)
    assert not hours.holds(opens - 1, zone)
    assert hours.holds(ended - 1, zone)
    assert not hours.holds(ended, zone)


@given(HOURS, MOMENTS, st.sampled_from(ZONES))
def test_whether_a_moment_is_within_is_what_the_clock_on_the_wall_says(
    hours: Hours, now: int, name: str
) -> None:
    shown = wall(now, name)[-5:]
    begin, end = hours.begin, hours.end
    within = begin <= shown < end if begin < end else shown >= begin or shown < end
    assert hours.holds(now, ZoneInfo(name)) == within


@given(HOURS, MOMENTS, st.integers(0, 3 * DAY))
def test_the_time_outside_of_them_is_the_sum_of_its_minutes(hours: Hours, since: int, minutes: int) -> None:
    zone, since = ZoneInfo("Asia/Ho_Chi_Minh"), since // MINUTE_MS * MINUTE_MS
    until = since + minutes * MINUTE_MS
    outside = sum(not hours.holds(it, zone) for it in range(since, until, MINUTE_MS))
    assert hours.closed_ms(since, until, zone) == outside * MINUTE_MS


@given(HOURS, MOMENTS, st.sampled_from(ZONES), st.integers(0, 7 * DAY))
def test_the_time_outside_of_them_is_never_negative_nor_longer_than_the_time(
    hours: Hours, since: int, name: str, minutes: int
) -> None:
    until = since + minutes * MINUTE_MS
    assert 0 <= hours.closed_ms(since, until, ZoneInfo(name)) <= until - since
