"""JSON: lines of it, each an object, or one document with a list of objects somewhere in it.

The keys are headers, the values cells. Lines are read one by one, a document as a whole.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import orjson

from mailing.addresses.columns import means_email
from mailing.addresses.findings import TEXT_MAX
from mailing.core.reasons import Reason
from mailing.uploads import encodings
from mailing.uploads.cells import FaultyRow, UnreadableError
from mailing.uploads.delimited import LINE_MAX
from mailing.uploads.guesses import COLUMNS_MAX, ROWS
from mailing.uploads.plans import Format

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import BinaryIO

    from mailing.uploads.plans import Plan

DOCUMENT_MAX = 64  # MB
_DEPTH = 3  # of objects around the list, as in {"data": {"results": [...]}}

Record = tuple[int, "Sequence[object]"]


def headers(file: BinaryIO, plan: Plan) -> list[str]:
    """Return the keys of the first objects, in their order. Raises ``UnreadableError`` if there are none."""
    first = islice(_objects(file, plan), ROWS)
    keys = dict.fromkeys(key for _number, found in first if isinstance(found, dict) for key in found)
    if not keys:
        raise UnreadableError(Reason("upload.json-no-rows"))
    if len(keys) > COLUMNS_MAX:
        raise UnreadableError(Reason("upload.too-many-columns", n=len(keys), most=COLUMNS_MAX))
    return list(keys)


def records(file: BinaryIO, plan: Plan) -> Iterator[Record]:
    """Yield the values of each object below the planned headers, with its number, from 1.

    What stands under other keys comes behind them, as ``key: value``.
    """
    planned = [column.header for column in plan.columns]
    known = frozenset(planned)
    for number, found in _objects(file, plan):
        if isinstance(found, FaultyRow):
            yield number, found
            continue
        cells = [found.get(header, "") for header in planned]
        if not found.keys() <= known:
            cells += [f"{key}: {value}" for key, value in found.items() if key not in known and value]
        yield number, cells


def _objects(file: BinaryIO, plan: Plan) -> Iterator[tuple[int, Mapping[str, object] | FaultyRow]]:
    for number, found in _lines(file, plan) if plan.format is Format.JSONL else _listed(file, plan):
        if isinstance(found, dict | FaultyRow):
            yield number, found
        elif isinstance(found, str):  # an address alone
            yield number, {"email": found}
        else:
            yield number, FaultyRow(f"{found!s:.{2 * TEXT_MAX}}", Reason("row.no-object"))


def _lines(file: BinaryIO, plan: Plan) -> Iterator[tuple[int, object]]:
    text, number = encodings.opened(file, plan.encoding), 0
    try:
        while line := text.readline(LINE_MAX):
            number += 1
            if len(line) == LINE_MAX:
                while (rest := text.readline(LINE_MAX)) and not rest.endswith(("\n", "\r")):
                    pass
                yield number, FaultyRow(line[: 2 * TEXT_MAX], Reason("row.line-too-long"))
            elif bare := line.strip().removesuffix(","):
                try:
                    found = orjson.loads(bare)
                except orjson.JSONDecodeError:
                    found = FaultyRow(bare[: 2 * TEXT_MAX], Reason("row.no-json"))
                yield number, found
    finally:
        text.detach()


def _listed(file: BinaryIO, plan: Plan) -> Iterator[tuple[int, object]]:
    text = encodings.opened(file, plan.encoding)
    try:
        most = DOCUMENT_MAX << 20
        whole = text.read(most + 1)
    finally:
        text.detach()
    if len(whole) > most:
        raise UnreadableError(Reason("upload.json-too-large", most=DOCUMENT_MAX))
    try:
        document = orjson.loads(whole)
    except orjson.JSONDecodeError as error:
        raise UnreadableError(Reason("upload.json-invalid")) from error
    return enumerate(_rows(document, _DEPTH) or (), 1)


def _rows(document: object, depth: int) -> Sequence[object]:
    """Return the list in a document: itself, or the longest that it holds, of objects rather than others."""
    if isinstance(document, list):
        return document
    if not isinstance(document, dict) or not depth:
        return ()
    if any(map(means_email, document)):
        return [document]
    return max((_rows(value, depth - 1) for value in document.values()), key=_weight, default=())


def _weight(rows: Sequence[object]) -> tuple[bool, int]:
    return bool(rows) and isinstance(rows[0], dict), len(rows)
