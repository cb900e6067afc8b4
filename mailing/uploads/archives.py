"""ZIP archives of CSV files, as Mailchimp exports them: one table, each row led by its file's name."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, cast

from mailing.core.reasons import Reason
from mailing.uploads import delimited, encodings, guesses
from mailing.uploads.cells import FaultyRow, UnreadableError
from mailing.uploads.plans import FILE
from mailing.uploads.unpacking import UNPACKED_MAX, opened

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

    from mailing.uploads.plans import Plan

FILES_MAX = 100

_ENDINGS = (".csv", ".tsv", ".txt")

Record = tuple[int, "Sequence[object]"]


def headers(file: BinaryIO) -> tuple[list[str], int]:
    """Return the headers of all files in an archive, and about how many rows they have.

    Raises ``UnreadableError`` if none of them is a table.
    """
    found: dict[str, None] = {FILE: None}
    rows = 0
    with opened(file) as archive:
        for member in _tables(archive):
            with archive.open(member) as content:
                text = encodings.find(cast("BinaryIO", content))
                plan = delimited.look(cast("BinaryIO", content), text)
            found |= dict.fromkeys(_keys(plan))
            rows += text.lines - plan.above - plan.header
    if len(found) == 1:
        raise UnreadableError(Reason("upload.no-csv-inside"))
    if len(found) > guesses.COLUMNS_MAX:
        raise UnreadableError(Reason("upload.too-many-columns", n=len(found), most=guesses.COLUMNS_MAX))
    return list(found), rows


def records(file: BinaryIO, plan: Plan) -> Iterator[Record]:
    """Yield each row below the planned headers, with the number of its line within its own file."""
    places = {column.header: place for place, column in enumerate(plan.columns)}
    width = len(plan.columns)
    with opened(file) as archive:
        for member in _tables(archive):
            name = member.filename.rpartition("/")[2]
            with archive.open(member) as content:
                inner = delimited.look(cast("BinaryIO", content), encodings.find(cast("BinaryIO", content)))
                targets = [places.get(key, -1) for key in _keys(inner)]
                found = delimited.records(cast("BinaryIO", content), inner)
                for line, cells in islice(found, inner.above + inner.header, None):
                    if isinstance(cells, FaultyRow) or not any(cells):
                        yield line, cells
                        continue
                    row: list[object] = [name, *[""] * (width - 1)]
                    for at, cell in enumerate(cells):
                        target = targets[at] if at < len(targets) else -1
                        if target >= 0:
                            row[target] = cell
                        else:
                            row.append(cell)
                    yield line, row


def _tables(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Return the files that are read, in their order."""
    found = [
        member
        for member in archive.infolist()
        if member.filename.lower().endswith(_ENDINGS)
        and not member.filename.rpartition("/")[2].startswith((".", "_"))
        and not member.filename.startswith("__MACOSX/")
        and member.file_size
    ]
    if len(found) > FILES_MAX:
        raise UnreadableError(Reason("upload.too-many-files", most=FILES_MAX))
    if sum(member.file_size for member in found) > UNPACKED_MAX << 20:
        raise UnreadableError(Reason("upload.unpacks-too-large", most=UNPACKED_MAX))
    return found


def _keys(plan: Plan) -> list[str]:
    """Return the headers of one file; those that it lacks are counted."""
    return [column.header or f"column {place}" for place, column in enumerate(plan.columns, 1)]
