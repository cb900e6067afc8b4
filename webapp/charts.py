"""The drawing of a campaign's speed: stacked bars over time, one unit wide for each slot.

Pure. A slot in which nothing ended gets no bar and no base line: nothing was measured there, which is
not the same as a speed of zero. Bars are strokes, and those of one result one path: a drawing is small.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailing.states import AttemptResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailing.paces import Course, Slot

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
    """A drawing from ``start`` to ``end`` (ms since 1970), its peak and its end in emails per minute.

    ``full``: the time fills its width. One of a short run is drawn from the left.
    """

    layers: Sequence[Layer]
    measured: str
    places: int
    start: int
    end: int
    full: bool
    peak: float
    peak_at: int
    last: float


def draw(course: Course, begun: float) -> Chart | None:
    """Draw the course of a campaign that began at ``begun`` (s since 1970); None if nothing was measured."""
    if not course.slots:
        return None
    highest = max(course.slots, key=lambda slot: slot.n)

    def speed(slot: Slot) -> float:
        """Return emails per minute, over what the campaign has lived of the slot."""
        since = slot.at if begun >= slot.at + course.width else max(slot.at, begun)
        return 60 * slot.n / max(min(slot.at + course.width, course.end) - since, 1)

    fastest = max(course.slots, key=speed)
    lived = -(-(course.end - course.start) // course.width)
    places = max(lived, LEAST_SLOTS)
    paths: dict[AttemptResult, list[str]] = {result: [] for result in ORDER}
    measured: list[list[int]] = []
    for slot in course.slots:
        x = (slot.at - course.start) // course.width
        if measured and measured[-1][1] == x:
            measured[-1][1] = x + 1
        else:
            measured.append([x, x + 1])
        y = BASE
        for result in ORDER:
            if n := slot.counts.get(result, 0):
                top = max(y - max(round(n * BASE / highest.n), 1), 0)
                paths[result].append(f"M{x} {y}V{top}")
                y = top
    last = course.slots[-1]
    is_now = last.at + 2 * course.width >= course.end
    return Chart(
        layers=[Layer(result, "".join(parts)) for result, parts in paths.items() if parts],
        measured="".join(f"M{begin} {BASE + 1}H{end}" for begin, end in measured),
        places=places,
        start=course.start * 1000,
        end=course.end * 1000,
        full=lived == places,
        peak=speed(fastest),
        peak_at=round(1000 * max(fastest.at, min(begun, fastest.at + course.width))),
        last=speed(last) if is_now else 0.0,
    )
