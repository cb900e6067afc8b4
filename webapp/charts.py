"""The drawing of a campaign's speed: stacked bars over time, one unit wide for each slot.

Pure. A slot in which nothing ended gets no bar and no base line: nothing was measured there, which is
not the same as a speed of zero. Bars are as high as their speed, strokes, and those of one result one path:
a drawing is small.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailing.states import AttemptResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailing.rates import Course, Speed

BASE = 98  # the bars stand on it, in a drawing 100 high; below lies the line of what was measured
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
    it is of now. ``full``: the time fills its width. One of a short run is drawn from the left.
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


def draw(course: Course) -> Chart | None:
    """Draw a course; None if nothing was measured."""
    stretches = course.stretches
    if not stretches:
        return None
    width = course.width * 1000
    start = course.begun // width * width
    highest = max(stretches, key=lambda it: it.speed.per_minute)
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
        tall = stretch.speed.per_minute / highest.speed.per_minute
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
    )
