"""Address books as vCard files: one person after the other, photographs left out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mailing.addresses import records as books
from mailing.uploads import encodings
from mailing.uploads.plans import PlannedColumn, Role

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

    from mailing.uploads.plans import Plan

_LINE_MAX = 10_000  # characters
_LINES_MAX = 500  # of one card that are of use
_WANTED = re.compile(r"(?:[\w-]{1,40}\.)?(?:BEGIN|END|N|FN|EMAIL|NICKNAME|ORG|TITLE)[;:]", re.IGNORECASE)
_FIELDS = ("org", "title", "nickname")

COLUMNS = (
    PlannedColumn("EMAIL", Role.EMAIL),
    PlannedColumn("FN", Role.NAME),
    *(PlannedColumn(field.upper(), Role.FIELD, field) for field in _FIELDS),
)

Record = tuple[int, "Sequence[object]"]


def records(file: BinaryIO, plan: Plan) -> Iterator[Record]:
    """Yield the cells of each card, with the number of its first line, from 1."""
    for number, lines in _cards(file, plan):
        found, _rest = books.take(lines)
        for person in found:
            said = [person.fields.get(field, "") for field in _FIELDS]
            yield number, ["; ".join(person.emails), person.name, *said]


def _cards(file: BinaryIO, plan: Plan) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines of each card that are of use."""
    text, number, start = encodings.opened(file, plan.encoding), 0, 0
    card: list[str] = []
    wanted = False
    try:
        while line := text.readline(_LINE_MAX):
            number += 1
            line = line.rstrip("\r\n")
            soft = bool(card) and card[-1].endswith("=")  # quoted-printable goes on in the next line
            if line[:1] not in {" ", "\t"} and not (wanted and soft):
                wanted = bool(_WANTED.match(line))
            if not wanted:
                continue
            if line[:6].upper() == "BEGIN:":
                if card:
                    yield start, card
                card, start = [], number
            if len(card) < _LINES_MAX:
                card.append(line)
        if card:
            yield start, card
    finally:
        text.detach()
