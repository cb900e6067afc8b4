"""Commands that steer a campaign: when it is sent, and how urgent it is. All block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing.accounts import audit
from mailing.campaigns import queries as campaigns
from mailing.campaigns import steering
from mailing.campaigns.lifecycle import NotAllowed
from mailing.core.reasons import Reason
from mailing.core.states import CampaignAction
from mailing.schedules.schedule import Asked
from tasks import sending
from tasks.commands import campaigns as commands
from tasks.commands.campaigns import Change

if TYPE_CHECKING:
    from mailing.campaigns.queries import Campaign
    from mailing.core.actors import Actor
    from tasks.commands.backend import Backend

NOTHING = Asked()


def steer(
    backend: Backend, actor: Actor, campaign_id: int, asked: Asked, priority: int | None = None
) -> Campaign:
    """Change when a campaign is sent, or how urgent it is; return how it stands then.

    What is being sent goes by it within a second. Raises ``UnfitError`` and ``NotAllowed``.
    """
    with backend.db.write() as connection:
        before = steering.steer(connection, campaign_id, asked, priority)
        after = campaigns.get(connection, campaign_id) or before
        told = {"priority": after.priority, "time_zone": after.time_zone, "hours": after.hours}
        told["send_at"] = after.schedule.local
        audit.record(connection, actor, "steer", f"campaign:{campaign_id}", **told)
    commands.announce(backend, Change(actor, "steer", campaign_id, after.state))
    if before.opens_at and not after.opens_at:
        sending.ask_for_a_sweep()
    return after


def schedule(
    backend: Backend,
    actor: Actor,
    campaign_id: int,
    asked: Asked = NOTHING,
    *,
    seen: int | None = None,
    despite_red: bool = False,
) -> Campaign:
    """Schedule a draft for its time, or for the one that is asked for; return how it stands then.

    With the revision that was ``seen``, what is scheduled is what was seen. Raises ``UnfitError`` and
    ``NotAllowed``; a time that is good is kept with the draft all the same.
    """
    if asked != NOTHING:
        with backend.db.write() as connection:
            before = steering.steer(connection, campaign_id, asked)
            if seen is not None and seen != before.revision:
                raise NotAllowed(Reason("campaign.changed", id=str(campaign_id)))
        seen = None if seen is None else seen + 1
    action = CampaignAction.SCHEDULE
    return commands.act(backend, actor, campaign_id, action, seen=seen, despite_red=despite_red)
