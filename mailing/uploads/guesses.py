"""What the first rows of a table tell: where its header is, and what each of its columns is. Pure.

Headers are read in English and Vietnamese, and in what else ``addresses.columns`` knows. Where they tell
nothing, the cells below them do.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mailing.addresses import columns
from mailing.addresses.tables import Row, headers_for, hits
from mailing.core.reasons import Reason
from mailing.uploads.cells import UnreadableError
from mailing.uploads.plans import PlannedColumn, Role, named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailing.uploads.plans import Plan

ROWS = 200  # of a file are looked at
COLUMNS_MAX = 1_000
_HEADER_WITHIN = 5  # rows: a title or two may stand above it
_HEADER_MAX = 200  # characters of a header that are kept


def of_table(plan: Plan, rows: Sequence[Sequence[str]], header: bool | None) -> Plan:  # noqa: FBT001
    """Return the plan with the columns that these first rows have. ``header`` is None where it is not known.

    Raises ``UnreadableError`` if nothing is written in them, or if they are too wide.
    """
    filled = [(at, [cell.strip() for cell in row]) for at, row in enumerate(rows) if any(map(str.strip, row))]
    if not filled:
        raise UnreadableError(Reason("upload.no-rows"))
    place = None if header is False else _header([row for _at, row in filled], sure=header is True)
    data = [row for _at, row in filled[0 if place is None else place + 1 :]]
    above = filled[0 if place is None else place][0]
    heads = [] if place is None else filled[place][1]
    width = _width(heads) if heads else 0
    often = sorted(map(_width, data), reverse=True)
    if often:  # most rows may be wider than their header; a few are so by mistake
        width = max(width, often[len(often) // 2] if heads else often[0])
    if width > COLUMNS_MAX:
        raise UnreadableError(Reason("upload.too-many-columns", n=width, most=COLUMNS_MAX))
    heads = [*heads, *[""] * width][:width]
    return of_headers(replace(plan, above=above, header=place is not None), heads, data)


def of_headers(plan: Plan, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> Plan:
    """Return the plan with the columns of these headers, each empty where there is none."""
    found = hits([Row(0, row) for row in rows])
    known = [place for place, header in enumerate(headers) if header and columns.means_email(header)]
    email = max(known or range(len(headers)), key=lambda place: found[place])
    if not found[email] and (not known or found):  # what is called so may hold something else
        email = max(range(len(headers)), key=lambda place: found[place]) if found else -1
    meant = headers if any(headers) else headers_for(email, [Row(0, row) for row in rows])
    assigned = columns.assign(meant, email)
    assert assigned is not None
    roles = [Role.FIELD] * len(headers)
    if email >= 0:
        roles[email] = Role.EMAIL
    if assigned.full is not None:
        roles[assigned.full] = Role.NAME
    for place, part in zip(assigned.parts, assigned.spoken, strict=True):
        roles[place] = Role(part)
    planned = tuple(
        PlannedColumn(header[:_HEADER_MAX], role) for header, role in zip(headers, roles, strict=True)
    )
    family_first = assigned.spoken[:1] == (columns.LAST,)
    return named(replace(plan, columns=planned, family_first=family_first), roles)


def _header(rows: Sequence[Sequence[str]], *, sure: bool) -> int | None:
    """Return which of the filled rows is the header, if one is. It is ``sure`` where a person says so."""
    first = next((at for at, row in enumerate(rows) if any("@" in cell for cell in row)), len(rows))
    may = range(min(first, _HEADER_WITHIN, len(rows)))
    if not may:
        return 0 if sure else None
    if (known := next((at for at in may if any(map(columns.means_email, rows[at]))), None)) is not None:
        return known
    widest = max(may, key=lambda at: sum(map(bool, rows[at])))
    found = hits([Row(0, row) for row in rows[first:]])
    if sure or not found:
        return widest
    email = found.most_common(1)[0][0]
    head = rows[widest][email] if email < len(rows[widest]) else ""
    return widest if head and not head[0].isdigit() else None


def _width(row: Sequence[str]) -> int:
    """Return how many cells a row has up to the last that is not empty."""
    return next((at for at in range(len(row), 0, -1) if row[at - 1]), 0)
