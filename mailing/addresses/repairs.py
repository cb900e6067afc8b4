"""Skipped lines that a person has changed: which of them stay as they are, and which are read again.

Pure. A person fixes them in a box with a line for each, and sends the box back. A line that was left alone
stays skipped with its number and its reason, one that was deleted is forgotten, and what was changed or
written beside them is read as the list was: by its columns, if it has any.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailing.addresses import columns, tables
from mailing.addresses.columns import Columns
from mailing.addresses.findings import Findings, Full, ParsedList
from mailing.addresses.freetext import read_text_line
from mailing.addresses.mailbox import clean
from mailing.addresses.rows import read_table_row
from mailing.addresses.tables import Row

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Skipped:
    """A line that was skipped: its key, its number in the list, and its text."""

    key: int
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Repair:
    """The keys of the skipped lines to forget, and what to read instead, each with its number."""

    gone: Sequence[int]
    changed: Sequence[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Plan:
    """What the ``width`` columns of a list are."""

    columns: Columns
    width: int


def compare(skipped: Sequence[Skipped], box: str) -> Repair:
    """Compare the skipped lines with what the box that held them holds now.

    A changed line has the number of the one in whose place it is.
    """
    given = [line.strip() for line in box.replace("\r", "\n").split("\n") if line.strip()]
    waiting: dict[str, deque[int]] = {}
    for place, one in enumerate(skipped):
        waiting.setdefault(one_line(one.text), deque()).append(place)
    stays = [alike.popleft() if (alike := waiting.get(one_line(line))) else None for line in given]
    kept, at = set(stays), -1
    changed: list[tuple[int, str]] = []
    for line, stayed in zip(given, stays, strict=True):
        if stayed is not None:
            at = stayed
            continue
        if at + 1 < len(skipped) and at + 1 not in kept:
            at += 1
        changed.append((skipped[max(at, 0)].line if skipped else 1, line))
    return Repair([one.key for place, one in enumerate(skipped) if place not in kept], changed)


def one_line(text: str) -> str:
    """Return how a skipped line is written in the box."""
    return " ".join(text.split())


def read(changed: Sequence[tuple[int, str]], plan: Plan | None) -> ParsedList:
    """Read changed lines, as rows where the list has columns: with commas, or tabs, between the cells."""
    found = Findings()
    with suppress(Full):
        for line, text in changed:
            if plan:
                row = next(tables.cut(text, "\t" if "\t" in text else ","))
                read_table_row(found, Row(line, row.cells), plan.columns, plan.width, header=True)
            else:
                read_text_line(found, line, clean(text))
    return found.listed()


def plan(headers: Sequence[tuple[str, str]]) -> Plan | None:
    """Return what the columns of a list are, by the header of each and what that became, in their order.

    None unless they are those of one table.
    """
    fields = [field for _header, field in headers]
    if fields.count("email") != 1 or len(fields) == 1:
        return None
    email = fields.index("email")
    full = fields.index("name") if "name" in fields else None
    assigned = columns.assign([header for header, _field in headers], email)
    others = tuple((place, field) for place, field in enumerate(fields) if place not in (email, full))
    return Plan(Columns(email, full, assigned.parts if assigned else (), others), len(fields))
