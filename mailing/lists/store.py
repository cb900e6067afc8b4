"""A campaign's list in the database: its recipients, stored in bulk, and what was remarked while reading it.

All functions take an open connection; those that write belong to the transaction of their caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Protocol

import orjson
from sqlalchemy import delete, func, select, tuple_

from mailing.addresses.findings import TEXT_MAX
from mailing.addresses.mailbox import domain_of
from mailing.core import reasons, tables
from mailing.core.clock import now_ms
from mailing.core.statements import run_many
from mailing.core.states import RecipientState
from mailing.core.tables import list_notes, recipients, surveys
from mailing.ledger import batches, counters
from mailing.lists import surveys as counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy import ColumnElement, Connection, Table

    from mailing.addresses.parsing import Entry, ParsedList
    from mailing.core.reasons import Words
    from mailing.lists.surveys import Survey


@dataclass(frozen=True, slots=True)
class ListNote:
    """A remark on one line of the pasted list. ``kind`` is refused, duplicate, noted or column.

    Of a column ``text`` is the header, and ``reason`` says what it became: email, name, or a merge field.
    """

    kind: str
    line: int
    text: str
    reason: Words
    number: int = 0  # its key, in the order in which they were found

    @property
    def cut(self) -> bool:
        """Whether the text was longer than what is kept of it."""
        return len(self.text) == TEXT_MAX and self.text.endswith("…")


@dataclass(frozen=True, slots=True)
class End:
    """Where a list ends: its last recipient's id, and the number of its last remark."""

    recipient: int = 0
    note: int = -1


NOTHING = End()


def size(parsed: ParsedList) -> int:
    """Return how many rows a list takes: its recipients and its remarks."""
    remarks = (parsed.refused, parsed.duplicates, parsed.noted, parsed.columns)
    return len(parsed.entries) + sum(map(len, remarks))


def store(connection: Connection, campaign_id: int, parsed: ParsedList, survey: Survey) -> None:
    """Store the recipients and the remarks of a list, and cut it into batches."""
    Storing(campaign_id, parsed, survey).go_on(connection, size(parsed))


_REMARK = (
    "INSERT INTO list_notes (campaign_id, number, kind, line, text, reason, reason_code) "
    "VALUES (?, ?, ?, ?, ?, ?, ?)"
)


class Pieces(Protocol):
    """A list that is stored piece by piece: how many rows are ``left``, and the next of them."""

    left: int

    def go_on(self, connection: Connection, rows: int) -> int:
        """Store up to about ``rows`` more; return how many recipients are among them."""


class Storing:
    """A list on its way into the database, piece by piece, each in a transaction of its own.

    It is stored behind the ``end`` of the list that is there. ``survey`` is that of both.
    """

    def __init__(self, campaign_id: int, parsed: ParsedList, survey: Survey, end: End = NOTHING) -> None:
        self._campaign_id, self._survey = campaign_id, survey
        self._entries, self._total = iter(parsed.entries), len(parsed.entries)
        self._batch, self._last_id = batches.size(self._total), end.recipient
        self._remarks = enumerate(_remarks(parsed), end.note + 1)
        self.left = size(parsed)  # rows that are not stored yet

    def go_on(self, connection: Connection, rows: int) -> int:
        """Store up to about ``rows`` more; return how many recipients are among them.

        The campaign's ledger moves along. A piece ends with a batch, unless it is the last one.
        """
        rows = -(-rows // self._batch) * self._batch
        entries = list(islice(self._entries, rows))
        if entries:
            store_them = _copy if connection.dialect.name == "postgresql" else _insert
            store_them(connection, _rows(self._campaign_id, entries))
            counters.add(connection, self._campaign_id, RecipientState.QUEUED, len(entries))
            self._last_id = batches.cut(connection, self._campaign_id, self._total, after=self._last_id)
        self.left -= len(entries) + self._remark(connection, rows - len(entries))
        if not self.left:
            counted.store(connection, self._campaign_id, self._survey)
        return len(entries)

    def _remark(self, connection: Connection, rows: int) -> int:
        noted: list[tuple[object, ...]] = [
            (self._campaign_id, number, kind, line, shown, str(reason), reasons.dump(reason))
            for number, (kind, line, shown, reason) in islice(self._remarks, rows)
        ]
        run_many(connection, _REMARK, noted)
        return len(noted)


def end(connection: Connection, campaign_id: int) -> End:
    """Return where a draft's list ends."""
    last = select(func.max(tables.batches.c.last_id)).where(tables.batches.c.campaign_id == campaign_id)
    note = select(func.max(list_notes.c.number)).where(list_notes.c.campaign_id == campaign_id)
    ids, numbers = connection.execute(last).scalar(), connection.execute(note).scalar()
    return End(ids or NOTHING.recipient, NOTHING.note if numbers is None else numbers)


def clear(connection: Connection, campaign_id: int, rows: int, behind: End = NOTHING) -> tuple[int, int]:
    """Remove up to ``rows`` of the list of a campaign that was not sent yet, ``behind`` that end.

    Returns how many rows went, and how many recipients were among them: none of either, then all are gone.
    """
    for table, *which in _parts(behind):
        key = table.primary_key.columns
        some = select(*key).where(table.c.campaign_id == campaign_id, *which).limit(rows)
        gone = connection.execute(delete(table).where(tuple_(*key).in_(some))).rowcount
        if gone:
            people = gone if table is recipients else 0
            counters.add(connection, campaign_id, RecipientState.QUEUED, -people)
            return gone, people
    return 0, 0


def _parts(behind: End) -> Iterator[tuple[Table, *tuple[ColumnElement[bool], ...]]]:
    """Yield the tables that hold a list, each with the conditions for its part behind an end."""
    if behind == NOTHING:
        yield from ((table,) for table in (surveys, tables.batches, recipients, list_notes))
        return
    yield tables.batches, tables.batches.c.first_id > behind.recipient
    # A draft's are all queued: with their state there is an index that leads past the others.
    yield recipients, recipients.c.state == RecipientState.QUEUED, recipients.c.id > behind.recipient
    yield list_notes, list_notes.c.number > behind.note


def notes(
    connection: Connection, campaign_id: int, kind: str, limit: int, *, after: int = NOTHING.note
) -> Sequence[ListNote]:
    """Return remarks of one kind on the list in the order of their numbers, those above ``after``."""
    wanted = (list_notes.c.campaign_id == campaign_id, list_notes.c.kind == kind, list_notes.c.number > after)
    statement = (
        select(
            *(list_notes.c.kind, list_notes.c.line, list_notes.c.text),
            *(list_notes.c.reason, list_notes.c.reason_code, list_notes.c.number),
        )
        .where(*wanted)
        .order_by(list_notes.c.number)
        .limit(limit)
    )
    rows = connection.execute(statement)
    return [ListNote(**reasons.in_row(row._asdict(), "reason")) for row in rows]


def forget(connection: Connection, campaign_id: int, numbers: Sequence[int]) -> None:
    """Remove remarks by their numbers."""
    gone = (list_notes.c.campaign_id == campaign_id, list_notes.c.number.in_(numbers))
    connection.execute(delete(list_notes).where(*gone))


_COLUMNS = "campaign_id, email, domain, name, fields, state, attempts, changed_at"


def _rows(campaign_id: int, entries: Iterable[Entry]) -> Iterator[tuple[object, ...]]:
    now, queued = now_ms(), RecipientState.QUEUED.value
    for entry in entries:
        fields = orjson.dumps(entry.fields).decode() if entry.fields else None
        email = entry.email
        yield campaign_id, email, domain_of(email), entry.name, fields, queued, 0, now


def _insert(connection: Connection, rows: Iterable[tuple[object, ...]]) -> None:
    statement = f"INSERT INTO recipients ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
    run_many(connection, statement, list(rows))


def _copy(connection: Connection, rows: Iterable[tuple[object, ...]]) -> None:
    """Store recipients by COPY: PostgreSQL takes them five times faster so."""
    driver = connection.connection.driver_connection
    assert driver is not None
    with driver.cursor() as cursor, cursor.copy(f"COPY recipients ({_COLUMNS}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def _remarks(parsed: ParsedList) -> Iterator[tuple[str, int, str, Words]]:
    return chain(
        (("refused", r.line, r.text, r.reason) for r in parsed.refused),
        (("duplicate", d.line, d.email, d.said) for d in parsed.duplicates),
        (("noted", n.line, n.email, n.note) for n in parsed.noted),
        (("column", c.line, c.header, c.field) for c in parsed.columns),
    )
