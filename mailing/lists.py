"""A campaign's list in the database: its recipients, stored in bulk, and what was remarked while reading it.

All functions take an open connection; those that write belong to the transaction of their caller.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING

import orjson
from sqlalchemy import delete, insert, select, tuple_

from mailing import batches, counters, models, shapes
from mailing.mailboxes import domain_of
from mailing.models import list_notes, now_ms, recipients, surveys
from mailing.shapes import Shapes
from mailing.states import RecipientState
from mailing.values import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from mailing.addresses import Entry, ParsedList


@dataclass(frozen=True, slots=True)
class ListNote:
    """A remark on one line of the pasted list. ``kind`` is refused, duplicate, noted or column.

    Of a column ``text`` is the header, and ``reason`` says what it became: email, name, or a merge field.
    """

    kind: str
    line: int
    text: str
    reason: str


_NO_REMARKS = {"refused": 0, "duplicate": 0, "noted": 0, "column": 0}


@dataclass(frozen=True, slots=True)
class Held:
    """What a list holds in sum: the shapes of its recipients, and how many remarks of each kind it has."""

    shapes: Shapes = field(default_factory=Shapes)
    remarks: Mapping[str, int] = field(default_factory=lambda: dict(_NO_REMARKS))

    @property
    def nameless(self) -> int:
        """How many recipients have no name."""
        return self.shapes.having("name", Kind.EMPTY)


def size(parsed: ParsedList) -> int:
    """Return how many rows a list takes: its recipients and its remarks."""
    remarks = (parsed.refused, parsed.duplicates, parsed.noted, parsed.columns)
    return len(parsed.entries) + sum(map(len, remarks))


def survey(parsed: ParsedList) -> Shapes:
    """Count what the recipients of a list have. Takes a second or two for 1,000,000 of them."""
    return shapes.survey((entry.email, entry.name, entry.fields) for entry in parsed.entries)


def store(connection: Connection, campaign_id: int, parsed: ParsedList, surveyed: Shapes) -> None:
    """Store the recipients and the remarks of a list, and cut it into batches."""
    Storing(campaign_id, parsed, surveyed).go_on(connection, size(parsed))


class Storing:
    """A list on its way into the database, piece by piece, each in a transaction of its own."""

    def __init__(self, campaign_id: int, parsed: ParsedList, surveyed: Shapes | None = None) -> None:
        self._campaign_id, self._entries = campaign_id, parsed.entries
        self._survey = {
            "shapes": shapes.dump(surveyed or survey(parsed)),
            "remarks": {
                "refused": len(parsed.refused),
                "duplicate": len(parsed.duplicates),
                "noted": len(parsed.noted),
                "column": len(parsed.columns),
            },
        }
        self._batch = batches.size(len(parsed.entries))
        self._stored = self._last_id = 0
        self._remarks = enumerate(_remarks(parsed))
        self.left = size(parsed)  # rows that are not stored yet

    def go_on(self, connection: Connection, rows: int) -> int:
        """Store up to about ``rows`` more; return how many recipients are among them.

        The campaign's ledger moves along. A piece ends with a batch, unless it is the last one.
        """
        rows = -(-rows // self._batch) * self._batch
        entries = self._entries[self._stored : self._stored + rows]
        if entries:
            store_them = _copy if connection.dialect.name == "postgresql" else _insert
            store_them(connection, self._campaign_id, entries)
            counters.add(connection, self._campaign_id, RecipientState.QUEUED, len(entries))
            total = len(self._entries)
            self._last_id = batches.cut(connection, self._campaign_id, total, after=self._last_id)
            self._stored += len(entries)
        self.left -= len(entries) + self._remark(connection, rows - len(entries))
        if not self.left and self._survey:
            connection.execute(insert(surveys).values(campaign_id=self._campaign_id, **self._survey))
            self._survey = {}
        return len(entries)

    def _remark(self, connection: Connection, rows: int) -> int:
        noted = [
            {
                "campaign_id": self._campaign_id,
                "number": number,
                "kind": kind,
                "line": line,
                "text": shown,
                "reason": reason,
            }
            for number, (kind, line, shown, reason) in islice(self._remarks, rows)
        ]
        if noted:
            connection.execute(insert(list_notes), noted)
        return len(noted)


def clear(connection: Connection, campaign_id: int, rows: int) -> tuple[int, int]:
    """Remove up to ``rows`` of the list of a campaign that was not sent yet.

    Returns how many rows went, and how many recipients were among them: none of either, then all are gone.
    """
    for table in (surveys, models.batches, recipients, list_notes):
        key = table.primary_key.columns
        some = select(*key).where(table.c.campaign_id == campaign_id).limit(rows)
        gone = connection.execute(delete(table).where(tuple_(*key).in_(some))).rowcount
        if gone:
            people = gone if table is recipients else 0
            counters.add(connection, campaign_id, RecipientState.QUEUED, -people)
            return gone, people
    return 0, 0


def notes(connection: Connection, campaign_id: int, held: Held, kind: str, limit: int) -> Sequence[ListNote]:
    """Return the first remarks of one kind on the list, in the order of its lines."""
    kinds = list(held.remarks)
    before = sum(held.remarks[other] for other in kinds[: kinds.index(kind)])
    statement = (
        select(list_notes.c.kind, list_notes.c.line, list_notes.c.text, list_notes.c.reason)
        .where(
            list_notes.c.campaign_id == campaign_id,
            list_notes.c.number >= before,
            list_notes.c.number < before + min(limit, held.remarks[kind]),
        )
        .order_by(list_notes.c.number)
    )
    return [ListNote(*row) for row in connection.execute(statement)]


def held(connection: Connection, campaign_id: int) -> Held:
    """Return what a list holds in sum; nothing while it is not complete."""
    statement = select(surveys.c.shapes, surveys.c.remarks).where(surveys.c.campaign_id == campaign_id)
    row = connection.execute(statement).one_or_none()
    return Held(shapes.load(row.shapes), _NO_REMARKS | row.remarks) if row else Held()


def _insert(connection: Connection, campaign_id: int, entries: Sequence[Entry]) -> None:
    rows = [
        {
            "campaign_id": campaign_id,
            "email": entry.email,
            "domain": domain_of(entry.email),
            "name": entry.name,
            "fields": entry.fields,
        }
        for entry in entries
    ]
    connection.execute(insert(recipients), rows)


def _copy(connection: Connection, campaign_id: int, entries: Sequence[Entry]) -> None:
    """Store recipients by COPY: PostgreSQL takes them five times faster so."""
    now = now_ms()
    driver = connection.connection.driver_connection
    assert driver is not None
    columns = "campaign_id, email, domain, name, fields, state, attempts, changed_at"
    with driver.cursor() as cursor, cursor.copy(f"COPY recipients ({columns}) FROM STDIN") as copy:
        for entry in entries:
            fields = orjson.dumps(entry.fields).decode() if entry.fields else None
            email, domain = entry.email, domain_of(entry.email)
            copy.write_row((campaign_id, email, domain, entry.name, fields, _QUEUED, 0, now))


_QUEUED = RecipientState.QUEUED.value


def _remarks(parsed: ParsedList) -> Iterator[tuple[str, int, str, str]]:
    return chain(
        (("refused", r.line, r.text, str(r.reason)) for r in parsed.refused),
        (("duplicate", d.line, d.email, str(d.said)) for d in parsed.duplicates),
        (("noted", n.line, n.email, str(n.note)) for n in parsed.noted),
        (("column", c.line, c.header, c.field) for c in parsed.columns),
    )
