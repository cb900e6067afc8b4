"""Workbooks: XLSX, XLS and ODS. Cells hold values only; a formula is what it last gave."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import python_calamine as calamine

from mailing.core.reasons import Reason, UnfitError
from mailing.uploads import unpacking
from mailing.uploads.cells import UnreadableError
from mailing.uploads.plans import Format

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

    from mailing.uploads.plans import Plan

SHEETS_MAX = 100
_LOOKED_AT = 20  # sheets

Record: TypeAlias = tuple[int, "Sequence[object]"]


class First(NamedTuple):
    """What is known of a workbook at first: the sheets that a person sees, and the one that is read."""

    sheets: tuple[str, ...]
    sheet: str
    height: int  # rows, those that are blank above the first too
    records: Sequence[Record]


def look(file: BinaryIO, kind: Format, wanted: str | None, most: int) -> First:
    """Return the sheet that is wanted, else the first with an address, else the first with anything in it.

    ``most`` is the number of rows that are given of it. Raises ``UnfitError`` if there is none of that name,
    and ``UnreadableError``.
    """
    with _opened(file, kind) as book:
        names = _seen(book)
        if wanted is not None and wanted not in names:
            raise UnfitError(Reason("upload.no-such-sheet", sheet=f"{wanted:.80}"))
        filled = First(names, "", 0, [])
        for name in names[:_LOOKED_AT] if wanted is None else [wanted]:
            sheet = book.get_sheet_by_name(name)
            first = list(islice(enumerate(sheet.iter_rows(), 1), most))
            found = First(names, name, (sheet.start or (0, 0))[0] + sheet.height, first)
            if any("@" in cell for _line, row in first for cell in row if isinstance(cell, str)):
                return found
            filled = filled if filled.records else found
        return filled


def records(file: BinaryIO, plan: Plan) -> Iterator[Record]:
    """Yield each row of the planned sheet with its number, from 1: headers and blank rows too."""
    with _opened(file, plan.format) as book:
        if plan.sheet not in _seen(book):
            raise UnreadableError(Reason("upload.no-rows"))
        sheet = book.get_sheet_by_name(plan.sheet)
        yield from enumerate(sheet.iter_rows(), 1)


def _seen(book: calamine.CalamineWorkbook) -> tuple[str, ...]:
    hidden = {
        sheet.name for sheet in book.sheets_metadata if sheet.visible != calamine.SheetVisibleEnum.Visible
    }
    kept = [name for name in book.sheet_names if name not in hidden] or book.sheet_names
    return tuple(kept[:SHEETS_MAX])


@contextmanager
def _opened(file: BinaryIO, kind: Format) -> Iterator[calamine.CalamineWorkbook]:
    if kind is not Format.XLS:
        unpacking.check_workbook(file)
    file.seek(0)
    try:
        with calamine.CalamineWorkbook.from_filelike(file) as book:
            yield book
    except calamine.PasswordError as error:
        raise UnreadableError(Reason("upload.password")) from error
    except calamine.CalamineError as error:
        raise UnreadableError(Reason("upload.damaged")) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # what Rust gives up with; it has no other name
            raise
        raise UnreadableError(Reason("upload.damaged")) from error
