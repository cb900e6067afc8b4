"""Files that a page or a program takes away: as CSV or JSON, a line for each row.

Each chunk is read in a transaction of its own, so that memory stays flat and nobody who stops reading
holds one.
"""

from __future__ import annotations

import asyncio
import csv
import io
import time
from typing import TYPE_CHECKING, Any, TypeVar

import orjson
from quart import Response

from webapp.http.services import services
from webapp.ui import formats

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from sqlalchemy import Connection

    Row = TypeVar("Row")
    Place = TypeVar("Place")

REST = 1.0  # how long a download pauses after each chunk, as a part of the time that the chunk took
BOM = b"\xef\xbb\xbf"  # without it Excel reads the local code page
_KINDS = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl"}


def answer(
    name: str,
    form: str,
    head: bytes,
    chunk: Callable[[Connection, Place | None], tuple[Sequence[Row], Place | None]],
    write: Callable[[Sequence[Row]], bytes],
) -> Response:
    """Answer with a file; ``chunk`` reads rows behind a place, and says from where to go on."""
    svc = services()

    def read_and_write(connection: Connection, after: Place | None) -> tuple[bytes, Place | None]:
        rows, place = chunk(connection, after)
        return write(rows), place

    async def lines() -> AsyncIterator[bytes]:
        yield head
        place: Place | None = None
        while True:
            begun = time.monotonic()
            data, place = await svc.read(read_and_write, place)
            took_s = time.monotonic() - begun
            yield data
            if place is None:
                return
            await asyncio.sleep(REST * took_s)  # pages come first

    response = Response(
        lines(),
        headers={"Content-Type": _KINDS[form], "Content-Disposition": f'attachment; filename="{name}"'},
    )
    response.timeout = None
    return response


def csv_lines(rows: Any) -> bytes:
    """Return rows as lines of CSV, whose cells no spreadsheet takes for formulas."""
    text = io.StringIO()
    csv.writer(text).writerows([formats.safe_cell(str(cell)) for cell in row] for row in rows)
    return text.getvalue().encode()


def json_lines(rows: Any) -> bytes:
    """Return rows as lines of JSON."""
    return b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)
