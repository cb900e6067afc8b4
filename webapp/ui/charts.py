"""The drawing of a campaign's rate: stacked bars over time, one unit wide for each slot.

Pure. The bars and the labels of the axis have one scale, which ends at a round number. A slot in which
nothing ended gets no bar and no base line: nothing was measured there, which is not the same as a rate of
zero. Bars are strokes as high as their rate, and those of one result are one path: a drawing is small.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailing.core.states import AttemptResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailing.ledger.rates import Course, Speed, Stretch

BASE = 98  # the bars stand on it, in a drawing 100 high; below lies the line of what was measured
_ROUND = (1, 2, 2.5, 5, 10)
STRIP_WIDTH = 1000
LEAST_SLOTS = 60  # a campaign that has just begun is drawn from the left
ORDER = (
    AttemptResult.SENT,
    AttemptResult.DEFERRED,
    AttemptResult.FAILED,
    AttemptResult.UNKNOWN,
    AttemptResult.RETURNED,
)
"""From the base upwards."""


@dataclass(frozen=True, slots=True)
class Layer:
    """All bars of one result, as the ``d`` of an SVG path."""

    result: AttemptResult
    path: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing from ``start`` to ``end`` (ms since 1970), with a bar for each ``width`` of ms.

    ``peak`` is the speed of the highest bar, which begins at ``peak_at``; ``last`` that of the last one, if
    it is of now. ``ceiling`` is the rate per minute at the top. ``full``: the time fills its width. One of a
    short run is drawn from the left.
    """

    layers: Sequence[Layer]
    measured: str
    places: int
    start: int
    end: int
    width: int
    full: bool
    peak: Speed
    peak_at: int
    last: float
    ceiling: float
    stretches: Sequence[Stretch]

    @property
    def readings(self) -> Sequence[Sequence[float]]:
        """Each bar for a script that reads it out.

        Its place and width in units, when it starts (ms), its rate per minute, its counts by ``ORDER``.
        """
        return [
            [
                (it.start - self.start) // self.width,
                -(-(it.end - self.start) // self.width) - (it.start - self.start) // self.width,
                it.start,
                round(it.speed.per_minute, 1),
                *(it.counts.get(result, 0) for result in ORDER),
            ]
            for it in self.stretches
        ]


def draw(course: Course) -> Chart | None:
    """Draw a course; None if nothing was measured."""
    stretches = course.stretches
    if not stretches:
        return None
    width = course.width * 1000
    start = course.begun // width * width
    highest = max(stretches, key=lambda it: it.speed.per_minute)
    top_rate = ceiling(highest.speed.per_minute)
    lived = -(-(course.until - start) // width)
    places = max(lived, LEAST_SLOTS)
    paths: dict[AttemptResult, list[str]] = {result: [] for result in ORDER}
    measured: list[list[int]] = []
    for stretch in stretches:
        first, last = (stretch.start - start) // width, -(-(stretch.end - start) // width)
        if measured and measured[-1][1] == first:
            measured[-1][1] = last
        else:
            measured.append([first, last])
        tall = stretch.speed.per_minute / top_rate
        for x in range(first, last):
            y = BASE
            for result in ORDER:
                if n := stretch.counts.get(result, 0):
                    top = max(y - max(round(n * BASE * tall / stretch.speed.n), 1), 0)
                    paths[result].append(f"M{x} {y}V{top}")
                    y = top
    latest = stretches[-1]
    return Chart(
        layers=[Layer(result, "".join(parts)) for result, parts in paths.items() if parts],
        measured="".join(f"M{begin} {BASE + 1}H{end}" for begin, end in measured),
        places=places,
        start=start,
        end=course.until,
        width=width,
        full=lived == places,
        peak=highest.speed,
        peak_at=highest.start,
        last=latest.speed.per_minute if latest.end >= course.until - width else 0.0,
        ceiling=top_rate,
        stretches=stretches,
    )


@dataclass(frozen=True, slots=True)
class Strip:
    """A drawing of all rates between two moments, ``STRIP_WIDTH`` wide and 100 high: the peak fills it."""

    layers: Sequence[Layer]
    peak: Speed
    peak_at: int


def strip(course: Course, start: int, end: int) -> Strip | None:
    """Draw the rates from ``start`` to ``end`` (ms since 1970), each over the time for which it holds."""
    stretches = course.stretches
    if not stretches:
        return None
    highest = max(stretches, key=lambda it: it.speed.per_minute)
    paths: dict[AttemptResult, list[str]] = {result: [] for result in ORDER}
    for stretch in stretches:
        left, right = (
            min(max(round((at - start) * STRIP_WIDTH / max(end - start, 1)), 0), STRIP_WIDTH)
            for at in (stretch.start, stretch.end)
        )
        unit, y = 100 * stretch.speed.per_minute / highest.speed.per_minute / stretch.speed.n, 100.0
        for result in ORDER:
            if n := stretch.counts.get(result, 0):
                top = max(y - n * unit, 0)
                paths[result].append(f"M{left} {y:.1f}V{top:.1f}H{right}V{y:.1f}Z")
                y = top
    layers = [Layer(result, "".join(parts)) for result, parts in paths.items() if parts]
    return Strip(layers, highest.speed, highest.start)


def ceiling(rate: float) -> float:
    """Return the least round number that is not below a rate: 1, 2, 2.5 or 5 of a power of ten."""
    power = 10.0 ** math.floor(math.log10(max(rate, 0.1)))
    return next(it * power for it in _ROUND if it * power >= rate * 0.9999)
