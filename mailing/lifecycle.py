"""The states of a campaign as a whole, and all that changes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import exists, select, update

from mailing.models import campaigns, decisions, now_ms, recipients
from mailing.states import CampaignState, RecipientState

if TYPE_CHECKING:
    from sqlalchemy import Connection

_WAITING = (RecipientState.QUEUED, RecipientState.SENDING, RecipientState.DEFERRED)


def pause(connection: Connection, campaign_id: int, reason: str) -> bool:
    """Pause a sending campaign because of its sender's fault; return whether this call did."""
    statement = (
        update(campaigns)
        .where(campaigns.c.id == campaign_id, campaigns.c.state == CampaignState.SENDING)
        .values(state=CampaignState.PAUSED, paused_reason=reason)
    )
    return connection.execute(statement).rowcount == 1


def finish(connection: Connection, campaign_id: int) -> bool:
    """Finish a campaign in which nobody waits any more, nor will by a decision; return whether this call did.

    It looks, locks, and looks again: while it waits for the lock, a person may queue somebody.
    """
    idle = (
        campaigns.c.id == campaign_id,
        campaigns.c.state.in_((CampaignState.SENDING, CampaignState.PAUSED)),
        ~exists().where(recipients.c.campaign_id == campaign_id, recipients.c.state.in_(_WAITING)),
        ~exists().where(decisions.c.campaign_id == campaign_id, decisions.c.finished_at.is_(None)),
    )
    if not connection.execute(select(campaigns.c.id).where(*idle).with_for_update(key_share=True)).first():
        return False
    statement = update(campaigns).where(*idle).values(state=CampaignState.FINISHED, finished_at=now_ms())
    return connection.execute(statement).rowcount == 1


def reopen(connection: Connection, campaign_id: int) -> bool:
    """Send on in a finished campaign, where somebody waits after all; return whether this call did.

    It finished because the worker that held them was thought dead. If it is finishing just now, whoever does
    it cannot see them, so this waits until that is done.
    """
    own = select(campaigns.c.id).where(campaigns.c.id == campaign_id)
    connection.execute(own.with_for_update(key_share=True))
    statement = (
        update(campaigns)
        .where(campaigns.c.id == campaign_id, campaigns.c.state == CampaignState.FINISHED)
        .values(state=CampaignState.SENDING, finished_at=None)
    )
    return connection.execute(statement).rowcount == 1
