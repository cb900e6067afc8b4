"""Rows of text whose cells a sign parts: CSV (RFC 4180), TSV, and their many relatives.

A quotation mark that is never closed swallows what follows. Such a line is a faulty row, and the lines
behind it are read again.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from mailing.addresses.findings import TEXT_MAX, Findings
from mailing.addresses.freetext import read_line
from mailing.addresses.mailbox import Domains, clean
from mailing.addresses.tables import SEPARATORS, Row, hits
from mailing.core.reasons import Reason, UnfitError
from mailing.uploads import encodings, guesses
from mailing.uploads.cells import FaultyRow
from mailing.uploads.cells import text as shown
from mailing.uploads.plans import Format, Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import BinaryIO

LINE_MAX = 4_000_000  # characters of one line
_AGAIN_MAX = 50_000_000  # characters that are read again in one file, whatever its quotation marks
_NO_SIGN = "\x1f"  # stands for no delimiter: ASCII's unit separator, which no list holds
_PARTS_OF_CELLS = frozenset('"@\r\n\0')
_SNIFFED_ROWS = 100
_SNIFFED = 200_000  # characters
_MOSTLY = 0.5

Record = tuple[int, "Sequence[object]"]


def look(
    file: BinaryIO,
    found: encodings.Text,
    delimiter: str | None = None,
    header: bool | None = None,  # noqa: FBT001
) -> Plan:
    """Return how a file is read. A ``delimiter`` and ``header`` that are None are guessed.

    Raises ``UnreadableError`` if it holds no rows, and ``UnfitError`` if the delimiter can be none.
    """
    plan = Plan(format=Format.CSV, encoding=found.encoding)
    if delimiter is None:
        text = encodings.opened(file, found.encoding)
        try:
            delimiter = sniff(text.read(_SNIFFED))
        finally:
            text.detach()
    elif len(delimiter) > 1 or delimiter.isalnum() or delimiter in _PARTS_OF_CELLS:
        raise UnfitError(Reason("upload.unfit-delimiter", sign=f"{delimiter:.10}"))
    plan = replace(plan, delimiter=delimiter)
    first = [list(map(shown, row)) for _line, row in islice(records(file, plan), guesses.ROWS)]
    return guesses.of_table(plan, first, header)


def records(file: BinaryIO, plan: Plan) -> Iterator[Record]:
    """Yield each row with the number of its first line, from 1: headers and blank rows too.

    Where nothing parts the cells of a line, several addresses in it are a row each.
    """
    text = encodings.opened(file, plan.encoding)
    try:
        found = _records(_Lines(text.readline), plan.delimiter or _NO_SIGN)
        yield from found if plan.delimiter else _apart(found)
    finally:
        text.detach()


class _Lines:
    """The lines of a text. Those of the record that is being read can be given back."""

    def __init__(self, read: Callable[[int], str]) -> None:
        self._read, self._back, self._size = read, list[str](), 0
        self._budget = _AGAIN_MAX
        self.record: list[str] = []
        self.ended = self.cut = False

    def __iter__(self) -> Iterator[str]:
        self.ended = self.cut = False
        read, keep = self._read, self.record.append
        while True:
            line = self._back.pop() if self._back else read(LINE_MAX)
            if not line:
                self.ended = True
                return
            self._size = self._size + len(line) if self.record else len(line)
            keep(line)
            if len(line) == LINE_MAX:
                self._skip()
                self.cut = True
                return
            if self._size > LINE_MAX:  # each cell may be short, and still no mark the last
                self.ended = True
                return
            yield line

    def give_back(self) -> int:
        """Let all lines of the record but the first be read again. Returns how many are done with."""
        rest = self.record[1:]
        self._budget -= sum(map(len, rest))
        if self._budget < 0:
            return len(self.record)
        self._back += reversed(rest)
        return 1

    def _skip(self) -> None:
        while (rest := self._read(LINE_MAX)) and not rest.endswith(("\n", "\r")):
            pass


def _records(lines: _Lines, delimiter: str) -> Iterator[Record]:
    line, record = 1, lines.record
    whole = delimiter == _NO_SIGN
    while True:
        try:
            for cells in csv.reader(
                lines, delimiter=delimiter, quoting=csv.QUOTE_NONE if whole else csv.QUOTE_MINIMAL
            ):
                if lines.ended or lines.cut:  # within quotation marks
                    break
                yield line, cells
                line += len(record)
                record.clear()
        except csv.Error:  # a cell is longer than its module takes
            pass
        if not record:
            return
        long = lines.cut or (len(record) == 1 and not lines.ended)
        done = len(record) if long else lines.give_back()
        if done > 1:
            reason = Reason("row.unread-lines", n=done)
        else:
            reason = Reason("row.line-too-long" if long else "row.open-quotation-mark")
        yield line, FaultyRow(record[0][: 2 * TEXT_MAX], reason)
        line += done
        record.clear()


def _apart(found: Iterator[Record]) -> Iterator[Record]:
    """Yield the rows, those with several addresses taken apart as pasted text is."""
    domains = Domains()
    for line, cells in found:
        if isinstance(cells, FaultyRow) or not cells:
            yield line, cells
            continue
        said = clean(" ".join(shown(cells[0]).split()))
        if said.count("@") < 2:  # noqa: PLR2004
            quoted = said.count('"') == 2 and said[0] == said[-1] == '"'  # noqa: PLR2004
            yield line, [said[1:-1]] if quoted else cells
            continue
        inner = Findings(domains)
        read_line(inner, line, said)
        for entry in inner.entries:
            yield line, [f"{entry.name} <{entry.email}>" if entry.name else entry.email]
        for refusal in inner.refused:
            yield line, FaultyRow(refusal.text, refusal.reason)


def sniff(text: str) -> str:
    """Return the sign that parts the cells of a sample; empty if each line is one cell."""
    if text[:4].lower() == "sep=" and text[5:6] in {"\r", "\n"}:  # as Excel is told
        return text[4]
    best, delimiter = (False, 0.0, 0), ""
    for sign in SEPARATORS:
        rows = [row for row in _sample(text, sign) if any(row)]
        widths = Counter(len(row) for row in rows if len(row) > 1)
        if not widths:
            continue
        width, often = widths.most_common(1)[0]
        found = hits([Row(0, row) for row in rows if len(row) > 1])
        fits = bool(found) and max(found.values()) > _MOSTLY * len(rows)
        best, delimiter = max((best, delimiter), ((fits, round(often / len(rows), 1), width), sign))
    whole = hits([Row(0, row) for row in _sample(text, _NO_SIGN) if row])
    return delimiter if best[0] or not whole else ""


def _sample(text: str, sign: str) -> list[list[str]]:
    lines = _Lines(io.StringIO(text, newline="").readline)
    return [list(map(shown, cells)) for _line, cells in islice(_records(lines, sign), _SNIFFED_ROWS)]
