"""Forecasts: when the rest of a campaign is sent, by which sender, and what holds it back.

Pure. Limits, what was used of them, the measured speed and the hours of the day go in, and a time line comes
out. It is greedy as the workers are: each sender gives what its windows allow, the first of them first. What
left is counted until all of its stretch is old enough, so that no window ever holds more than it may.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain, islice, repeat
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

from mailing.schedules.schedule import ANY_TIME, Schedule
from mailing.senders import windows
from mailing.senders.limits import NONE, Limits
from mailing.senders.windows import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import tzinfo

    from mailing.senders.warmup import Plan

HORIZON_MS = 400 * DAY_MS
STRETCH_MS = 15 * MINUTE_MS  # the longest in which a window counts what left as one
MOST = 1_000  # stretches; what comes after them is not foretold
SLOWER, FASTER = 0.7, 1.4  # times the measured speed: the band
HOURS, SPEED, REST = "hours", "speed", "rest"
_LITTLE = 1e-3  # of an email
_UNBOUND = 1e9  # emails per ms
_NEVER = 2**62
_DAYS = 400


class Used(NamedTuple):
    """``n`` emails left up to ``at``, in ms since 1970."""

    at: int
    n: int


@dataclass(frozen=True, slots=True)
class Source:
    """A sender, or the campaign itself: its limits, its warm-up, and what left by it lately.

    It gives nothing before ``opens_at`` (ms since 1970), as while it rests.
    """

    name: str = ""
    id: int = 0
    limits: Limits = NONE
    plan: Plan | None = None
    used: Sequence[Used] = ()
    opens_at: int = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be foretold: ``left`` emails from ``now`` (ms) on by these senders, the first of them first.

    ``per_minute`` is the measured speed; none if nothing was measured, and then only limits and hours count.
    """

    now: int
    left: int
    senders: Sequence[Source]
    campaign: Source = field(default_factory=Source)
    per_minute: float | None = None
    schedule: Schedule = ANY_TIME


class Portion(NamedTuple):
    """``n`` emails leave from ``begin`` to ``end`` (ms since 1970), by the sender in this place."""

    begin: int
    end: int
    n: float
    sender: int


class Held(NamedTuple):
    """What holds a campaign back: a window's name, ``HOURS`` or ``SPEED``; and whose, empty for its own."""

    by: str
    name: str = ""
    sender_id: int = 0
    most: int = 0


@dataclass(frozen=True, slots=True)
class Forecast:
    """When emails leave. ``ends_at`` (ms) is None where that is too far away to tell."""

    portions: Sequence[Portion]
    ends_at: int | None
    held: Held | None

    def by_day(self, zone: tzinfo) -> Mapping[str, int]:
        """Return how many leave on each day of the calendar in a zone, the first first."""
        exact: defaultdict[str, float] = defaultdict(float)
        for portion in self.portions:
            middle = (portion.begin + portion.end) // 2
            exact[datetime.fromtimestamp(middle / 1000, zone).date().isoformat()] += portion.n
        told, before, total = {}, 0, 0.0
        for day, n in exact.items():
            total += n
            told[day] = round(total) - before
            before = round(total)
        return told


class Band(NamedTuple):
    """A forecast, and when it ends at the earliest and at the latest."""

    usual: Forecast
    earliest: int | None
    latest: int | None


def band(asked: Asked) -> Band:
    """Foretell at the measured speed, at a higher and at a lower one."""
    usual = foretell(asked)
    if asked.per_minute is None or usual.ends_at is None:
        return Band(usual, usual.ends_at, usual.ends_at)
    quick = foretell(replace(asked, per_minute=asked.per_minute * FASTER))
    slow = foretell(replace(asked, per_minute=asked.per_minute * SLOWER))
    return Band(usual, quick.ends_at, slow.ends_at)


def foretell(asked: Asked) -> Forecast:
    """Return when the emails leave that are left."""
    own, senders = _Meter(asked.campaign, asked.now), [_Meter(it, asked.now) for it in asked.senders]
    speed = asked.per_minute / MINUTE_MS if asked.per_minute else _UNBOUND
    waited: defaultdict[Held, float] = defaultdict(float)
    portions: list[Portion] = []
    at, left = asked.now, float(asked.left)
    for _ in range(MOST if senders else 0):
        if left <= _LITTLE or at > asked.now + HORIZON_MS:
            break
        if opens := asked.schedule.opens_at(at):
            waited[Held(HOURS)] += opens - at
            at = opens
            continue
        end = min(at + STRETCH_MS, *(it.changes_at(at) for it in (own, *senders)))
        end = _open_until(asked.schedule, at, end)
        gives, given = [], 0.0
        most = min(left, own.room(at, end), speed * (end - at))
        for meter in senders:
            gives.append(min(most - given, meter.room(at, end)))
            given += gives[-1]
        if given <= _LITTLE:  # nobody may: on to when somebody may again
            first = own if own.room(at, end) <= _LITTLE else min(senders, key=lambda it: it.opens_at(at))
            until = max(first.opens_at(at), at + 1)
            waited[first.held(at)] += until - at
            at = until
            continue
        takes = max(given / speed, own.takes_ms(given), *map(_Meter.takes_ms, senders, gives))
        slow = next((it for it in (own, *senders) if it.rated), own)
        slowest = Held(SPEED) if given / speed >= takes else slow.held(at)
        end = min(end, at + max(1, ceil(takes)))
        waited[slowest] += end - at
        own.take(end, given)
        for place, (meter, n) in enumerate(zip(senders, gives, strict=True)):
            if n > 0:
                meter.take(end, n)
                portions.append(Portion(at, end, n, place))
        left, at = left - given, end
    ends_at = None if left > _LITTLE else portions[-1].end if portions else asked.now
    return Forecast(portions, ends_at, max(waited, key=lambda it: waited[it], default=None))


class _Meter:
    """What a sender may still give, at moments that only go on."""

    rated: tuple[str, int] | None

    def __init__(self, source: Source, now: int) -> None:
        self._source, limits = source, source.limits
        rates = (("second", limits.per_second, SECOND_MS), ("minute", limits.per_minute, MINUTE_MS))
        found = [(n / ms, (name, n)) for name, n, ms in rates if n]
        self._rate, self.rated = min(found) if found else (_UNBOUND, None)
        spans = (("hour", limits.per_hour, HOUR_MS), ("24h", limits.per_24h, DAY_MS))
        self._sliding = [_Sliding(name, n, span, source.used) for name, n, span in spans if n]
        self._caps = _caps(source)
        begin, self._day_ends = windows.day(now, limits.time_zone)
        self._today = float(sum(n for at, n in source.used if at > begin))
        self._day = next(self._caps)

    def room(self, at: int, end: int) -> float:
        """Return how many may leave between two moments."""
        if at < self._source.opens_at:
            return 0.0
        self._go_to(at)
        found = [self._rate * (end - at), *(it.room for it in self._sliding)]
        return max(0.0, min(found if self._day is None else [*found, self._day[1] - self._today]))

    def takes_ms(self, n: float) -> float:
        """Return how long so many take by the limits of seconds and minutes."""
        return n / self._rate

    def take(self, end: int, n: float) -> None:
        """Have so many leave until ``end``."""
        for window in self._sliding:
            window.take(end, n)
        self._today += n

    def changes_at(self, at: int) -> int:
        """Return the next moment at which more may leave than it seems now."""
        self._go_to(at)
        moments = [self._source.opens_at, self._day_ends, *(it.frees_at for it in self._sliding)]
        return min(each for each in moments if each > at)

    def opens_at(self, at: int) -> int:
        """Return when anything may leave again; ``at`` if it may."""
        return max([at, self._source.opens_at, *(opens for opens, _ in self._full(at))])

    def held(self, at: int) -> Held:
        """Return what holds it back: the window that opens last, or else its rate, or what it rests for."""
        by = max(self._full(at), default=None)
        name, most = by[1] if by else self.rated or (REST if at < self._source.opens_at else SPEED, 0)
        return Held(name, self._source.name, self._source.id, most)

    def _full(self, at: int) -> list[tuple[int, tuple[str, int]]]:
        """Return each window that is used up: when it opens, its name and its limit."""
        self._go_to(at)
        found = [(it.frees_at, (it.name, it.most)) for it in self._sliding if it.room <= _LITTLE]
        if self._day and self._day[1] - self._today <= _LITTLE:
            found.append((self._day_ends, self._day))
        return found

    def _go_to(self, at: int) -> None:
        for window in self._sliding:
            window.go_to(at)
        while at >= self._day_ends:
            _, self._day_ends = windows.day(self._day_ends, self._source.limits.time_zone)
            self._today, self._day = 0.0, next(self._caps)


class _Sliding:
    """A window of an hour or of 24, and what left within it."""

    def __init__(self, name: str, most: int, span: int, used: Sequence[Used]) -> None:
        self.name, self.most, self._span = name, most, span
        self._left = deque((float(n), at) for at, n in sorted(used))
        self._sum = float(sum(n for _, n in used))

    @property
    def room(self) -> float:
        return self.most - self._sum

    @property
    def frees_at(self) -> int:
        return self._left[0][1] + self._span if self._left else _NEVER

    def take(self, end: int, n: float) -> None:
        if n > 0:
            self._left.append((n, end))
            self._sum += n

    def go_to(self, at: int) -> None:
        while self._left and self._left[0][1] + self._span <= at:
            self._sum -= self._left.popleft()[0]
        if not self._left:
            self._sum = 0.0


def _caps(source: Source) -> Iterator[tuple[str, int] | None]:
    """Yield what may leave today and on each day after it, and whether that is the warm-up's; None: all."""
    limits, plan = source.limits, source.plan
    own = ("day", limits.per_day) if limits.per_day else None
    if plan and plan.today is not None:
        caps = [plan.today, *islice(plan.coming(limits), _DAYS)]
        for cap in chain(caps, repeat(plan.today) if plan.stopped else ()):
            yield own if own and own[1] <= cap else ("warmup", cap)
    while True:
        yield own


def _open_until(schedule: Schedule, at: int, end: int) -> int:
    """Return the end, or when the hours of the day end before it."""
    if schedule.hours is None or schedule.holds(end - 1):
        return end
    minutes = range(at // MINUTE_MS + 1, end // MINUTE_MS + 1)
    return next((it * MINUTE_MS for it in minutes if not schedule.holds(it * MINUTE_MS)), end)
