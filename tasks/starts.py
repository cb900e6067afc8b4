"""Starts: campaigns whose time has come begin by themselves. Running twice, or in two places, is harmless."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from mailing.accounts import audit
from mailing.campaigns import drafts, lifecycle
from mailing.campaigns.lifecycle import NotAllowed
from mailing.core.actors import Actor, ActorKind
from mailing.core.reasons import Reason
from mailing.core.states import CampaignAction, CampaignState
from mailing.delivery import sweeper
from mailing.ledger import batches
from mailing.redis import events
from tasks import processes
from tasks.sending import enqueue

if TYPE_CHECKING:
    from mailing.core.database import Database

AT_ONCE = 20  # in one sweep
VOLLEY = Actor(ActorKind.VOLLEY)

log = structlog.get_logger()


def start_due(database: Database) -> None:
    """Start what is due. What cannot be sent to everybody any more becomes a draft again, with the reason.

    Whoever edits, moves, cancels or sends it at the same moment is first, or is told that it has started.
    """
    with database.read() as connection:
        found = lifecycle.due(connection, AT_ONCE)
    for campaign_id in found:
        try:
            with database.read() as connection:
                checked = drafts.ready(connection, campaign_id)
        except NotAllowed as refusal:
            _put_back(database, campaign_id, refusal.reason)
        else:
            _begin(database, campaign_id, checked)


def _begin(database: Database, campaign_id: int, checked: int) -> None:
    with database.write() as connection:
        sweeper.be_brief(connection)
        if not lifecycle.begin(connection, campaign_id, checked):
            return
        errands = batches.wake(connection, campaign_id)
        audit.record(connection, VOLLEY, CampaignAction.SEND, f"campaign:{campaign_id}")
    _tell(campaign_id, CampaignState.SENDING)
    enqueue(database, errands)


def _put_back(database: Database, campaign_id: int, why: Reason) -> None:
    if why.code == "campaign.being-stored":  # it is due again once it is stored
        return
    with database.write() as connection:
        sweeper.be_brief(connection)
        if not lifecycle.put_back(connection, campaign_id, Reason("schedule.not-ready", reason=why)):
            return
        audit.record(connection, VOLLEY, CampaignAction.UNSCHEDULE, f"campaign:{campaign_id}")
    _tell(campaign_id, CampaignState.DRAFT)


def _tell(campaign_id: int, state: CampaignState) -> None:
    events.publish(processes.redis_client(), [events.campaign_changed(campaign_id, state)])
    log.info("a scheduled campaign is due", campaign_id=campaign_id, state=state.value)
