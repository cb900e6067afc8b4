"""An uploaded file, read: first a look at how it is made, then all of its rows.

Both take a seekable binary file and leave it open. What the file holds is nothing to rely on: whatever it
is, reading ends, in bounded memory, with rows or an ``UnreadableError``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from mailing.core.reasons import Reason
from mailing.uploads import delimited, encodings, guesses
from mailing.uploads.cells import text
from mailing.uploads.faults import FaultyRow, UnreadableError
from mailing.uploads.plans import Format, Plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

__all__ = ["Choice", "FaultyRow", "Look", "UnreadableError", "look", "rows"]

SHOWN = 20  # rows


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person says about a file; what is None is guessed."""

    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    header: bool | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What a first look finds: how to read the file, and its first rows below the header, as text.

    ``expected`` is how many rows it has, about; None where only reading it all would tell. ``notes`` are for
    the person who brought it.
    """

    plan: Plan
    rows: tuple[tuple[str, ...], ...]
    sheets: tuple[str, ...] = ()
    expected: int | None = None
    notes: tuple[Reason, ...] = ()


def look(file: BinaryIO, name: str, choice: Choice | None = None) -> Look:  # noqa: ARG001
    """Find out how a file is made. ``name`` is what its owner calls it.

    Raises ``UnreadableError`` if it is no list, and ``UnfitError`` if the choice does not fit it.
    """
    choice = choice or Choice()
    found = encodings.find(file)
    if choice.encoding:
        found = encodings.Text(encodings.checked(choice.encoding), found.lines)
    draft = Plan(format=Format.CSV, encoding=found.encoding)
    sample = _sample(file, draft)
    if not sample.strip("\ufeff \t\r\n\0"):
        raise UnreadableError(Reason("upload.empty"))
    delimiter = delimited.sniff(sample) if choice.delimiter is None else choice.delimiter[:1]
    draft = replace(draft, delimiter=delimiter)
    first = [cells for _line, cells in islice(delimited.records(file, draft), guesses.ROWS)]
    plan = guesses.of_table(draft, [list(map(text, row)) for row in first], choice.header)
    shown = tuple(tuple(map(text, cells)) for _line, cells in islice(rows(file, plan), SHOWN))
    return Look(plan, shown, expected=max(found.lines - plan.above - plan.header, len(shown)))


def rows(file: BinaryIO, plan: Plan) -> Iterator[tuple[int, Sequence[object]]]:
    """Return each row below the header with the number of its first line, from 1. Blank rows are left out.

    A row that cannot be read is a ``FaultyRow``. Raises ``UnreadableError`` if the file cannot be read on.
    """
    found = islice(delimited.records(file, plan), plan.above, None)
    header = next(found, (0, []))[1] if plan.header else None
    return (one for one in found if one[1] != header and any(map(_written, one[1])))


def _written(cell: object) -> bool:
    return bool(cell.strip() if isinstance(cell, str) else cell is not None)


def _sample(file: BinaryIO, plan: Plan) -> str:
    text = encodings.opened(file, plan.encoding)
    try:
        return text.read(delimited.SNIFFED)
    finally:
        text.detach()
