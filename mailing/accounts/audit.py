"""The audit log: who did what to what, from where.

Written with the change that it tells of; never changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

from mailing.accounts.tables import audit as table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Select

    from mailing.core.actors import Actor

AT_ONCE = 500  # rows read at a time for an export


@dataclass(frozen=True, slots=True)
class Entry:
    """One row. ``subject`` is like ``campaign:12``, empty where there is none. Time in ms since 1970."""

    id: int
    at: int
    actor_kind: str
    actor_id: int | None
    actor_name: str
    address: str
    action: str
    subject: str
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which rows are asked for: by how the actor's name begins, by action, subject and time. Empty: all."""

    actor: str = ""
    action: str = ""
    subject: str = ""
    since: int | None = None
    until: int | None = None


def record(connection: Connection, actor: Actor, action: str, subject: str = "", **details: Any) -> None:
    """Write down what is being done in this transaction."""
    record_all(connection, [(actor, action, subject, details)])


def record_all(connection: Connection, told: Sequence[tuple[Actor, str, str, Mapping[str, Any]]]) -> None:
    """Write down several at once: who, the action, the subject and the details of each."""
    if told:
        connection.execute(insert(table), [_row(*it) for it in told])


def _row(actor: Actor, action: str, subject: str, details: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "actor_kind": actor.kind,
        "actor_id": actor.id,
        "actor_name": actor.name,
        "address": actor.address,
        "action": action,
        "subject": subject,
        "details": details,
    }


def page(
    connection: Connection, asked: Asked, *, before: int | None = None, limit: int = 50
) -> Sequence[Entry]:
    """Return the newest rows that match, or those before row ``before``."""
    statement = _select(asked)
    if before:
        statement = statement.where(table.c.id < before)
    return [Entry(*row) for row in connection.execute(statement.order_by(table.c.id.desc()).limit(limit))]


def export(connection: Connection, asked: Asked, after: int | None) -> tuple[Sequence[Entry], int | None]:
    """Return the matching rows after row ``after``, the oldest first, and the row to continue after."""
    statement = _select(asked).where(table.c.id > (after or 0)).order_by(table.c.id).limit(AT_ONCE)
    rows = [Entry(*row) for row in connection.execute(statement)]
    return rows, rows[-1].id if len(rows) == AT_ONCE else None


def _select(asked: Asked) -> Select[Any]:
    statement = select(*table.c)
    if asked.actor:
        statement = statement.where(table.c.actor_name.startswith(asked.actor, autoescape=True))
    if asked.action:
        statement = statement.where(table.c.action == asked.action)
    if asked.subject:
        statement = statement.where(table.c.subject == asked.subject)
    if asked.since is not None:
        statement = statement.where(table.c.at >= asked.since)
    if asked.until is not None:
        statement = statement.where(table.c.at < asked.until)
    return statement
