"""Share links: with one, somebody without an account may watch one campaign for some days.

The row is the right to look; the link only names it, signed (``webapp.public.share_views``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select, update

from mailing.campaigns.lifecycle import NotAllowed
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason
from mailing.core.tables import watches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection, Select

DAYS = (1, 7, 30)  # for which a link can be made
LONGEST_LABEL = 80
MOST = 20  # valid links of one campaign
_DAY_MS = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Watch:
    """A link that is valid. ``label`` says for whom it was made. Times in ms since 1970."""

    id: int
    campaign_id: int
    label: str
    created_at: int
    expires_at: int


def create(connection: Connection, campaign_id: int, label: str, days: int) -> int:
    """Create a link that is valid for some ``DAYS``; return its id.

    Raises ``NotAllowed`` if there are ``MOST``.
    """
    count = select(func.count()).where(watches.c.campaign_id == campaign_id, *_valid())
    if connection.execute(count).scalar_one() >= MOST:
        raise NotAllowed(Reason("watch.too-many", most=MOST))
    values = {"campaign_id": campaign_id, "label": label, "expires_at": now_ms() + days * _DAY_MS}
    return int(connection.execute(insert(watches).values(values).returning(watches.c.id)).scalar_one())


def listed(connection: Connection, campaign_id: int) -> Sequence[Watch]:
    """Return the valid links of a campaign, the newest first."""
    statement = (
        _select().where(watches.c.campaign_id == campaign_id).order_by(watches.c.id.desc()).limit(MOST)
    )
    return [Watch(*row) for row in connection.execute(statement)]


def find(connection: Connection, watch_id: int) -> Watch | None:
    """Return a link if it is valid now."""
    row = connection.execute(_select().where(watches.c.id == watch_id)).one_or_none()
    return Watch(*row) if row else None


def revoke(connection: Connection, campaign_id: int, watch_id: int) -> None:
    """Revoke a link; revoking it again changes nothing."""
    connection.execute(
        update(watches)
        .where(watches.c.id == watch_id, watches.c.campaign_id == campaign_id, watches.c.revoked_at.is_(None))
        .values(revoked_at=now_ms())
    )


def _select() -> Select[Any]:
    return select(
        watches.c.id, watches.c.campaign_id, watches.c.label, watches.c.created_at, watches.c.expires_at
    ).where(*_valid())


def _valid() -> tuple[ColumnElement[bool], ...]:
    return watches.c.revoked_at.is_(None), watches.c.expires_at > now_ms()
