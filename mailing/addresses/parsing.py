"""What people paste, or a program posts, becomes clean recipients. What cannot be used says why.

Pure: text in, records out. This room finds out what kind of text it has. ``freetext`` takes lines apart,
``tables`` and ``records`` find rows, ``rows`` reads them, ``mailboxes`` judges each address, and ``findings``
merges what came twice. Nothing is lost in silence: whatever is not blank becomes an entry, a duplicate or
a refusal.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

import orjson

from mailing.addresses import columns, records, tables
from mailing.addresses.findings import (
    TEXT_MAX,
    Column,
    Duplicate,
    Entry,
    Fields,
    Findings,
    Full,
    Note,
    ParsedList,
    Refusal,
)
from mailing.addresses.freetext import read_text_line
from mailing.addresses.mailbox import clean
from mailing.addresses.rows import read_record, read_rows, read_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "TEXT_MAX",
    "Column",
    "Duplicate",
    "Entry",
    "Fields",
    "Note",
    "ParsedList",
    "Refusal",
    "parse_pasted",
    "parse_rows",
]

_JSON = re.compile(r"\s*(?:\[\s*[\[{\"]|\{\s*\")")


def parse_pasted(text: str) -> ParsedList:
    """Read a pasted list: a table, an address book, JSON, or addresses and names in free text.

    Takes any text and raises nothing. Domains come back in lower case and as A-labels (RFC 5890), local
    parts exactly as written, names in Unicode's composed form (NFC).
    """
    found = Findings()
    with suppress(Full):
        text = text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")
        if rows := _json_rows(text):
            read_rows(found, rows)
        elif table := tables.find(text):
            read_table(found, table, tables.cut(text, table.separator))
        else:
            _read_text(found, text)
    return found.listed()


def parse_rows(rows: Sequence[object]) -> ParsedList:
    """Read rows with ``email``, perhaps ``name``, and merge fields; ``line`` is the row's number from 1.

    A row may also be one address as text. The keys are read as the headers of a table are. A value is a
    string of at most ``VALUE_MAX`` bytes (``values``), a number or true or false, and keeps its type;
    ``None`` means absent. A row that breaks these rules is refused.
    """
    found = Findings()
    with suppress(Full):
        read_rows(found, enumerate(rows, 1))
    return found.listed()


def _read_text(found: Findings, text: str) -> None:
    lines = clean(text).split("\n")
    if records.may_be_in(text):
        cards, lines = records.take(lines)
        for card in cards:
            read_record(found, card)
    header = next((number for number, line in enumerate(lines) if line.strip()), 0)
    if columns.means_email(lines[header].strip()):  # a table of one column
        found.columns["email"] = Column(header + 1, lines[header].strip(), "email")
        lines[header] = ""
    for number, line in enumerate(lines, 1):
        read_text_line(found, number, line)


def _json_rows(text: str) -> Iterable[tuple[int, object]]:
    """Return the rows of a JSON array, of one object, or of lines of objects; none if it is no JSON."""
    if not _JSON.match(text):
        return ()
    try:
        given = orjson.loads(text)
    except (orjson.JSONDecodeError, RecursionError):
        return _json_lines(text)
    if isinstance(given, dict):
        lists = [value for value in given.values() if isinstance(value, list)]
        wrapped = len(lists) == 1 and not any(map(columns.means_email, given))  # {"subscribers": [...]}
        given = lists[0] if wrapped else [given]
    return enumerate(given, 1)


def _json_lines(text: str) -> Iterable[tuple[int, object]]:
    rows: list[tuple[int, object]] = []
    for number, line in enumerate(text.split("\n"), 1):
        bare = line.strip().removesuffix(",")
        if not bare:
            continue
        try:
            rows.append((number, orjson.loads(bare)))
        except (orjson.JSONDecodeError, RecursionError):
            if not rows:
                return ()
            rows.append((number, line))  # read as text: it says itself what is wrong with it
    return rows
