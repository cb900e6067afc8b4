"""Suppressions are kept, found and lifted; a person is forgotten.

All functions take an open connection; those that write belong to the transaction of their caller.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, or_, select, update

from mailing.addresses import address_search
from mailing.core.clock import now_ms
from mailing.core.statements import run_many
from mailing.core.tables import installation
from mailing.suppression import subjects
from mailing.suppression.tables import SuppressionReason
from mailing.suppression.tables import suppressions as table

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from sqlalchemy import ColumnElement, Connection, Select

CHUNK = 1_000  # rows of one statement's values
_UPSERT = (
    "INSERT INTO suppressions (subject, scope, reason, source, created_at, expires_at) "
    "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (subject, scope, reason) DO UPDATE SET expires_at = "
    "CASE WHEN suppressions.expires_at IS NULL OR excluded.expires_at IS NULL THEN NULL "
    "WHEN suppressions.expires_at > excluded.expires_at THEN suppressions.expires_at "
    "ELSE excluded.expires_at END"
)
_LAST = "\U0010ffff"  # no text goes on with a later character


@dataclass(frozen=True, slots=True)
class Entry:
    """Who must not be mailed, until when (ms since 1970; None: until it is lifted), and who says so.

    ``scope`` is a topic as ``purposes.scope`` writes it, or empty for everything.
    """

    subject: str
    reason: SuppressionReason
    source: str = ""
    expires_at: int | None = None
    scope: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What no two suppressions have in common."""
        return self.subject, self.scope, self.reason


@dataclass(frozen=True, slots=True)
class Suppression:
    """A suppression that is kept. Times in ms since 1970."""

    id: int
    subject: str
    scope: str
    reason: SuppressionReason
    source: str
    created_at: int
    expires_at: int | None

    @property
    def forgotten(self) -> bool:
        """Whether its person was forgotten: nobody knows the address any more."""
        return self.subject.startswith(subjects.FORGOTTEN)

    @property
    def report_id(self) -> int | None:
        """The report of a bounce or a complaint that brought it about (``bounces.following``)."""
        of, _, number = self.source.partition(" ")
        return int(number) if of == "report" and number.isascii() and number.isdigit() else None


def keep(connection: Connection, entries: Iterable[Entry]) -> int:
    """Keep suppressions; return how many are new.

    One that is there already for the same reason stays as it is, but lasts as long as the longer of both.
    """
    new = 0
    for chunk in _chunks(entries):
        new += len(chunk) - len(known_of(connection, chunk))
        _keep(connection, chunk, now_ms())
    return new


def put(connection: Connection, entries: Iterable[Entry]) -> None:
    """Keep suppressions, as ``keep`` does, without finding out how many are new."""
    for chunk in _chunks(entries):
        _keep(connection, chunk, now_ms())


def _chunks(entries: Iterable[Entry]) -> Iterator[Collection[Entry]]:
    chunk: dict[tuple[str, str, str], Entry] = {}
    for entry in entries:
        there = chunk.get(entry.key)
        chunk[entry.key] = there if there and _lasts_longer(there, entry) else entry
        if len(chunk) == CHUNK:
            yield chunk.values()
            chunk = {}
    if chunk:
        yield chunk.values()


def known_of(connection: Connection, entries: Collection[Entry]) -> set[tuple[str, str, str]]:
    """Return the keys of those that are there already."""
    keys = table.c.subject, table.c.scope, table.c.reason
    found = connection.execute(select(*keys).where(table.c.subject.in_({it.subject for it in entries})))
    return {tuple(row) for row in found} & {it.key for it in entries}


def _lasts_longer(one: Entry, other: Entry) -> bool:
    return one.expires_at is None or (other.expires_at is not None and one.expires_at >= other.expires_at)


def _keep(connection: Connection, entries: Collection[Entry], now: int) -> None:
    rows: list[tuple[object, ...]] = [
        (it.subject, it.scope, it.reason.value, it.source, now, it.expires_at)
        for it in sorted(entries, key=lambda it: it.key)  # one order: no two writers deadlock
    ]
    run_many(connection, _UPSERT, rows)


def lift(connection: Connection, suppression_id: int) -> bool:
    """Lift a suppression; return whether it was there."""
    return bool(connection.execute(delete(table).where(table.c.id == suppression_id)).rowcount)


def there(connection: Connection, subject: str) -> bool:
    """Whether a subject is suppressed, for everything and now."""
    whole = table.c.subject == subject, table.c.scope == "", holds(now_ms())
    return connection.execute(select(table.c.id).where(*whole).limit(1)).first() is not None


def forget(connection: Connection, email: str) -> None:
    """Forget a person: no more than a keyed hash of the address is left, until somebody lifts it."""
    connection.execute(delete(table).where(table.c.subject == subjects.of(email)[0]))
    key = forget_key(connection)
    if key is None:
        own = update(installation).where(installation.c.forget_key.is_(None))
        connection.execute(own.values(forget_key=secrets.token_hex(32)))
        key = connection.execute(select(installation.c.forget_key)).scalar_one()
    keep(connection, [Entry(subjects.forgotten(key, email), SuppressionReason.MANUAL)])


def forget_key(connection: Connection) -> str | None:
    """Return the key of the hashes that are left of people; None if nobody was forgotten."""
    key: str | None = connection.execute(select(installation.c.forget_key)).scalar_one()
    return key


def expire(connection: Connection, most: int) -> int:
    """Remove up to ``most`` suppressions that have expired; return how many that were."""
    over = select(table.c.id).where(table.c.expires_at <= now_ms()).order_by(table.c.id).limit(most)
    return connection.execute(delete(table).where(table.c.id.in_(over))).rowcount


def get(connection: Connection, suppression_id: int) -> Suppression | None:
    """Return a suppression; None if it is not there."""
    return next(iter(_read(connection, select(table).where(table.c.id == suppression_id))), None)


def why(connection: Connection, email: str) -> Sequence[Suppression]:
    """Return what keeps an address from being mailed now, the latest first."""
    covers = table.c.subject.in_(subjects.of(email, forget_key(connection))), holds(now_ms())
    return _read(connection, select(table).where(*covers).order_by(table.c.id.desc()))


def find(
    connection: Connection,
    q: str = "",
    reason: SuppressionReason | None = None,
    *,
    before: int | None = None,
    limit: int = 50,
) -> Sequence[Suppression]:
    """Return suppressions, the latest first; ``before`` an id. ``address_search`` says what ``q`` means."""
    statement = select(table).where(*_matches(q))
    if reason is not None:
        statement = statement.where(table.c.reason == reason)
    if before is not None:
        statement = statement.where(table.c.id < before)
    return _read(connection, statement.order_by(table.c.id.desc()).limit(limit))


def count(connection: Connection, q: str = "", reason: SuppressionReason | None = None) -> int:
    """Return how many ``find`` would find."""
    statement = select(func.count()).select_from(table).where(*_matches(q))
    if reason is not None:
        statement = statement.where(table.c.reason == reason)
    return int(connection.execute(statement).scalar_one())


def counts(connection: Connection) -> dict[SuppressionReason, int]:
    """Return how many there are for each reason, zeros included."""
    found = connection.execute(select(table.c.reason, func.count()).group_by(table.c.reason)).all()
    by_reason = dict.fromkeys(SuppressionReason, 0)
    by_reason.update({SuppressionReason(row[0]): int(row[1]) for row in found})
    return by_reason


def holds(now: int) -> ColumnElement[bool]:
    """Return the condition that a suppression has not expired."""
    return or_(table.c.expires_at.is_(None), table.c.expires_at > now)


def _matches(q: str) -> Sequence[ColumnElement[bool]]:
    search = address_search.read(q)
    if search.domain:
        return (table.c.subject.endswith(f"@{search.domain}", autoescape=True),)
    return (table.c.subject >= search.start, table.c.subject < search.start + _LAST) if search.start else ()


def _read(connection: Connection, statement: Select[Any]) -> Sequence[Suppression]:
    rows = (row._asdict() for row in connection.execute(statement))
    return [Suppression(**{**row, "reason": SuppressionReason(row["reason"])}) for row in rows]
