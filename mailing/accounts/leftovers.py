"""Sessions, invitations and throttles that have ended, and are deleted. The audit log stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, or_, select

from mailing.accounts.sessions import LONGEST_MS
from mailing.accounts.tables import invitations, sessions, throttles
from mailing.core.clock import now_ms

if TYPE_CHECKING:
    from sqlalchemy import Connection

KEPT_MS = 30 * 24 * 3600 * 1000  # sessions and invitations that have ended


def remove(connection: Connection, rows: int) -> int:
    """Delete at most ``rows`` of each kind; return how many there were."""
    now = now_ms()
    old = now - KEPT_MS
    useless = (
        (throttles, throttles.c.name, throttles.c.free_at < now),
        (sessions, sessions.c.id, or_(sessions.c.ended_at < old, sessions.c.created_at < old - LONGEST_MS)),
        (invitations, invitations.c.id, or_(invitations.c.ended_at < old, invitations.c.expires_at < old)),
    )
    return sum(
        connection.execute(delete(table).where(key.in_(select(key).where(condition).limit(rows)))).rowcount
        for table, key, condition in useless
    )
