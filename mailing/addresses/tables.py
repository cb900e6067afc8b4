"""A pasted table: which sign parts its cells, where its header is, and its rows.

Pure. A text is a table if a header names a column of addresses, or if nearly every line that has cells has
one address, always in the same column. Cells may stand in quotation marks, with separators and line breaks
in them (RFC 4180).
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailing.addresses import columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mailing.addresses.columns import Columns

SEPARATORS = "\t;|,"
CELL_MAX = 100_000  # characters within quotation marks: more means that a mark was not closed

_SAMPLE = 40_000  # characters, and
_SAMPLE_ROWS = 50
_HEADER_WITHIN = 5  # rows: a title or two may stand above it
_MOSTLY = 0.8
_NAME_WORDS = 6
_ADDRESS = re.compile(r"\s*[<'\"]?[\w.+'~%!#$*?^/=-]+@[^\s@<>,;|:&\"]+\.[^\s@<>,;|:&\".]+[>'\"]?\s*")
_NAME_LIKE = re.compile(r"[^\W\d_](?:[^\W\d_]|['’\"().,&/ -])*")  # noqa: RUF001
_DOMAIN_LIKE = re.compile(r"\w\.\w{2}|\bat\b", re.IGNORECASE)
_RULE = re.compile(r"[\s|+:=\u2500-\u257f-]*")
_WIDE_AT = "\uff20"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table. ``line`` is that of its first cell, from 1."""

    line: int
    cells: Sequence[str]

    @property
    def blank(self) -> bool:
        """Whether nothing is written in it, or only a ruled line."""
        return all(_RULE.fullmatch(cell) for cell in self.cells)


@dataclass(frozen=True, slots=True)
class Table:
    """How to read a text as a table. ``header`` is None where the first row is data already."""

    separator: str
    columns: Columns
    header: Row | None
    headers: Sequence[str]


def find(text: str) -> Table | None:
    """Return how ``text``, with LF at the end of each line, is to be read as a table; None if it is none."""
    sample = text[:_SAMPLE]
    whole = len(text) <= _SAMPLE
    found: list[tuple[int, Table]] = []
    for separator in SEPARATORS:
        if separator in sample:
            rows = [row for row in cut(sample, separator, _SAMPLE_ROWS) if not row.blank]
            if table := _with_header(separator, rows) or _without(separator, rows if whole else rows[:-1]):
                found.append((len(table.headers), table))
    return max(found, key=lambda one: (one[1].header is not None, one[0]))[1] if found else None


def cut(text: str, separator: str, most: int | None = None) -> Iterator[Row]:
    """Cut ``text`` into rows, ``most`` at most. Whatever the text, this costs no more than its length."""
    stop = re.compile(f"[{re.escape(separator)}\n]")
    quoted = re.compile(rf'[ ]*"((?:[^"]++|"")*+)"[ ]*(?=[{re.escape(separator)}\n]|\Z)')
    at, line, end = 0, 1, len(text)
    given = 0
    while at < end and given != most:
        ending = text.find("\n", at)
        ending = end if ending < 0 else ending
        plain = text[at:ending]
        if '"' not in plain:
            yield Row(line, _trim(plain.split(separator), separator))
            at, line = ending + 1, line + 1
        else:
            row, cells = line, []
            while True:
                if (cell := quoted.match(text, at)) and len(cell[1]) <= CELL_MAX:
                    cells.append(cell[1].replace('""', '"'))
                    line += cell[1].count("\n")
                    at = cell.end()
                else:
                    halt = stop.search(text, at)
                    cells.append(text[at : halt.start() if halt else end])
                    at = halt.start() if halt else end
                ended = at >= end or text[at] == "\n"
                at += 1
                if ended:
                    break
            line += 1
            yield Row(row, _trim(cells, separator))
        given += 1


def written(cells: Sequence[str]) -> str:
    """Return a row as one line, which ``cut`` takes apart at its commas; one cell alone as it is."""
    shown = [" ".join(cell.split()) for cell in cells]
    while len(shown) > 1 and not shown[-1]:
        shown.pop()
    return ", ".join(map(_quoted, shown)) if len(shown) > 1 else "".join(shown)


def _quoted(cell: str) -> str:
    doubled = cell.replace('"', '""')
    return f'"{doubled}"' if "," in cell or '"' in cell else cell


def _trim(cells: list[str], separator: str) -> list[str]:
    """Take off the outer rules of a table in Markdown: ``| a | b |``."""
    if separator == "|" and len(cells) > 2 and not (cells[0].strip() or cells[-1].strip()):  # noqa: PLR2004
        return cells[1:-1]
    return cells


def _with_header(separator: str, rows: Sequence[Row]) -> Table | None:
    for at, row in enumerate(rows[:_HEADER_WITHIN]):
        if any("@" in cell for cell in row.cells):
            return None
        headers = [cell.strip() for cell in row.cells]
        known = [place for place, header in enumerate(headers) if columns.means_email(header)]
        if known and len(headers) > 1:
            found = hits(rows[at + 1 :])
            email = max(known, key=lambda place: found[place])
            within = [place for place in found if place < len(headers)]
            if within and not found[email]:  # what is called so holds something else
                email = max(within, key=lambda place: found[place])
            if assigned := columns.assign(headers, email):
                return Table(separator, assigned, row, headers)
    return None


def _without(separator: str, rows: Sequence[Row]) -> Table | None:
    """Find the columns by what stands in them; a first row without any address is their header."""
    fitting = [row for row in rows if len(row.cells) > 1]
    found = hits(fitting)
    if not found:
        return None
    email, fits = found.most_common(1)[0]
    several = any(sum(bool(_ADDRESS.fullmatch(cell)) for cell in row.cells) > 1 for row in fitting)
    header = rows[0] if not any("@" in cell for cell in rows[0].cells) else None
    data = [row for row in fitting if row is not header]
    if several or fits < _MOSTLY * len(data) or (header and not _heads(header, email, data)):
        return None
    if len(data) == 1 and not header and not _names_one(data[0].cells, email):
        return None
    if header:
        headers: Sequence[str] = [cell.strip() for cell in header.cells]
    else:
        headers = headers_for(email, data)
    assigned = columns.assign(headers, email)
    assert assigned is not None
    return Table(separator, assigned, header, headers)


def hits(rows: Sequence[Row]) -> Counter[int]:
    """Count by column how many cells hold one address and nothing else."""
    return Counter(
        place for row in rows for place, cell in enumerate(row.cells) if _ADDRESS.fullmatch(cell[:400])
    )


def _heads(header: Row, email: int, data: Sequence[Row]) -> bool:
    """Tell whether a first row without address stands above the others: as wide, and with words."""
    cells = header.cells
    return len(cells) == len(data[0].cells) and bool(cells[email].strip()) and not cells[email][0].isdigit()


def _names_one(cells: Sequence[str], email: int) -> bool:
    """Tell whether the one row beside its address has a name: no word that may be a mistyped address."""
    others = [cell.strip() for place, cell in enumerate(cells) if place != email and cell.strip()]
    return any(_like_a_name(cell) and (" " in cell or not cell.islower()) for cell in others) and not any(
        _DOMAIN_LIKE.search(cell) for cell in others
    )


def headers_for(email: int, data: Sequence[Row]) -> Sequence[str]:
    """Name the column of addresses and the first one that holds names; the others stay without."""
    width = max(len(row.cells) for row in data)
    headers = [""] * width
    headers[email] = "email"
    for place in range(width):
        given = [row.cells[place].strip() for row in data if place < len(row.cells)]
        given = [cell for cell in given if cell]
        if place != email and given and sum(map(_like_a_name, given)) >= _MOSTLY * len(given):
            headers[place] = "name"
            break
    return headers


def _like_a_name(cell: str) -> bool:
    return bool(_NAME_LIKE.fullmatch(cell[:200])) and len(cell.split()) <= _NAME_WORDS and len(cell) < 200  # noqa: PLR2004
