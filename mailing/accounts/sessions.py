"""Sessions: who is signed in where, and until when. A cookie holds the token, the row its hash."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from mailing.accounts import tokens
from mailing.accounts.roles import Role
from mailing.accounts.tables import sessions as table
from mailing.accounts.tables import users
from mailing.core.clock import now_ms

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import ColumnElement, Connection, Select

IDLE_MS = 24 * 3600 * 1000  # a session ends after this long without use
LONGEST_MS = 30 * 24 * 3600 * 1000  # and after this long in any case
CONFIRMED_MS = 15 * 60 * 1000  # how long a confirmation lasts
LONGEST_AGENT = 300  # characters that are kept
_TOUCH_MS = 60 * 1000
_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Session:
    """A valid session and its user. Times in ms since 1970."""

    id: int
    user_id: int
    email: str
    role: Role
    created_at: int
    seen_at: int
    confirmed_at: int
    address: str
    agent: str


def begin(connection: Connection, user_id: int, address: str, agent: str) -> tuple[int, str]:
    """Begin a session; return its id and the token for the cookie."""
    token = tokens.make()
    values = {
        "token_hash": tokens.digest(token),
        "user_id": user_id,
        "address": address,
        "agent": agent[:LONGEST_AGENT],
    }
    return connection.execute(insert(table).values(values).returning(table.c.id)).scalar_one(), token


def find(connection: Connection, token: str) -> Session | None:
    """Return the session of a token, if it is valid now."""
    return _one(connection, table.c.token_hash == tokens.digest(token))


def listed(connection: Connection, user_id: int) -> Sequence[Session]:
    """Return somebody's sessions, the one that was used last first."""
    found = _select().where(table.c.user_id == user_id).order_by(table.c.seen_at.desc()).limit(_SHOWN)
    return [_session(row) for row in connection.execute(found)]


def roles(connection: Connection, ids: Collection[int]) -> dict[int, Role]:
    """Return which of the sessions are still valid, each with the role of its owner."""
    return {row.id: Role(row.role) for row in connection.execute(_select().where(table.c.id.in_(ids)))}


def touch(connection: Connection, session: Session) -> None:
    """Count that a session is used, once a minute."""
    now = now_ms()
    connection.execute(
        update(table).where(table.c.id == session.id, table.c.seen_at < now - _TOUCH_MS).values(seen_at=now)
    )


def to_touch(session: Session) -> bool:
    """Return whether it is time to count that again."""
    return session.seen_at < now_ms() - _TOUCH_MS


def confirm(connection: Connection, session_id: int) -> str:
    """Note that whoever uses the session has just shown who they are; return its new token."""
    token = tokens.make()
    values = {"confirmed_at": now_ms(), "token_hash": tokens.digest(token)}
    connection.execute(update(table).where(table.c.id == session_id).values(values))
    return token


def end(connection: Connection, user_id: int, session_id: int) -> bool:
    """End one of somebody's sessions; return whether there was one."""
    mine = (table.c.id == session_id, table.c.user_id == user_id, table.c.ended_at.is_(None))
    return bool(connection.execute(update(table).where(*mine).values(ended_at=now_ms())).rowcount)


def end_all(connection: Connection, user_id: int, *, but: int | None = None) -> int:
    """End all of somebody's sessions but one; return how many."""
    mine = [table.c.user_id == user_id, table.c.ended_at.is_(None)]
    if but is not None:
        mine.append(table.c.id != but)
    return connection.execute(update(table).where(*mine).values(ended_at=now_ms())).rowcount


def _valid() -> tuple[ColumnElement[bool], ...]:
    now = now_ms()
    return (
        table.c.ended_at.is_(None),
        table.c.seen_at > now - IDLE_MS,
        table.c.created_at > now - LONGEST_MS,
        users.c.deactivated_at.is_(None),
    )


def _select() -> Select[Any]:
    columns = (table.c.id, table.c.user_id, users.c.email, users.c.role)
    more = (table.c.created_at, table.c.seen_at, table.c.confirmed_at, table.c.address, table.c.agent)
    return select(*columns, *more).join(users, users.c.id == table.c.user_id).where(*_valid())


def _one(connection: Connection, condition: ColumnElement[bool]) -> Session | None:
    row = connection.execute(_select().where(condition)).one_or_none()
    return _session(row) if row else None


def _session(row: Any) -> Session:
    return Session(row.id, row.user_id, row.email, Role(row.role), *row[4:])
