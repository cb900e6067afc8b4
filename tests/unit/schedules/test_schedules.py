"""When a campaign is sent: times as people write them, in zones with daylight-saving edges."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.core.reasons import UnfitError
from mailing.schedules import schedule as schedules
from mailing.schedules.hours import Hours
from mailing.schedules.schedule import ANY_TIME, Asked, Schedule

NOW = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)
EDGES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe")


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def refusal(asked: Asked, old: Schedule = ANY_TIME) -> dict[str, str]:
    return {field: reason.code for field, reason in asked.judge(old, NOW)[1].items()}


@pytest.mark.parametrize(
    ("text", "zone", "meant"),
    [
        ("2026-12-01T08:00", "Asia/Ho_Chi_Minh", "2026-12-01T01:00"),
        ("2026-12-01 08:00", "Asia/Ho_Chi_Minh", "2026-12-01T01:00"),
        ("2026-07-01T08:00:30", "Europe/Berlin", "2026-07-01T06:00:30"),
        ("2026-12-01T08:00+07:00", "Europe/Berlin", "2026-12-01T01:00"),
        ("2026-12-01t08:00z", "", "2026-12-01T08:00"),
    ],
)
def test_a_time_is_by_the_clocks_of_its_zone_unless_it_has_an_offset(
    text: str, zone: str, meant: str
) -> None:
    assert schedules.moment(text, zone) == utc(meant)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "08:00",
        "2026-12-01",
        "2026-13-01T08:00",
        "2026-W49-2T08:00",
        "0001-01-01T00:00",
        "٢٠٢٦-12-01T08:00",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UnfitError) as refused:
        schedules.moment(text, "Asia/Ho_Chi_Minh")
    assert refused.value.reason.code == "schedule.unreadable-time"


@pytest.mark.parametrize(
    ("zone", "text", "after"),
    [
        ("Europe/Berlin", "2026-03-29T02:30", "2026-03-29 03:00"),
        ("Europe/Berlin", "2026-03-29T02:00", "2026-03-29 03:00"),
        ("America/New_York", "2026-03-08T02:59", "2026-03-08 03:00"),
        ("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-04 02:30"),
        ("Pacific/Apia", "2011-12-30T12:00", "2011-12-31 00:00"),
    ],
)
def test_a_time_that_the_clocks_skip_is_refused_with_the_next_that_exists(
    zone: str, text: str, after: str
) -> None:
    with pytest.raises(UnfitError) as refused:
        schedules.moment(text, zone)
    assert refused.value.reason.code == "schedule.skipped-time"
    assert refused.value.reason.values["next"] == after


@pytest.mark.parametrize(
    ("zone", "text", "first", "apart"),
    [
        ("Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30", 60),
        ("America/New_York", "2026-11-01T01:30", "2026-11-01T05:30", 60),
        ("Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-04T14:45", 30),
    ],
)
def test_of_a_time_that_comes_twice_the_first_is_meant_and_an_offset_says_otherwise(
    zone: str, text: str, first: str, apart: int
) -> None:
    meant = schedules.moment(text, zone)
    assert meant == utc(first)
    assert Schedule(meant, zone).twice
    second = meant + apart * 60_000
    assert Schedule(second, zone).local == Schedule(meant, zone).local == text
    there = datetime.fromtimestamp(second / 1000, ZoneInfo(zone))
    assert schedules.moment(there.isoformat(), zone) == second


@given(st.sampled_from(EDGES), st.integers(26_297_280, 31_556_160))
def test_a_time_that_is_shown_is_the_first_moment_at_which_the_clocks_show_it(zone: str, minute: int) -> None:
    written = Schedule(minute * 60_000, zone).local
    at = schedules.moment(written, zone)
    assert Schedule(at, zone).local == written
    assert at <= minute * 60_000
    assert all(Schedule(at - earlier * 60_000, zone).local != written for earlier in (30, 60))


@pytest.mark.parametrize(
    ("zone", "text", "meant"),
    [
        ("America/Sao_Paulo", "2026-12-01T08:00", "2026-12-01T11:00"),  # no summer time since 2019
        ("Europe/Amsterdam", "2026-07-04T10:00", "2026-07-04T08:00"),
        ("America/New_York", "2026-03-08T09:00", "2026-03-08T13:00"),  # saved on the day of the change
    ],
)
def test_a_time_is_not_an_hour_off_where_others_were_found_to_be(zone: str, text: str, meant: str) -> None:
    at = schedules.moment(text, zone)
    assert at == utc(meant)
    again, faults = Asked(Schedule(at, zone).local, zone, "").judge(Schedule(at, zone), NOW)
    assert (again.send_at, faults) == (at, {})


def test_a_zone_is_named_as_iana_spells_it() -> None:
    assert schedules.the_zone(" asia/ho chi minh ") == "Asia/Ho_Chi_Minh"
    assert schedules.the_zone("utc") == "UTC"


@pytest.mark.parametrize(
    "name", ["", "Mars/Olympus", "../../etc/passwd", "/etc/localtime", "UTC+7", "x" * 10_000]
)
def test_a_zone_that_there_is_not_is_refused(name: str) -> None:
    with pytest.raises(UnfitError) as refused:
        schedules.the_zone(name)
    assert refused.value.reason.code.startswith("schedule.unknown-zone")


def test_a_misspelt_zone_is_told_with_the_one_that_is_near() -> None:
    with pytest.raises(UnfitError, match="Did you mean Asia/Ho_Chi_Minh"):
        schedules.the_zone("Asia/Ho_Chi_Min")


def test_what_is_not_asked_for_stays() -> None:
    old = Schedule(utc("2026-12-01T01:00"), "Asia/Ho_Chi_Minh", Hours.read("08:00-20:00"))
    assert Asked().judge(old, NOW) == (old, {})
    assert Asked(hours="").judge(old, NOW)[0] == Schedule(old.send_at, old.time_zone)
    assert Asked(send_at="").judge(old, NOW)[0] == Schedule(None, old.time_zone, old.hours)
    assert Asked(send_at="", hours="").judge(old, NOW)[0] == ANY_TIME


def test_another_zone_alone_means_the_same_time_by_the_clocks_there() -> None:
    old = Schedule(utc("2026-12-01T01:00"), "Asia/Ho_Chi_Minh")
    assert Asked(time_zone="Europe/Berlin").judge(old, NOW)[0].send_at == utc("2026-12-01T07:00")


def test_a_form_that_is_sent_unchanged_changes_nothing() -> None:
    old = Schedule(utc("2026-10-25T01:30:17"), "Europe/Berlin")  # the second of two
    shown = Asked(old.local, old.time_zone, "")
    assert shown.judge(old, NOW)[0].local == old.local
    past = Schedule(utc("2025-10-01T01:30"), "Europe/Berlin")
    assert Asked(past.local, past.time_zone, "").judge(past, NOW) == (past, {})


@pytest.mark.parametrize(
    ("asked", "faults"),
    [
        (Asked(send_at="2026-12-01T08:00"), {"time_zone": "schedule.no-zone"}),
        (Asked(hours="08:00-20:00"), {"time_zone": "schedule.no-zone"}),
        (Asked("2025-12-01T08:00", "UTC"), {"send_at": "schedule.past"}),
        (Asked("2026-01-01T00:00", "UTC"), {"send_at": "schedule.past"}),
        (Asked("2026-03-29T02:30", "Europe/Berlin"), {"send_at": "schedule.skipped-time"}),
        (Asked("soon", "Mars", "8-20"), dict.fromkeys(("time_zone", "hours", "send_at"), "")),
    ],
)
def test_all_that_is_wrong_is_told_at_once_by_field(asked: Asked, faults: dict[str, str]) -> None:
    found = refusal(asked)
    assert found.keys() == faults.keys()
    assert all(found[field] == code for field, code in faults.items() if code)


def test_a_time_with_an_offset_needs_no_zone() -> None:
    assert Asked("2026-12-01T08:00+07:00").judge(ANY_TIME, NOW) == (
        Schedule(utc("2026-12-01T01:00"), "UTC"),
        {},
    )


def test_a_zone_that_this_machine_does_not_know_any_more_counts_as_utc() -> None:
    stored = Schedule.of(None, "Atlantis/Center", "08:00-20:00")
    assert stored.holds(utc("2026-12-01T08:00"))
    assert stored.opens_at(utc("2026-12-01T07:00")) == utc("2026-12-01T08:00")
