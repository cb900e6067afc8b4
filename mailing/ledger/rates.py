"""How fast emails reach an outcome: the one definition, for chart, facts, overview, replay, API and terminal.

Pure. A speed is a number of emails over the time in which they ended, and it knows that time. All speeds of a
campaign are counted over the same slots up to the same moment, and a slot that was lived in part counts with
that part. So a peak is never below the average: no whole is faster than the fastest of its parts.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mailing.core.states import AttemptResult

SLOT_S = 5
SLOT_MS = SLOT_S * 1000
MINUTE_MS = 60_000
SHORTEST_MS = 1_000  # one email within 2 ms is not 30,000 a minute
LATE_MS = 1_000  # after the end of a slot its last results are still being recorded


@dataclass(frozen=True, slots=True)
class Speed:
    """``n`` emails ended within ``ms``."""

    n: int = 0
    ms: int = 0

    @property
    def per_minute(self) -> float:
        """Emails per minute."""
        return self.n * MINUTE_MS / max(self.ms, SHORTEST_MS)

    @property
    def whole_minute(self) -> bool:
        """Whether it was measured for a minute, not since a start that is less than a minute ago."""
        return self.ms >= MINUTE_MS


@dataclass(frozen=True, slots=True)
class Slot:
    """What ended from ``at`` (seconds since 1970) on, for one width."""

    at: int
    counts: Mapping[AttemptResult, int]

    @property
    def n(self) -> int:
        """How many attempts ended in it."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Stretch:
    """What ended between two moments, in ms since 1970."""

    start: int
    end: int
    counts: Mapping[AttemptResult, int]

    @property
    def speed(self) -> Speed:
        """How fast it ended."""
        return Speed(sum(self.counts.values()), self.end - self.start)


@dataclass(frozen=True, slots=True)
class Course:
    """How emails ended from ``begun`` to ``until`` (ms since 1970), in slots of ``width`` seconds.

    A slot in which nothing ended is not among them. ``course`` makes it.
    """

    begun: int
    until: int
    width: int
    slots: Sequence[Slot]

    @property
    def average(self) -> Speed:
        """The speed over all of it, rests included."""
        return Speed(sum(slot.n for slot in self.slots), self.until - self.begun)

    @property
    def stretches(self) -> Sequence[Stretch]:
        """The slots, as far as they were lived.

        Less than half a slot at either end counts together with the slot beside it: what ended within a few
        milliseconds says nothing of a speed.
        """
        width = self.width * 1000
        found = [
            Stretch(max(slot.at * 1000, self.begun), min(slot.at * 1000 + width, self.until), slot.counts)
            for slot in self.slots
        ]
        if found and self._brief(found[0]) and found[0].end < self.until:
            end = min(found[0].end + width, self.until)
            taken = [it for it in found if it.start < end]
            found = [_joined(taken, found[0].start, end), *found[len(taken) :]]
        if found and self._brief(found[-1]):
            start = max(found[-1].start - width, self.begun)
            taken = [it for it in found if it.end > start]
            found = [*found[: -len(taken)], _joined(taken, min(start, taken[0].start), found[-1].end)]
        return found

    def _brief(self, stretch: Stretch) -> bool:
        return (stretch.end - stretch.start) * 2 < self.width * 1000


def course(begun: int, until: int, slots: Sequence[Slot], width: int = SLOT_S) -> Course:
    """Return the course of what ended between two moments (ms), in ``slots`` by time.

    Results outside of them, as after a clock was set or a late report, extend them.
    """
    if slots:
        begun = min(begun, (slots[0].at + width) * 1000 - 1)
        until = max(until, slots[-1].at * 1000 + 1)
    return Course(begun, max(begun + 1, until), width, slots)


def until(started_at: int, finished_at: int | None, now: int) -> int:
    """Return up to when a campaign is measured (all in ms): to its end, or now, or the last slot's end.

    After the first minute, only slots count that have ended and whose results are recorded.
    """
    if finished_at is not None:
        return finished_at
    whole = (now - LATE_MS) // SLOT_MS * SLOT_MS
    return whole if whole - started_at >= MINUTE_MS else now


def recent(started_at: int, until: int, slots: Sequence[Slot]) -> Speed:
    """Return the speed in the minute before ``until`` (ms), or since a start that is less than one ago.

    ``slots`` are at least those of that minute, ``SLOT_S`` wide.
    """
    if until - started_at < MINUTE_MS:
        return course(started_at, until, slots).average
    begun = (until - MINUTE_MS) // SLOT_MS * SLOT_MS
    n = sum(slot.n for slot in slots if begun <= slot.at * 1000 < until)
    return Speed(n, until - max(begun, started_at))


def _joined(parts: Sequence[Stretch], start: int, end: int) -> Stretch:
    counts: Counter[AttemptResult] = Counter()
    for part in parts:
        counts.update(part.counts)
    return Stretch(start, end, counts)
