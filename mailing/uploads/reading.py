"""An uploaded file, read: first a look at how it is made, then all of its rows.

Both take a seekable binary file and leave it open. What the file holds is nothing to rely on: whatever it
is, reading ends, in bounded memory, with rows or an ``UnreadableError``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from mailing.core.reasons import Reason
from mailing.uploads import archives, delimited, encodings, exports, guesses, jsons, kinds, vcards, workbooks
from mailing.uploads.cells import FaultyRow, UnreadableError, text
from mailing.uploads.plans import Format, Plan, PlannedColumn, Role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import BinaryIO

__all__ = ["Choice", "FaultyRow", "Look", "UnreadableError", "look", "rows"]

SHOWN = 20  # rows

Record: TypeAlias = tuple[int, "Sequence[object]"]


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


def look(file: BinaryIO, name: str, choice: Choice | None = None) -> Look:
    """Find out how a file is made. ``name`` is what its owner calls it.

    Raises ``UnreadableError`` if it is no list, and ``UnfitError`` if the choice does not fit it.
    """
    kind = kinds.of(file)
    draft = _draft(file, kind, choice or Choice())
    shown = [tuple(map(text, cells)) for _line, cells in _below(draft.plan, iter(draft.records))]
    plan = exports.recognised(draft.plan, name, shown)
    notes = [*exports.remarks(plan)]
    if kinds.misnamed(name, kind):
        notes.append(Reason("upload.misnamed", name=f"{name:.100}", kind=kinds.said(kind)))
    if not shown:
        notes.append(Reason("upload.only-header"))
    return Look(plan, tuple(shown[:SHOWN]), draft.sheets, draft.expected if shown else 0, tuple(notes))


def rows(file: BinaryIO, plan: Plan) -> Iterator[Record]:
    """Return each row below the header with the number of its first line, from 1. Blank rows are left out.

    A row that cannot be read is a ``FaultyRow``. Raises ``UnreadableError`` if the file cannot be read on.
    """
    return _below(plan, _RECORDS[plan.format](file, plan))


def _below(plan: Plan, records: Iterator[Record]) -> Iterator[Record]:
    """Return the records below the header of a plan that are not blank."""
    header: Sequence[object] | None = None
    if plan.format in _TABLES:
        records = islice(records, plan.above, None)
        header = next(records, (0, []))[1] if plan.header else None
    return (one for one in records if one[1] != header and any(map(_written, one[1])))


class _Draft(NamedTuple):
    """What is known of a file before its columns are looked at as an export of some program."""

    plan: Plan
    records: Sequence[Record]  # the first, headers and blank ones too
    expected: int | None
    sheets: tuple[str, ...] = ()


def _draft(file: BinaryIO, kind: Format, choice: Choice) -> _Draft:
    if kind in _WORKBOOKS:
        first = workbooks.look(file, kind, choice.sheet, guesses.ROWS)
        plan = Plan(format=kind, sheet=first.sheet)
        plan = guesses.of_table(plan, [list(map(text, row)) for _line, row in first.records], choice.header)
        return _Draft(plan, first.records, max(first.height - plan.above - plan.header, 0), first.sheets)
    if kind is Format.ZIP:
        headers, count = archives.headers(file)
        return _keyed(file, Plan(format=kind), headers, count)
    found = encodings.find(file)
    if choice.encoding:
        found = replace(found, encoding=encodings.checked(choice.encoding))
    if kind is Format.CSV:
        plan = delimited.look(file, found, choice.delimiter, choice.header)
        records = list(islice(delimited.records(file, plan), guesses.ROWS))
        return _Draft(plan, records, max(found.lines - plan.above - plan.header, 1))
    plan = Plan(format=kind, encoding=found.encoding)
    if kind is Format.VCARD:
        plan = replace(plan, columns=vcards.COLUMNS)
        return _Draft(plan, list(islice(vcards.records(file, plan), guesses.ROWS)), None)
    return _keyed(file, plan, jsons.headers(file, plan), found.lines if kind is Format.JSONL else None)


def _keyed(file: BinaryIO, plan: Plan, headers: Sequence[str], expected: int | None) -> _Draft:
    """Return the draft of a file whose rows come by their headers."""
    named = replace(plan, columns=tuple(PlannedColumn(header, Role.SKIP) for header in headers))
    first = list(islice(_RECORDS[plan.format](file, named), guesses.ROWS))
    cells = [list(map(text, row)) for _line, row in first]
    return _Draft(guesses.of_headers(plan, headers, cells), first, expected)


def _written(cell: object) -> bool:
    return bool(cell.strip()) if isinstance(cell, str) else cell is not None


_WORKBOOKS = frozenset((Format.XLSX, Format.XLS, Format.ODS))
_TABLES = _WORKBOOKS | {Format.CSV}  # their headers are a row among the others
_RECORDS: Mapping[Format, Callable[[BinaryIO, Plan], Iterator[Record]]] = {
    Format.CSV: delimited.records,
    Format.JSON: jsons.records,
    Format.JSONL: jsons.records,
    Format.VCARD: vcards.records,
    Format.ZIP: archives.records,
    **dict.fromkeys(_WORKBOOKS, workbooks.records),
}
