"""When a campaign is sent: from which moment on, in which hours of the day, and by the clocks of which zone.

Pure. A local time that a zone skips is refused, and of one that it has twice the first is meant: one with an
offset from UTC (RFC 3339) says which. What is kept is the moment, and the zone in which it was meant.
"""

from __future__ import annotations

import difflib
import re
import zoneinfo
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from mailing.core.reasons import Reason, UnfitError
from mailing.schedules.hours import MINUTE_MS, Hours

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

LATE_MS = 60_000  # what starts within so long is on time
_MOMENT = re.compile(
    r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})?", re.ASCII | re.IGNORECASE
)
_YEARS = range(1971, 2_200)
_SKIPPED_MOST = 24 * 60  # minutes; zones have crossed the date line


@dataclass(frozen=True, slots=True)
class Schedule:
    """From ``send_at`` on (ms since 1970), within ``hours`` of the day in ``time_zone``.

    Without a moment somebody starts it, and without hours it is sent all day. Hours have a zone.
    """

    send_at: int | None = None
    time_zone: str = ""
    hours: Hours | None = None

    @classmethod
    def of(cls, send_at: int | None, time_zone: str, hours: str) -> Schedule:
        """Return what is stored so."""
        return cls(send_at, time_zone, _read(hours) if hours else None)

    @property
    def columns(self) -> dict[str, object]:
        """What is stored of it."""
        return {"send_at": self.send_at, "time_zone": self.time_zone, "hours": str(self.hours or "")}

    @property
    def zone(self) -> tzinfo:
        """Its time zone; UTC where it names none, or one that this machine does not know any more."""
        return _zone_or_utc(self.time_zone)

    @property
    def local(self) -> str:
        """The moment by the clocks of its zone, ``2026-12-01T08:00``; empty without one."""
        if self.send_at is None:
            return ""
        return f"{datetime.fromtimestamp(self.send_at / 1000, self.zone):%Y-%m-%dT%H:%M}"

    @property
    def twice(self) -> bool:
        """Whether the clocks of its zone show the moment's time again later, or have shown it before."""
        if self.send_at is None:
            return False
        there = datetime.fromtimestamp(self.send_at / 1000, self.zone)
        return there.utcoffset() != there.replace(fold=1 - there.fold).utcoffset()

    @property
    def without_moment(self) -> Schedule:
        """The same, to be started by somebody."""
        return Schedule(None, self.time_zone, self.hours) if self.hours else ANY_TIME

    def holds(self, now: int) -> bool:
        """Whether ``now`` (ms) lies within its hours."""
        return self.hours is None or self.hours.holds(now, self.zone)

    def opens_at(self, now: int) -> int | None:
        """Return when its hours begin next, in ms; None while they last."""
        if self.hours is None or self.holds(now):
            return None
        return self.hours.opens_at(now, self.zone)

    def closed_at(self, now: int) -> int | None:
        """Return since when it is outside of its hours, in ms; None while they last."""
        if self.hours is None or self.holds(now):
            return None
        return self.hours.closed_at(now, self.zone)

    def closed_ms(self, since: int, until: int) -> int:
        """Return how much of this time lies outside of its hours, in ms."""
        return self.hours.closed_ms(since, until, self.zone) if self.hours else 0


ANY_TIME = Schedule()


def the_zone(name: str) -> str:
    """Return the name of a time zone as IANA spells it. Raises ``UnfitError`` if there is none."""
    known, asked = zones(), "_".join(name.split()).casefold()
    if asked in known:
        return known[asked]
    shown = name.strip()[:64]
    if near := difflib.get_close_matches(asked[:64], known, n=1):
        raise UnfitError(Reason("schedule.unknown-zone-near", name=shown, near=known[near[0]]))
    raise UnfitError(Reason("schedule.unknown-zone", name=shown))


@cache
def zones() -> Mapping[str, str]:
    """Return the time zones that this machine knows: their names by the same in small letters."""
    return {name.casefold(): name for name in sorted(zoneinfo.available_timezones())}


def moment(text: str, zone: str) -> int:
    """Return the moment (ms since 1970) that a person or a program means, by the clocks of a ``zone``.

    An offset from UTC (RFC 3339) stands above the zone. Raises ``UnfitError``.
    """
    text = text.strip()
    unreadable = UnfitError(Reason("schedule.unreadable-time", given=text[:50]))
    if not _MOMENT.fullmatch(text):
        raise unreadable
    try:
        given = datetime.fromisoformat(text.upper())
    except ValueError:  # there is no such day or hour
        raise unreadable from None
    if given.year not in _YEARS:
        raise unreadable
    there = given if given.tzinfo else _there(given, zone)
    return round(there.timestamp() * 1000)


def _there(local: datetime, zone: str) -> datetime:
    """Return a local time in a zone, the first of two. Raises ``UnfitError`` if the clocks skip it."""
    if not zone:
        raise UnfitError(Reason("schedule.no-zone"))
    there = local.replace(tzinfo=ZoneInfo(zone))
    if _exists(there):
        return there
    later = (there + timedelta(minutes=n) for n in range(1, _SKIPPED_MOST + 1))
    after = next(each for each in later if _exists(each))
    said = f"{local:%Y-%m-%d %H:%M}", f"{after.replace(second=0):%Y-%m-%d %H:%M}"
    raise UnfitError(Reason("schedule.skipped-time", time=said[0], zone=zone, next=said[1]))


def _exists(there: datetime) -> bool:
    back = there.astimezone(UTC).astimezone(there.tzinfo)
    return back.replace(tzinfo=None, fold=0) == there.replace(tzinfo=None, fold=0)


@lru_cache(maxsize=1_000)
def _read(hours: str) -> Hours:
    return Hours.read(hours)


@lru_cache(maxsize=1_000)
def _zone_or_utc(name: str) -> tzinfo:
    """Return a zone; UTC instead of one that is not there any more: sending must not end by it."""
    try:
        return ZoneInfo(name) if name else UTC
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants of a schedule, as they wrote it. None: as it was. Empty: none."""

    send_at: str | None = None
    time_zone: str | None = None
    hours: str | None = None

    def judge(self, old: Schedule, now: int) -> tuple[Schedule, Mapping[str, Reason]]:
        """Return the schedule that is wanted in the place of an ``old`` one, and what is wrong, by field.

        What is wrong stays as it was. With another zone alone the same time by the clocks there is meant.
        """
        faults: dict[str, Reason] = {}
        zone, hours, at = old.time_zone, old.hours, old.send_at
        try:
            zone = (
                zone if self.time_zone is None else the_zone(self.time_zone) if self.time_zone.strip() else ""
            )
        except UnfitError as error:
            faults["time_zone"] = error.reason
        try:
            hours = hours if self.hours is None else Hours.read(self.hours) if self.hours.strip() else None
        except UnfitError as error:
            faults["hours"] = error.reason
        wanted = old.local if self.send_at is None and zone != old.time_zone else self.send_at
        try:
            at = at if wanted is None else moment(wanted, zone) if wanted.strip() else None
        except UnfitError as error:
            field = "time_zone" if error.reason.code == "schedule.no-zone" else "send_at"
            faults.setdefault(field, error.reason)
        if wanted and at is not None and at // MINUTE_MS == (old.send_at or 0) // MINUTE_MS:
            at = old.send_at  # a form shows no seconds, and not which of two equal times it is
        new = Schedule(at, zone or ("UTC" if at is not None else ""), hours)
        if hours and not zone and "time_zone" not in faults:
            faults["time_zone"] = Reason("schedule.no-zone")
        if at is not None and at != old.send_at and at <= now:
            faults.setdefault("send_at", past(new))
        return (old if faults else new if new.send_at or new.hours else ANY_TIME), faults


def past(schedule: Schedule) -> Reason:
    """Return that the time of a schedule has passed."""
    return Reason("schedule.past", time=schedule.local.replace("T", " "), zone=schedule.time_zone)
