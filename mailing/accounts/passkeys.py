"""Passkeys: keys in people's devices that sign them in (WebAuthn level 3). Here are their public halves."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, delete, exists, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from mailing.accounts.tables import identities, users
from mailing.accounts.tables import passkeys as table
from mailing.accounts.users import AccountError
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason
from mailing.core.tables import installation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

MOST = 20  # of one person
LONGEST_NAME = 60  # characters


@dataclass(frozen=True, slots=True)
class Passkey:
    """The public half of one. Times in ms since 1970."""

    id: int
    user_id: int
    credential_id: bytes
    public_key: bytes
    sign_count: int
    name: str
    created_at: int
    used_at: int | None


@dataclass(frozen=True, slots=True)
class Credential:
    """What a device tells of a new passkey."""

    id: bytes
    public_key: bytes
    sign_count: int


def handle(connection: Connection, user_id: int) -> bytes:
    """Return by which user handle a device knows a person. It names nobody, and is unique to this Volley."""
    name = connection.execute(select(installation.c.name)).scalar_one()
    return hashlib.sha256(f"{name} user:{user_id}".encode()).digest()


def any_exist(connection: Connection) -> bool:
    """Return whether anybody could sign in with one."""
    return bool(connection.execute(select(exists().where(table.c.id > 0))).scalar())


def find(connection: Connection, credential_id: bytes) -> Passkey | None:
    """Return the one that a device names."""
    row = connection.execute(select(*table.c).where(table.c.credential_id == credential_id)).one_or_none()
    return Passkey(*row) if row else None


def listed(connection: Connection, user_id: int) -> Sequence[Passkey]:
    """Return somebody's passkeys, the oldest first."""
    mine = select(*table.c).where(table.c.user_id == user_id).order_by(table.c.id)
    return [Passkey(*row) for row in connection.execute(mine)]


def add(connection: Connection, user_id: int, credential: Credential, name: str) -> None:
    """Keep a new one. Raises ``AccountError`` if it is known, or there are too many."""
    _lock(connection, user_id)
    if _count(connection, table.c.user_id == user_id) >= MOST:
        raise AccountError(Reason("account.too-many-passkeys", most=MOST))
    values = {
        "user_id": user_id,
        "credential_id": credential.id,
        "public_key": credential.public_key,
        "sign_count": credential.sign_count,
        "name": name[:LONGEST_NAME],
    }
    try:
        with connection.begin_nested():
            connection.execute(insert(table).values(values))
    except IntegrityError:
        raise AccountError(Reason("account.passkey-known")) from None


def use(connection: Connection, passkey: Passkey, sign_count: int) -> bool:
    """Count a use; return False if the passkey is gone, or another use was counted since it was read."""
    same = (table.c.id == passkey.id, table.c.sign_count == passkey.sign_count)
    done = update(table).where(*same).values(sign_count=sign_count, used_at=now_ms())
    return bool(connection.execute(done).rowcount)


def remove(connection: Connection, user_id: int, passkey_id: int) -> str | None:
    """Drop one of somebody's passkeys; return its name, None if there is none.

    Raises ``AccountError`` if it is the only way in that its owner has.
    """
    _lock(connection, user_id)
    mine = delete(table).where(table.c.id == passkey_id, table.c.user_id == user_id)
    name: str | None = connection.execute(mine.returning(table.c.name)).scalar()
    password = select(users.c.password_hash.is_not(None)).where(users.c.id == user_id)
    others = _count(connection, table.c.user_id == user_id) + _count(
        connection, identities.c.user_id == user_id
    )
    if name is not None and not others and not connection.execute(password).scalar():
        raise AccountError(Reason("account.last-passkey"))
    return name


def _lock(connection: Connection, user_id: int) -> None:
    mine = update(users).where(users.c.id == user_id)
    connection.execute(mine.values(email=users.c.email))  # SQLite has one writer anyway


def _count(connection: Connection, condition: ColumnElement[bool]) -> int:
    return connection.execute(select(func.count()).where(condition)).scalar_one()
