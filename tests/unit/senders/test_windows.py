"""Windows: what may leave in which time, as limits say."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from mailing.senders import windows
from mailing.senders.limits import Limits
from mailing.senders.windows import HOUR_MS


def at(moment: str, zone: str) -> int:
    return int(datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def told(limits: Limits) -> list[tuple[str, int]]:
    return [(window.name, window.most) for window in windows.of(limits, 0)]


def test_what_may_leave_in_a_minute_is_spread_over_its_seconds() -> None:
    assert told(Limits(per_minute=600)) == [("second", 10), ("minute", 600)]
    assert told(Limits(per_minute=61)) == [("second", 2), ("minute", 61)]
    assert told(Limits(per_second=4, per_minute=600)) == [("second", 4), ("minute", 600)]
    assert told(Limits(per_second=40, per_minute=600)) == [("second", 10), ("minute", 600)]


def test_without_limits_there_are_no_windows() -> None:
    assert windows.of(Limits(), 0) == ()


def test_all_limits_hold_side_by_side_the_shortest_first() -> None:
    limits = Limits(per_second=1, per_hour=9, per_day=50, per_24h=60)
    assert told(limits) == [("second", 1), ("hour", 9), ("24h", 60), ("day", 50)]


@pytest.mark.parametrize(
    ("zone", "date", "hours"),
    [
        ("UTC", "2026-03-29", 24),
        ("Europe/Berlin", "2026-03-29", 23),
        ("Europe/Berlin", "2026-10-25", 25),
        ("Asia/Ho_Chi_Minh", "2026-10-25", 24),
        ("Australia/Lord_Howe", "2026-10-04", 23.5),
    ],
)
def test_a_day_is_one_of_its_calendar(zone: str, date: str, hours: float) -> None:
    begin, end = windows.day(at(f"{date}T12:00", zone), zone)
    assert begin == at(f"{date}T00:00", zone)
    assert end - begin == hours * HOUR_MS
    assert windows.day(begin, zone) == windows.day(end - 1, zone) == (begin, end)
    assert windows.day(end, zone)[0] == end
