"""Windows: how much may leave in which time, as the limits of a sender or a campaign say. Pure.

A sliding window counts what left in the last ``span_ms``, whenever one looks: there is no edge at which twice
as much passes. It is counted in small buckets, and a bucket is forgotten once all that is in it is old
enough, so that an error is on the safe side. A calendar day is counted from its midnight.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from mailing.senders.limits import Limits

SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS = 1_000, 60_000, 3_600_000, 86_400_000
BUCKETS = 500  # in a window
SHORT_MS = HOUR_MS  # a window up to this is filled again from the log, a longer one from the usage


class Window(NamedTuple):
    """At most ``most`` in any ``span_ms``, or in that from ``begin`` (ms since 1970) where there is one."""

    name: str
    span_ms: int
    most: int
    begin: int = 0

    @property
    def bucket_ms(self) -> int:
        """How long a bucket is."""
        return max(1, self.span_ms // BUCKETS)

    @property
    def script_args(self) -> tuple[str | int, ...]:
        """What the scripts take of it."""
        return self.name, self.span_ms, self.most, self.bucket_ms, self.begin


def of(limits: Limits, now: int) -> tuple[Window, ...]:
    """Return the windows of these limits at ``now`` (ms since 1970), the shortest first.

    What may leave in a minute is spread over its seconds.
    """
    spread = -(-limits.per_minute // 60) if limits.per_minute else None
    in_second = min((n for n in (limits.per_second, spread) if n), default=None)
    sliding = (
        ("second", SECOND_MS, in_second),
        ("minute", MINUTE_MS, limits.per_minute),
        ("hour", HOUR_MS, limits.per_hour),
        ("24h", DAY_MS, limits.per_24h),
    )
    found = [Window(name, span, most) for name, span, most in sliding if most]
    if limits.per_day:
        begin, end = day(now, limits.time_zone)
        found.append(Window("day", end - begin, limits.per_day, begin))
    return tuple(found)


def day(now: int, time_zone: str) -> tuple[int, int]:
    """Return when the calendar day of ``now`` begins and ends, in ms since 1970: 23 to 25 hours apart."""
    today = datetime.fromtimestamp(now / 1000, ZoneInfo(time_zone)).date()
    return midnight(today, time_zone), midnight(today + timedelta(days=1), time_zone)


def midnight(day: date, time_zone: str) -> int:
    """Return when a calendar day begins, in ms since 1970."""
    return int(datetime.combine(day, time.min, ZoneInfo(time_zone)).timestamp() * 1000)
