"""Who sits at the form of a draft, so that a second writer is told. Whoever is not seen has gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import or_, select, update

from mailing.campaigns.lifecycle import may
from mailing.core.clock import now_ms
from mailing.core.states import CampaignAction
from mailing.core.tables import campaigns as table

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailing.campaigns.queries import Campaign

GONE_MS = 90_000


def sit(connection: Connection, campaign_id: int, who: str) -> str:
    """Take the seat at a draft, or keep it; return who else has it: empty where nobody does."""
    now = now_ms()
    free = or_(table.c.edited_by == who, table.c.edited_at.is_(None), table.c.edited_at < now - GONE_MS)
    seat = update(table).where(*may(campaign_id, CampaignAction.EDIT), free)
    if connection.execute(seat.values(edited_by=who, edited_at=now)).rowcount:
        return ""
    found = select(table.c.edited_by).where(table.c.id == campaign_id, table.c.edited_by != who)
    return connection.execute(found).scalar() or ""


def other(campaign: Campaign, who: str) -> str:
    """Return who else sits at a draft as it was read; empty where nobody does."""
    if campaign.edited_by == who or (campaign.edited_at or 0) < now_ms() - GONE_MS:
        return ""
    return campaign.edited_by
