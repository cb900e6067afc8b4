"""Identities: by which subject of which issuer (OpenID Connect) somebody signs in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import exists, insert, select

from mailing.accounts import users
from mailing.accounts.tables import identities as table

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailing.accounts.users import User


def owner(connection: Connection, issuer: str, subject: str) -> User | None:
    """Return whose identity this is, if it is linked."""
    mine = select(table.c.user_id).where(table.c.issuer == issuer, table.c.subject == subject)
    user_id = connection.execute(mine).scalar()
    return users.get(connection, user_id) if user_id else None


def any_of(connection: Connection, user_id: int, issuer: str) -> bool:
    """Return whether somebody signs in by this issuer."""
    linked = exists().where(table.c.user_id == user_id, table.c.issuer == issuer)
    return bool(connection.execute(select(linked)).scalar())


def link(connection: Connection, issuer: str, subject: str, user_id: int) -> None:
    """Let somebody sign in by this identity."""
    connection.execute(insert(table).values(issuer=issuer, subject=subject, user_id=user_id))
