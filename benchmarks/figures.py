"""A measured figure, the bar it must pass, and the table of all of them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RATE = "emails/s"


@dataclass(frozen=True, slots=True)
class Bar:
    """What a figure must reach: ``limit``, or ``limit`` times the figure named ``of`` in the same run."""

    limit: float
    of: str = ""
    at_most: bool = False

    def __str__(self) -> str:
        side = "at most" if self.at_most else "at least"
        return f"{side} {_number(self.limit)}" + (f" x {self.of}" if self.of else "")


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. ``how`` says what was measured: how many, against which server.

    ``also`` is a second bar, for a figure that is held against two references.
    """

    name: str
    value: float
    unit: str
    how: str = ""
    bar: Bar | None = None
    reference: bool = False  # others of the same unit are shown as a multiple of it
    also: Bar | None = None

    @property
    def bars(self) -> Sequence[Bar]:
        """What it must reach."""
        return [bar for bar in (self.bar, self.also) if bar is not None]


def judge(figure: Figure, others: Mapping[str, Figure]) -> str:
    """Return ``met``, ``MISSED``, ``not judged`` where a reference was not measured, or nothing."""
    verdicts = {_judge(figure.value, bar, others) for bar in figure.bars}
    return next((verdict for verdict in ("MISSED", "not judged", "met") if verdict in verdicts), "")


def _judge(value: float, bar: Bar, others: Mapping[str, Figure]) -> str:
    if bar.of and bar.of not in others:
        return "not judged"
    limit = bar.limit * (others[bar.of].value if bar.of else 1)
    met = value <= limit if bar.at_most else value >= limit
    return "met" if met else "MISSED"


def missed(figures: Sequence[Figure]) -> list[str]:
    """Return a sentence for each bar that is missed."""
    others = {figure.name: figure for figure in figures}
    return [
        f"{figure.name}: {_number(figure.value)} {figure.unit}, but the bar is {bar}."
        for figure in figures
        for bar in figure.bars
        if _judge(figure.value, bar, others) == "MISSED"
    ]


def table(figures: Sequence[Figure]) -> str:
    """Return all figures as aligned text, each with its ratio to the references of the run."""
    others = {figure.name: figure for figure in figures}
    references = [figure for figure in figures if figure.reference]
    head = [
        "",
        "figure",
        "",
        *(f"x {reference.name}" for reference in references),
        "bar",
        "",
        "measured with",
    ]
    lines = [
        [
            figure.name,
            _number(figure.value),
            figure.unit,
            *(_ratio(figure, reference) for reference in references),
            ", ".join(map(str, figure.bars)),
            judge(figure, others),
            figure.how,
        ]
        for figure in figures
    ]
    numeric = {1, *range(3, 3 + len(references))}
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if index in numeric else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in [head, *lines]
    )


def _ratio(figure: Figure, reference: Figure) -> str:
    if figure.unit != reference.unit or not reference.value:
        return ""
    return f"{figure.value / reference.value:.2f}"


def _number(value: float) -> str:
    """Return three figures that matter, and never an exponent."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
