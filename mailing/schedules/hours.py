"""Hours of the day in which a campaign may be sent, such as 08:00 to 20:00, by the clocks of its zone.

Pure. The clock on the wall decides: where it jumps over the hours, that day has fewer of them or none, and
where it shows them twice, both times count. They may go over midnight.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, Self

from mailing.core.reasons import Reason, UnfitError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

MINUTE_MS = 60_000
DAY = 24 * 60  # minutes
FARTHEST = 3 * DAY  # minutes to the next edge, at most: a day may lack the hours, and one may be skipped
_TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", re.ASCII)
_MIDNIGHT = "24:00"  # as an end


class Hours(NamedTuple):
    """From ``first`` up to ``last``, which is not one of them. In minutes of the day."""

    first: int
    last: int

    @classmethod
    def between(cls, first: str, last: str) -> Self:
        """Return the hours between two times of day. Raises ``UnfitError``."""
        if not (first.strip() and last.strip()):
            raise UnfitError(Reason("schedule.half-hours"))
        hours = cls(_minute(first), _minute("00:00" if last.strip() == _MIDNIGHT else last))
        if hours.first == hours.last:
            raise UnfitError(Reason("schedule.no-hours", time=first.strip()))
        return hours

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the hours that ``str`` made text of, or a person: 08:00-20:00. Raises ``UnfitError``."""
        first, dash, last = text.partition("-")
        if not dash:
            raise UnfitError(Reason("schedule.unreadable-hours", given=text[:50]))
        return cls.between(first, last)

    def __str__(self) -> str:
        return f"{self.begin}-{self.end}"

    @property
    def begin(self) -> str:
        """The time at which they begin, ``08:00``."""
        return _clock(self.first)

    @property
    def end(self) -> str:
        """The time at which they end, ``20:00``."""
        return _clock(self.last)

    def holds(self, ms: int, zone: tzinfo) -> bool:
        """Whether a moment (ms since 1970) lies within them."""
        local = datetime.fromtimestamp(ms / 1000, zone)
        minute = local.hour * 60 + local.minute
        if self.first < self.last:
            return self.first <= minute < self.last
        return minute >= self.first or minute < self.last

    def opens_at(self, ms: int, zone: tzinfo) -> int:
        """Return the moment at which they begin next after one that lies outside of them."""
        minutes = range(ms // MINUTE_MS + 1, ms // MINUTE_MS + FARTHEST)
        return next(at * MINUTE_MS for at in minutes if self.holds(at * MINUTE_MS, zone))

    def closed_at(self, ms: int, zone: tzinfo) -> int:
        """Return the moment at which they ended last before one that lies outside of them."""
        minutes = range(ms // MINUTE_MS, ms // MINUTE_MS - FARTHEST, -1)
        return next(at * MINUTE_MS for at in minutes if self.holds((at - 1) * MINUTE_MS, zone))

    def closed_ms(self, since: int, until: int, zone: tzinfo) -> int:
        """Return how much of the time from ``since`` to ``until`` lies outside of them, in ms.

        On a day on which the clock is changed it may be off by as much as that is.
        """
        days = self._days(since, until, zone)
        within = sum(max(min(end, until) - max(begin, since), 0) for begin, end in days)
        return max(until - since - within, 0)

    def _days(self, since: int, until: int, zone: tzinfo) -> Iterator[tuple[int, int]]:
        """Yield when they begin and end, for each day that may have a part of this time."""
        day = datetime.fromtimestamp(since / 1000, zone).replace(tzinfo=None, hour=0, minute=0, second=0)
        day = day.replace(microsecond=0) - timedelta(days=1)
        length = (self.last - self.first) % DAY
        while (begin := _ms(day + timedelta(minutes=self.first), zone)) < until:
            yield begin, _ms(day + timedelta(minutes=self.first + length), zone)
            day += timedelta(days=1)


def _ms(local: datetime, zone: tzinfo) -> int:
    return int(local.replace(tzinfo=zone).astimezone(UTC).timestamp() * 1000)


def _minute(text: str) -> int:
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise UnfitError(Reason("schedule.unreadable-hours", given=text[:50]))
    return int(found[1]) * 60 + int(found[2])


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
