"""API keys: how programs show who they are. ``volley_PREFIX_SECRET`` is shown once; the row holds a hash.

A key may do what its scopes name, and never more than the role of whoever made it allows now.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, func, insert, or_, select, update

from mailing.accounts import tokens
from mailing.accounts.roles import NOTHING, PERMISSIONS, SCOPES, Permission, Role
from mailing.accounts.tables import api_keys as table
from mailing.accounts.tables import users
from mailing.accounts.users import AccountError
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason, ReasonError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, Select

LONGEST_NAME = 80  # characters
MOST = 500  # valid at a time
ENDED_SHOWN = 50
_TOUCH_MS = 60 * 1000
_PREFIX, _SECRET = 5, 20  # random bytes: 8 and 32 letters
SHAPE = re.compile(r"volley_([a-z2-7]{8})_([a-z2-7]{32})")


class BearerError(ReasonError):
    """A program is not let in with what it showed: the reasons say why and what to do."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret. Times in ms since 1970. ``maker``: empty if it was made at a terminal."""

    id: int
    prefix: str
    name: str
    scopes: frozenset[Permission]
    permissions: frozenset[Permission]  # the scopes that the maker's role still allows
    maker: str
    created_at: int
    expires_at: int | None
    used_at: int | None
    revoked_at: int | None

    def fault(self, now: int) -> Reason | None:
        """Return why the key is not valid at ``now``; None if it is."""
        if self.revoked_at is not None:
            return Reason("bearer.revoked", prefix=self.prefix)
        if self.expires_at is not None and self.expires_at <= now:
            return Reason("bearer.expired", prefix=self.prefix)
        return None


@dataclass(frozen=True, slots=True)
class Bearer:
    """A program that was let in by its key, or by a token: its key's, or of an issuer outside without one.

    ``until``: when the key or token expires, in ms since 1970.
    """

    name: str
    permissions: frozenset[Permission]
    key: ApiKey | None
    token: bool
    until: int | None

    def gone(self, now: int, left: Mapping[int, frozenset[Permission]]) -> bool:
        """Return whether it may do less at ``now``. ``left``: what the valid keys may do."""
        expired = self.until is not None and self.until <= now
        return expired or bool(self.key and not self.permissions <= left.get(self.key.id, NOTHING))


def add(
    connection: Connection,
    name: str,
    scopes: Collection[Permission],
    *,
    user_id: int | None,
    expires_at: int | None,
) -> tuple[int, str]:
    """Make a key; return its id and its text. Raises ``AccountError`` if it may not be made so."""
    name = " ".join(name.split())
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise AccountError(Reason("account.key-name", most=LONGEST_NAME))
    if not scopes or set(scopes) - SCOPES:
        raise AccountError(Reason("account.key-scopes"))
    if connection.execute(select(func.count()).where(*_counting())).scalar_one() >= MOST:
        raise AccountError(Reason("account.too-many-keys", most=MOST))
    prefix, secret = _letters(_PREFIX), _letters(_SECRET)
    values = {
        "prefix": prefix,
        "secret_hash": tokens.digest(secret),
        "name": name,
        "scopes": sorted(scopes),
        "user_id": user_id,
        "expires_at": expires_at,
    }
    key_id = connection.execute(insert(table).values(values).returning(table.c.id)).scalar_one()
    return int(key_id), f"volley_{prefix}_{secret}"


def shown(connection: Connection, text: str) -> ApiKey:
    """Return the key that a program shows. Raises ``BearerError`` unless it is valid now."""
    parts = SHAPE.fullmatch(text)
    row = _row(connection, table.c.prefix == parts[1]) if parts else None
    kept = row.secret_hash if row else ""
    if not parts or not hmac.compare_digest(tokens.digest(parts[2]), kept):
        raise BearerError(Reason("bearer.unknown"))
    return _counted(_key(row))


def named(connection: Connection, prefix: str) -> ApiKey:
    """Return the key for which a token was made. Raises ``BearerError`` unless it is valid now."""
    row = _row(connection, table.c.prefix == prefix)
    if row is None:
        raise BearerError(Reason("bearer.unknown"))
    return _counted(_key(row))


def find(connection: Connection, prefix: str) -> ApiKey | None:
    """Return a key, valid or not."""
    row = _row(connection, table.c.prefix == prefix)
    return _key(row) if row else None


def listed(connection: Connection) -> Sequence[ApiKey]:
    """Return all valid keys, the newest first, then some that ended lately."""
    newest = _select().order_by(table.c.id.desc())
    rows = [
        *connection.execute(newest.where(*_counting())),
        *connection.execute(newest.where(~and_(*_counting())).limit(ENDED_SHOWN)),
    ]
    return [_key(row) for row in rows]


def permissions(connection: Connection, ids: Collection[int]) -> dict[int, frozenset[Permission]]:
    """Return which of the keys are valid now, each with what it may do."""
    found = _select().where(table.c.id.in_(ids), *_counting())
    return {row.id: _key(row).permissions for row in connection.execute(found)}


def to_touch(key: ApiKey) -> bool:
    """Return whether it is time to count again that a key is used."""
    return (key.used_at or 0) < now_ms() - _TOUCH_MS


def touch(connection: Connection, key: ApiKey) -> None:
    """Count that a key is used, once a minute."""
    now = now_ms()
    long_ago = func.coalesce(table.c.used_at, 0) < now - _TOUCH_MS
    connection.execute(update(table).where(table.c.id == key.id, long_ago).values(used_at=now))


def revoke(connection: Connection, key_id: int) -> bool:
    """Revoke a key; return whether it was not revoked before."""
    mine = (table.c.id == key_id, table.c.revoked_at.is_(None))
    return bool(connection.execute(update(table).where(*mine).values(revoked_at=now_ms())).rowcount)


def _counted(key: ApiKey) -> ApiKey:
    if fault := key.fault(now_ms()):
        raise BearerError(fault)
    return key


def _counting() -> tuple[ColumnElement[bool], ...]:
    return table.c.revoked_at.is_(None), or_(table.c.expires_at.is_(None), table.c.expires_at > now_ms())


def _select() -> Select[Any]:
    return select(*table.c, users.c.email, users.c.role).outerjoin(users, users.c.id == table.c.user_id)


def _row(connection: Connection, condition: ColumnElement[bool]) -> Any:
    return connection.execute(_select().where(condition)).one_or_none()


def _key(row: Any) -> ApiKey:
    scopes = frozenset(map(Permission, row.scopes))
    allowed = PERMISSIONS[Role(row.role)] if row.role else SCOPES
    times = (row.created_at, row.expires_at, row.used_at, row.revoked_at)
    return ApiKey(row.id, row.prefix, row.name, scopes, scopes & allowed & SCOPES, row.email or "", *times)


def _letters(size: int) -> str:
    return base64.b32encode(secrets.token_bytes(size)).decode().lower()
