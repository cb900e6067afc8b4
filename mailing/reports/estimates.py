"""How long sending a draft may take: as long as the last campaign took through the same server, per email.

Where that one was too short to tell, or went elsewhere, there is no estimate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from mailing.core.states import CampaignState
from mailing.core.tables import attempts, campaigns, paces
from mailing.ledger.rates import SLOT_MS, Speed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from mailing.smtp.account import Sender

LEAST = 3  # whole slots: fewer tell no speed
MOST = 2_000  # slots that are read
# the part of its attempts that is measured: the last ones are retries, whose speed is that of their waits
_BULK = 0.9


@dataclass(frozen=True, slots=True)
class Estimate:
    """How long it takes, at which speed."""

    ms: int
    speed: Speed


def of(connection: Connection, total: int, sender: Sender) -> Estimate | None:
    """Estimate how long ``total`` emails take through ``sender``; None without a basis for it."""
    real = campaigns.c.state == CampaignState.FINISHED, campaigns.c.rehearses.is_(None)
    started = select(campaigns.c.id).where(*real)
    last = connection.execute(started.order_by(campaigns.c.id.desc()).limit(1)).scalar()
    if last is None or not total:
        return None
    ended = select(attempts.c.server).where(attempts.c.campaign_id == last)
    server = connection.execute(ended.order_by(attempts.c.ended_at.desc()).limit(1)).scalar()
    if server != sender.server:
        return None
    speed = of_campaign(connection, last)
    return Estimate(round(total * speed.ms / speed.n), speed) if speed else None


def of_campaign(connection: Connection, campaign_id: int) -> Speed | None:
    """Return how fast most of a campaign's emails went; None where it was too short to tell."""
    slots = (
        select(func.sum(paces.c.n))
        .where(paces.c.campaign_id == campaign_id)
        .group_by(paces.c.slot)
        .order_by(paces.c.slot)
        .limit(MOST)
    )
    return bulk([int(n) for n in connection.execute(slots).scalars()])


def bulk(slots: Sequence[int]) -> Speed | None:
    """Return how fast most of the emails in these slots went; None where too few slots are whole.

    The first and the last of them were lived in part.
    """
    most, n = sum(slots) * _BULK, 0
    for place, in_slot in enumerate(slots, 1):
        n += in_slot
        if n >= most:
            whole = slots[1 : min(place, len(slots) - 1)]
            return Speed(sum(whole), len(whole) * SLOT_MS) if len(whole) >= LEAST else None
    return None
