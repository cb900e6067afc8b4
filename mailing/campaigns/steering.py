"""Steering: what may be changed of a campaign until it is over, how urgent it is and the hours of the day.

The time at which it starts may be changed until it does. All takes an open write transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, update

from mailing.campaigns.lifecycle import NotAllowed
from mailing.campaigns.queries import THERE, get
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason, UnfitError
from mailing.core.states import CampaignAction, CampaignState
from mailing.core.tables import campaigns

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailing.campaigns.queries import Campaign
    from mailing.schedules.schedule import Asked, Schedule


def steer(connection: Connection, campaign_id: int, asked: Asked, priority: int | None = None) -> Campaign:
    """Change what is asked for; return the campaign as it was before.

    Of a draft, and of one that is scheduled, it counts as an edit. Raises ``UnfitError`` for times and zones
    that cannot be meant, and ``NotAllowed`` where it is too late.
    """
    locked = select(campaigns.c.id).where(campaigns.c.id == campaign_id, THERE)
    connection.execute(locked.with_for_update(key_share=True, of=campaigns))
    campaign = get(connection, campaign_id)
    if campaign is None:
        raise NotAllowed(Reason("campaign.not-found"))
    new, faults = asked.judge(campaign.schedule, now_ms())
    if faults:
        raise UnfitError(*faults.values())
    if refused := _refusal(campaign, new):
        raise NotAllowed(refused)
    values = {**new.columns, "priority": campaign.priority if priority is None else priority}
    values["revision"] = campaign.revision + (CampaignAction.EDIT in campaign.actions)
    connection.execute(update(campaigns).where(campaigns.c.id == campaign_id).values(values))
    return campaign


def _refusal(campaign: Campaign, new: Schedule) -> Reason | None:
    """Return why a campaign cannot have this schedule now; None if it can."""
    its, state = str(campaign.id), Reason(f"state.{campaign.state}")
    if campaign.over:
        return Reason("schedule.over", id=its, state=state)
    if new.send_at != campaign.send_at and CampaignAction.EDIT not in campaign.actions:
        return Reason("schedule.started", id=its, state=state)
    if new.send_at is None and campaign.state is CampaignState.SCHEDULED:
        return Reason("schedule.no-time", id=its)
    return None
