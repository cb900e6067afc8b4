"""Invitations: links by which somebody gets an account. One link, one account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select, update

from mailing.accounts import tokens, users
from mailing.accounts.roles import Role
from mailing.accounts.tables import invitations as table
from mailing.accounts.users import AccountError
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection

VALID_MS = 7 * 24 * 3600 * 1000
MOST = 200  # open at a time


@dataclass(frozen=True, slots=True)
class Invitation:
    """A valid invitation. Times in ms since 1970."""

    id: int
    email: str
    role: Role
    created_at: int
    expires_at: int


def make(connection: Connection, email: str, role: Role) -> tuple[int, str]:
    """Invite somebody; return the id and the token of the link. An earlier one to the address ends.

    Raises ``AccountError`` if the address has an account.
    """
    if users.find(connection, email):
        raise AccountError(Reason("account.exists", email=email))
    now = now_ms()
    same = (func.lower(table.c.email) == email.lower(), table.c.ended_at.is_(None))
    connection.execute(update(table).where(*same).values(ended_at=now))
    if len(listed(connection)) >= MOST:
        raise AccountError(Reason("account.too-many-invitations", most=MOST))
    token = tokens.make()
    values = {"token_hash": tokens.digest(token), "email": email, "role": role, "expires_at": now + VALID_MS}
    return connection.execute(insert(table).values(values).returning(table.c.id)).scalar_one(), token


def find(connection: Connection, token: str) -> Invitation | None:
    """Return the invitation of a link, if it is valid now."""
    found = select(*_COLUMNS).where(table.c.token_hash == tokens.digest(token), *_valid())
    row = connection.execute(found).one_or_none()
    return _invitation(row) if row else None


def listed(connection: Connection) -> Sequence[Invitation]:
    """Return the valid invitations, the newest first."""
    found = select(*_COLUMNS).where(*_valid()).order_by(table.c.id.desc())
    return [_invitation(row) for row in connection.execute(found)]


def accept(connection: Connection, token: str, password_hash: str | None) -> tuple[Invitation, int]:
    """Make the account; return its id, too. Raises ``AccountError`` if the link is spent or has expired."""
    invitation = find(connection, token)
    if invitation is None or not revoke(connection, invitation.id):
        raise AccountError(Reason("account.invitation-over"))
    return invitation, users.add(connection, invitation.email, invitation.role, password_hash)


def revoke(connection: Connection, invitation_id: int) -> bool:
    """Revoke an invitation; return whether it was valid."""
    mine = (table.c.id == invitation_id, table.c.ended_at.is_(None))
    return bool(connection.execute(update(table).where(*mine).values(ended_at=now_ms())).rowcount)


_COLUMNS = (table.c.id, table.c.email, table.c.role, table.c.created_at, table.c.expires_at)


def _valid() -> tuple[ColumnElement[bool], ...]:
    return table.c.ended_at.is_(None), table.c.expires_at > now_ms()


def _invitation(row: Any) -> Invitation:
    return Invitation(row.id, row.email, Role(row.role), row.created_at, row.expires_at)
