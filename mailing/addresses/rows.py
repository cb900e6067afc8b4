"""Rows become recipients: those of a pasted table, of an address book, and of a program.

Pure. ``columns`` says which of a row's values is the address, which the name, and what the others are
called.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mailing.addresses import columns, tables
from mailing.addresses.columns import Columns
from mailing.addresses.findings import Column, Findings
from mailing.addresses.freetext import read_line, read_text_line
from mailing.addresses.mailbox import WIDE_AT, clean, judge, read_name, read_plain
from mailing.core.reasons import Reason, UnfitError
from mailing.messages.values import VALUE_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mailing.addresses.findings import Fields
    from mailing.addresses.records import Record
    from mailing.addresses.tables import Row, Table

PLANS_MAX = 1_000  # kinds of rows in one list whose keys are remembered

_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_NUMBERS = range(-(2**63), 2**63)  # what every database and JSON parser keeps exactly


def read_table(found: Findings, table: Table, rows: Iterable[Row]) -> None:
    """Take the rows of a table. What fits no column is read as free text."""
    plan, header, width = table.columns, table.header, len(table.headers)
    headers = table.headers if header else [f"column_{place}" for place in range(1, width + 1)]
    _show_columns(found, header.line if header else 1, headers, plan)
    for row in rows:
        if row.blank or (header and (row.line <= header.line or row.cells == header.cells)):
            continue
        read_table_row(found, row, plan, width, header=bool(header))


def read_table_row(found: Findings, row: Row, plan: Columns, width: int, *, header: bool) -> None:
    """Take one row of a table of ``width`` columns, with a ``header`` or without."""
    cells = row.cells
    if len(cells) > width and plan.full is not None:
        cells = rejoined(cells, plan.email, plan.full, len(cells) - width)
    cell = cells[plan.email].strip() if plan.email < len(cells) else ""
    if "@" not in cell and WIDE_AT not in cell and (len(cells) == 1 or not header):
        read_text_line(found, row.line, clean(", ".join(filter(None, map(str.strip, row.cells)))))
        return
    fields = {
        name: cells[place].strip()
        for place, name in plan.fields
        if place < len(cells) and cells[place].strip()
    }
    _take_row(found, (row.line, cells), cell, plan.name(cells), fields)


def rejoined(cells: Sequence[str], email: int, full: int, more: int) -> Sequence[str]:
    """Return a row that is too long, its name in one cell again if commas in it made several."""
    shifted = email + more
    if full < email and shifted < len(cells) and "@" in cells[shifted] and "@" not in cells[email]:
        name = ", ".join(cell.strip() for cell in cells[full : full + more + 1])
        return [*cells[:full], name, *cells[full + more + 1 :]]
    return cells


def read_record(found: Findings, record: Record) -> None:
    """Take the person of an address book."""
    cell = "; ".join(record.emails)
    _take_row(found, (record.line, [cell or record.name]), cell, record.name, record.fields)


def _take_row(found: Findings, at: tuple[int, Sequence[str]], cell: str, called: str, fields: Fields) -> None:
    """Take a row as people write it, ``at`` its line and cells. Of several addresses the first counts."""
    line, cells = at
    if not cell:
        found.refuse(line, tables.written(cells), Reason("row.no-address"))
        return
    more: list[str] = []
    if plain := read_plain(cell):
        email, name = plain
    else:
        inner = Findings(found.domains)
        read_line(inner, line, clean(cell))
        if not inner.entries:
            reason = inner.refused[0].reason if inner.refused else Reason("row.no-address")
            found.refuse(line, tables.written(cells), reason)
            return
        email, name = inner.entries[0].email, inner.entries[0].name
        more = [entry.email for entry in inner.entries[1:]]
    try:
        name = read_name(called) or name
        for key, value in fields.items():
            check_value(key, value)
    except UnfitError as fault:
        found.refuse(line, tables.written(cells), fault.reason)
        return
    if more:
        found.note(line, email, Reason("note.more-addresses", who=tuple(more[:5])))
    found.take(line, email, "" if name.lower() == email.lower() else name, fields or None)


def read_rows(found: Findings, rows: Iterable[tuple[int, object]]) -> None:
    """Take the rows of a program, each with its number. ``addresses.parse_rows`` says what they may hold."""
    plans: dict[tuple[object, ...], Columns | Reason] = {}
    for number, row in rows:
        if isinstance(row, str):
            _read_text_row(found, number, row)
            continue
        try:
            email, name, fields = _read_row(found, number, row, plans)
        except UnfitError as fault:
            given = row.get("email") if isinstance(row, Mapping) else row
            found.refuse(number, given if isinstance(given, str) else ascii(given), fault.reason)
        else:
            found.take(number, email, name, fields)


def _read_text_row(found: Findings, number: int, text: str) -> None:
    """Read a row that is one address as text, perhaps with its name."""
    if plain := read_plain(text.strip()):
        found.add(number, *plain)
        return
    inner = Findings(found.domains)
    read_line(inner, number, clean(" ".join(text.split())))
    if len(inner.entries) == 1 and not inner.refused:
        found.take(number, inner.entries[0].email, inner.entries[0].name)
    elif inner.refused:
        found.refuse(number, text, inner.refused[0].reason)
    else:
        found.refuse(number, text, Reason("row.several-addresses" if inner.entries else "row.empty"))


def _read_row(
    found: Findings, number: int, row: object, plans: dict[tuple[object, ...], Columns | Reason]
) -> tuple[str, str, Fields | None]:
    """Return email, name and merge fields of one row. Raises ``UnfitError``."""
    if not isinstance(row, Mapping):
        raise UnfitError(Reason("row.no-object"))
    keys = tuple(row)
    plan = plans.get(keys)
    if plan is None:
        plan = _plan(keys)
        if len(plans) < PLANS_MAX:
            plans[keys] = plan
            if isinstance(plan, Columns):
                _show_columns(found, number, keys, plan, changed=True)
    if isinstance(plan, Reason):
        raise UnfitError(plan)
    values = list(row.values())
    email = values[plan.email]
    if not isinstance(email, str):
        raise UnfitError(Reason("row.no-email"))
    if plan.full is not None and not isinstance(values[plan.full], str | None):
        raise UnfitError(Reason("name.no-string"))
    name = plan.name([value if isinstance(value, str) else "" for value in values])
    if _UNFIT.search(name):
        raise UnfitError(Reason("name.control-character"))
    address = judge(clean(email), found.domains)
    fields = {key: values[place] for place, key in plan.fields if values[place] is not None}
    for key, value in fields.items():
        check_value(key, value)
    return address, read_name(name), fields or None


def _plan(keys: tuple[object, ...]) -> Columns | Reason:
    """Say what the keys of a row are, or what is wrong with them."""
    texts = [key for key in keys if isinstance(key, str)]
    if len(texts) < len(keys):
        wrong = next(key for key in keys if not isinstance(key, str))
        return Reason("field.invalid-name", field=f"{wrong!a:.80}")
    exact = texts.index("email") if "email" in texts else None
    return columns.assign(texts, exact, keep=True) or Reason("row.no-email")


def check_value(key: str, value: object) -> None:
    """Refuse a merge field's value that cannot be kept. Raises ``UnfitError``."""
    if isinstance(value, str):
        if _UNSTORABLE.search(value):
            code = "field.unstorable"
        else:
            too_long = len(value) > VALUE_MAX or len(value.encode()) > VALUE_MAX
            code = "field.too-long" if too_long else ""
    elif not isinstance(value, int | float):
        code = "field.wrong-type"
    else:
        countless = (isinstance(value, int) and value not in _NUMBERS) or not math.isfinite(value)
        code = "field.too-many-digits" if countless else ""
    if code:
        raise UnfitError(Reason(code, field=f"{key:.80}"))


def _show_columns(
    found: Findings, line: int, headers: Sequence[str], plan: Columns, *, changed: bool = False
) -> None:
    """Keep what became of each column, or only of those that are called otherwise now."""
    named = {plan.email: "email", **({} if plan.full is None else {plan.full: "name"}), **dict(plan.fields)}
    for place, field in sorted(named.items()):
        header = headers[place] or f"column_{place + 1}"
        if not (changed and header in {field, field.capitalize()}):
            found.columns.setdefault(f"{place} {header}", Column(line, header, field))
