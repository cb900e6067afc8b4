"""A campaign's list in the database: its recipients, stored in bulk, and what was remarked while reading it.

All functions take an open connection; those that write belong to the transaction of their caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson
from sqlalchemy import delete, func, insert, select

from mailing import batches, ledger, models
from mailing.mailboxes import domain_of
from mailing.models import list_notes, now_ms, recipients
from mailing.states import RecipientState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection

    from mailing.addresses import Entry, ParsedList

CHUNK = 5_000


@dataclass(frozen=True, slots=True)
class ListNote:
    """A remark on one line of the pasted list. ``kind`` is refused, duplicate or noted."""

    kind: str
    line: int
    text: str
    reason: str


def store(connection: Connection, campaign_id: int, parsed: ParsedList) -> None:
    """Store the recipients and the remarks of a list, and cut it into batches."""
    if connection.dialect.name == "postgresql":
        _copy(connection, campaign_id, parsed.entries)
    else:
        _insert(connection, campaign_id, parsed.entries)
    _remark(connection, campaign_id, parsed)
    total = len(parsed.entries)
    ledger.tally(connection, campaign_id, 0, {RecipientState.QUEUED: total})
    batches.cut(connection, campaign_id, total)


def clear(connection: Connection, campaign_id: int) -> None:
    """Remove the list of a campaign that was not sent yet."""
    for table in (recipients, models.batches, list_notes, models.tallies):
        connection.execute(delete(table).where(table.c.campaign_id == campaign_id))


def notes(connection: Connection, campaign_id: int, kind: str, limit: int) -> Sequence[ListNote]:
    """Return the first remarks of one kind on the pasted list, in the order of its lines."""
    statement = (
        select(list_notes.c.kind, list_notes.c.line, list_notes.c.text, list_notes.c.reason)
        .where(list_notes.c.campaign_id == campaign_id, list_notes.c.kind == kind)
        .order_by(list_notes.c.number)
        .limit(limit)
    )
    return [ListNote(*row) for row in connection.execute(statement)]


def note_counts(connection: Connection, campaign_id: int) -> dict[str, int]:
    """Return how many remarks of each kind the list has: refused, duplicate, noted."""
    statement = (
        select(list_notes.c.kind, func.count())
        .where(list_notes.c.campaign_id == campaign_id)
        .group_by(list_notes.c.kind)
    )
    found = {kind: int(n) for kind, n in connection.execute(statement)}
    return {"refused": 0, "duplicate": 0, "noted": 0} | found


def nameless(connection: Connection, campaign_id: int) -> int:
    """Return how many recipients have no name."""
    statement = select(func.count()).where(recipients.c.campaign_id == campaign_id, recipients.c.name == "")
    return int(connection.execute(statement).scalar_one())


def _insert(connection: Connection, campaign_id: int, entries: Sequence[Entry]) -> None:
    for chunk in _chunks(entries):
        rows = [
            {
                "campaign_id": campaign_id,
                "email": entry.email,
                "domain": domain_of(entry.email),
                "name": entry.name,
                "fields": entry.fields,
            }
            for entry in chunk
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


def _remark(connection: Connection, campaign_id: int, parsed: ParsedList) -> None:
    remarks = [
        *(("refused", r.line, r.text, r.reason) for r in parsed.refused),
        *(("duplicate", d.line, d.email, f"same as line {d.of_line}") for d in parsed.duplicates),
        *(("noted", n.line, n.email, n.note) for n in parsed.noted),
    ]
    rows = [
        {
            "campaign_id": campaign_id,
            "number": number,
            "kind": kind,
            "line": line,
            "text": shown,
            "reason": reason,
        }
        for number, (kind, line, shown, reason) in enumerate(remarks)
    ]
    if rows:
        connection.execute(insert(list_notes), rows)


def _chunks(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    return (entries[start : start + CHUNK] for start in range(0, len(entries), CHUNK))
