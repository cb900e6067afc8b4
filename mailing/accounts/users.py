"""People: added, given a role, deactivated. While there is anybody, there is an owner who can sign in.

Whatever takes somebody's rights away takes a lock first, so that two owners cannot demote each other at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, exists, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from mailing.accounts.roles import Role
from mailing.accounts.tables import api_keys, identities, sessions
from mailing.accounts.tables import users as table
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason, ReasonError
from mailing.core.tables import installation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection


class AccountError(ReasonError):
    """This cannot be done with an account: the reasons say why and what to do."""


@dataclass(frozen=True, slots=True)
class User:
    """Somebody with an account. Times in ms since 1970."""

    id: int
    email: str
    role: Role
    created_at: int
    deactivated_at: int | None
    password: bool
    totp: bool

    @property
    def active(self) -> bool:
        """Whether this person may sign in."""
        return self.deactivated_at is None


def any_exist(connection: Connection) -> bool:
    """Return whether somebody has an account: from then on everybody must sign in."""
    return bool(connection.execute(select(exists().where(table.c.id > 0))).scalar())


def add_first(connection: Connection, email: str, password_hash: str) -> int:
    """Add the first owner; raises ``AccountError`` if somebody was faster."""
    _lock(connection)
    if any_exist(connection):
        raise AccountError(Reason("account.set-up-already"))
    return add(connection, email, Role.OWNER, password_hash)


def add(connection: Connection, email: str, role: Role, password_hash: str | None) -> int:
    """Add somebody; return the id. Raises ``AccountError`` if the address has an account."""
    values = {"email": email, "role": role, "password_hash": password_hash}
    try:
        with connection.begin_nested():
            return int(connection.execute(insert(table).values(values).returning(table.c.id)).scalar_one())
    except IntegrityError:
        raise AccountError(Reason("account.exists", email=email)) from None


def get(connection: Connection, user_id: int) -> User | None:
    """Return somebody by id."""
    return _one(connection, table.c.id == user_id)


def find(connection: Connection, email: str) -> User | None:
    """Return somebody by address, in whatever case."""
    return _one(connection, func.lower(table.c.email) == email.lower())


def of_identity(connection: Connection, issuer: str, subject: str) -> User | None:
    """Return who signs in as ``subject`` of an issuer (OpenID Connect)."""
    mine = select(identities.c.user_id).where(identities.c.issuer == issuer, identities.c.subject == subject)
    return _one(connection, table.c.id == mine.scalar_subquery())


def signs_in_at(connection: Connection, user_id: int, issuer: str) -> bool:
    """Return whether somebody signs in by this issuer."""
    linked = exists().where(identities.c.user_id == user_id, identities.c.issuer == issuer)
    return bool(connection.execute(select(linked)).scalar())


def link(connection: Connection, user_id: int, issuer: str, subject: str) -> None:
    """Let somebody sign in as ``subject`` of an issuer."""
    connection.execute(insert(identities).values(issuer=issuer, subject=subject, user_id=user_id))


def listed(connection: Connection) -> Sequence[User]:
    """Return everybody, the active ones first."""
    order = (table.c.deactivated_at.is_not(None), func.lower(table.c.email))
    return [_user(row) for row in connection.execute(select(*table.c).order_by(*order))]


def password_of(connection: Connection, user_id: int) -> str | None:
    """Return what is kept of somebody's password."""
    return connection.execute(select(table.c.password_hash).where(table.c.id == user_id)).scalar()


def set_password(connection: Connection, user_id: int, password_hash: str) -> None:
    """Keep a new password."""
    connection.execute(update(table).where(table.c.id == user_id).values(password_hash=password_hash))


def set_role(connection: Connection, user_id: int, role: Role) -> User:
    """Give somebody a role. Raises ``AccountError`` if no owner would be left, or nobody is there."""
    _lock(connection)
    before = _there(connection, user_id)
    connection.execute(update(table).where(table.c.id == user_id).values(role=role))
    _keep_an_owner(connection)
    return before


def deactivate(connection: Connection, user_id: int) -> User:
    """Deactivate an account, and end its sessions and keys. Raises ``AccountError`` as ``set_role`` does."""
    _lock(connection)
    before, now = _there(connection, user_id), now_ms()
    connection.execute(
        update(table)
        .where(table.c.id == user_id, table.c.deactivated_at.is_(None))
        .values(deactivated_at=now)
    )
    _keep_an_owner(connection)
    for owned, ended in ((sessions, sessions.c.ended_at), (api_keys, api_keys.c.revoked_at)):
        connection.execute(
            update(owned).where(owned.c.user_id == user_id, ended.is_(None)).values({ended.name: now})
        )
    return before


def reactivate(connection: Connection, user_id: int) -> User:
    """Reactivate an account. Its sessions stay ended, and identities of issuers must be linked again."""
    before = _there(connection, user_id)
    connection.execute(delete(identities).where(identities.c.user_id == user_id))
    connection.execute(update(table).where(table.c.id == user_id).values(deactivated_at=None))
    return before


def _lock(connection: Connection) -> None:
    connection.execute(update(installation).values(name=installation.c.name))  # SQLite has one writer anyway


def _keep_an_owner(connection: Connection) -> None:
    left = select(exists().where(table.c.role == Role.OWNER, table.c.deactivated_at.is_(None)))
    if not connection.execute(left).scalar():
        raise AccountError(Reason("account.last-owner"))


def _there(connection: Connection, user_id: int) -> User:
    user = get(connection, user_id)
    if user is None:
        raise AccountError(Reason("account.unknown"))
    return user


def _one(connection: Connection, condition: Any) -> User | None:
    row = connection.execute(select(*table.c).where(condition)).one_or_none()
    return _user(row) if row else None


def _user(row: Any) -> User:
    return User(
        row.id,
        row.email,
        Role(row.role),
        row.created_at,
        row.deactivated_at,
        row.password_hash is not None,
        row.totp_secret is not None,
    )
