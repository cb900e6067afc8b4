"""A person who wants to be forgotten leaves all campaigns: their counts stay, the address goes.

In place of the address stands a label, made of the keyed hash by which the person is never mailed again; who
is still queued under it is suppressed when a worker claims it (``suppression.claims``). An email that is
being sent at that moment is let end, and its recipient forgotten by the next sweep.

``erase`` then looks through all that quotes addresses without being a recipient's: reports, notes about
lists, the causes of a pause, the audit log. What people wrote themselves stays as they wrote it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import JSON, Text, and_, cast, delete, func, insert, select, update

from mailing.accounts.tables import audit, audit_redactions
from mailing.addresses.address_search import small
from mailing.bounces.tables import report_texts, reports
from mailing.contacts.tables import import_notes, imports
from mailing.core import tables as core
from mailing.core.clock import now_ms
from mailing.core.states import RecipientState
from mailing.core.tables import attempts, recipients, refusals
from mailing.ledger.tables import dialogues
from mailing.suppression import store, subjects
from mailing.suppression.tables import forgettings, suppressions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Table

    from mailing.core.database import Database

AT_ONCE = 200  # rows that one transaction changes, or whose text is read together
DUE_MOST = 20  # people whom one sweep forgets
_QUOTING: Mapping[Table, Sequence[str]] = {
    audit: ("details",),
    reports: ("diagnostic", "named", "sender", "subject"),
    import_notes: ("text", "reason", "reason_code", "suggestion"),
    imports: ("file_name", "reason", "reason_code"),
    suppressions: ("source",),
    refusals: ("reply",),
    core.list_notes: ("text", "reason", "reason_code"),
    core.reply_groups: ("sample", "reason_code"),
    core.campaigns: ("paused_reason", "reason_code"),
    core.rests: ("reason", "reason_code"),
    core.workers: ("notice", "reason_code"),
    core.answers: ("body",),
    core.decisions: ("choice",),
    core.surveys: ("shapes",),
}
"""What quotes addresses: replies, lines of lists, searches. No key of a row is among them."""


def label(key: str, email: str) -> str:
    """Return what stands in place of an address. The domain stays: campaigns count by it."""
    return subjects.label(key, email)


def forget(connection: Connection, key: str, email: str) -> int:
    """Take an address, its name and its merge fields out of all campaigns; return how many.

    It goes from the replies that quote it, and with the dialogues and reports that name it.
    """
    its = func.lower(recipients.c.email) == small(email)
    statement = select(recipients.c.id, recipients.c.email, recipients.c.state).where(its)
    found = connection.execute(statement.order_by(recipients.c.id).with_for_update()).all()
    for row in found:
        if row.state == RecipientState.SENDING:
            known = select(forgettings.c.recipient_id).where(forgettings.c.recipient_id == row.id)
            if connection.execute(known).first() is None:
                connection.execute(insert(forgettings).values(recipient_id=row.id))
        else:
            _scrub(connection, row.id, row.email, label(key, row.email))
    return len(found)


def go_on(database: Database) -> int:
    """Forget those who were being sent to when they were to be forgotten; return how many."""
    with database.read() as connection:
        due = (
            select(recipients.c.id, recipients.c.email)
            .join(forgettings, forgettings.c.recipient_id == recipients.c.id)
            .where(recipients.c.state != RecipientState.SENDING)
        )
        rows = connection.execute(due.limit(DUE_MOST)).all()
        key = store.forget_key(connection) if rows else None
    for row in rows if key else ():
        assert key is not None
        with database.write() as connection:
            forget(connection, key, row.email)
            sent = select(recipients.c.id).where(recipients.c.state == RecipientState.SENDING)
            over = forgettings.c.recipient_id == row.id, forgettings.c.recipient_id.not_in(sent)
            connection.execute(delete(forgettings).where(*over))
        erase(database, key, row.email)
    return len(rows)


def erase(database: Database, key: str, email: str) -> int:
    """Put the label in place of an address wherever it is quoted; return in how many rows.

    It is looked for beside the writers, as no index helps: only what was found is changed behind their lock.
    To repeat it changes nothing.
    """
    with database.read() as connection:
        quoting = [(table, keys) for table in _QUOTING for keys in _that_quote(connection, table, email)]
        raw = [*_raw_that_quote(connection, email)]
    for first in range(0, len(quoting), AT_ONCE):
        with database.write() as connection:
            for table, keys in quoting[first : first + AT_ONCE]:
                _relabel(connection, table, keys, email, label(key, email))
    for first in range(0, len(raw), AT_ONCE):
        with database.write() as connection:
            some = raw[first : first + AT_ONCE]
            connection.execute(delete(report_texts).where(report_texts.c.report_id.in_(some)))
    return len(quoting) + len(raw)


def _scrub(connection: Connection, recipient_id: int, email: str, instead: str) -> None:
    mine = recipients.c.id == recipient_id
    connection.execute(update(recipients).where(mine).values(email=instead, name="", fields=None))
    for table in (attempts, refusals):
        reply = func.replace(func.replace(table.c.reply, email, instead), small(email), instead)
        connection.execute(update(table).where(table.c.recipient_id == recipient_id).values(reply=reply))
    connection.execute(delete(dialogues).where(dialogues.c.recipient_id == recipient_id))
    about = select(reports.c.id).where(reports.c.recipient_id == recipient_id)
    connection.execute(delete(report_texts).where(report_texts.c.report_id.in_(about)))
    words = {"diagnostic": "", "named": "", "sender": "", "subject": ""}
    connection.execute(update(reports).where(reports.c.recipient_id == recipient_id).values(words))


def _that_quote(connection: Connection, table: Table, email: str) -> Iterator[tuple[Any, ...]]:
    """Yield the keys of the rows of a table that quote an address."""
    sought = small(email)
    parts = [
        func.lower(cast(table.c[name], Text)).contains(sought, autoescape=True) for name in _QUOTING[table]
    ]
    keys = table.primary_key.columns
    either = parts[0]
    for part in parts[1:]:
        either |= part
    yield from map(tuple, connection.execute(select(*keys).where(either)))


def _raw_that_quote(connection: Connection, email: str) -> Iterator[int]:
    """Yield the reports about nobody of ours that quote an address as it is written."""
    sought, after = small(email).encode(), 0
    texts = select(report_texts.c.report_id, report_texts.c.raw)
    texts = texts.join(reports, reports.c.id == report_texts.c.report_id).where(
        reports.c.recipient_id.is_(None)
    )
    while True:
        behind = texts.where(report_texts.c.report_id > after).order_by(report_texts.c.report_id)
        rows = connection.execute(behind.limit(AT_ONCE)).all()
        yield from (row.report_id for row in rows if sought in row.raw.lower())
        if len(rows) < AT_ONCE:
            return
        after = rows[-1].report_id


def _relabel(connection: Connection, table: Table, keys: Sequence[Any], email: str, instead: str) -> None:
    names = _QUOTING[table]
    mine = and_(*(column == key for column, key in zip(table.primary_key.columns, keys, strict=True)))
    row = connection.execute(select(*(table.c[name] for name in names)).where(mine)).first()
    if row is None:
        return
    address = re.compile(re.escape(email), re.IGNORECASE)
    values: dict[str, Any] = {}
    for name in names:
        old = getattr(row, name)
        if old is None:
            continue
        as_text = orjson.dumps(old).decode() if isinstance(table.c[name].type, JSON) else old
        new = address.sub(instead, as_text)
        if new != as_text:
            values[name] = orjson.loads(new) if as_text is not old else new
    if not values:
        return
    if table is audit:  # its rows are closed but for this, and it stays known of which
        known = select(audit_redactions.c.audit_id).where(audit_redactions.c.audit_id == keys[0])
        if connection.execute(known).first() is None:
            connection.execute(insert(audit_redactions).values(audit_id=keys[0], at=now_ms()))
    connection.execute(update(table).where(mine).values(values))
