"""Lanes by hand: a receiver is let go on, or has to rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing.accounts import audit
from mailing.campaigns import queries as campaigns
from mailing.campaigns.lifecycle import NotAllowed
from mailing.core.reasons import Reason
from mailing.ledger import batches, lanes, rests
from mailing.ledger.lanes import Order
from mailing.redis import events
from mailing.reports import lanes as reports
from tasks import sending

if TYPE_CHECKING:
    from mailing.core.actors import Actor
    from tasks.commands.backend import Backend

MOST_MINUTES = 7 * 24 * 60


def order(
    backend: Backend,
    actor: Actor,
    campaign_id: int,
    receiver: str,
    wanted: Order,
    *,
    minutes: int = 0,
) -> None:
    """Have the lane of a campaign's receiver go on, or rest; it holds for all campaigns of its senders.

    Raises ``NotAllowed`` where there is no such lane, or one that is to go on does not rest.
    """
    with backend.db.write() as connection:
        campaign = campaigns.get(connection, campaign_id)
        if campaign is None:
            raise NotAllowed(Reason("campaign.not-found"))
        if receiver not in {it.receiver for it in reports.of(connection, campaign) if it.receiver}:
            raise NotAllowed(Reason("lane.not-in-campaign", id=str(campaign_id), receiver=receiver))
        ours = rests.accounts(connection, campaign.senders, campaign.rehearses)
        changed = [lanes.order(connection, account, receiver, wanted, minutes) for account in ours]
        if not any(changed):
            raise NotAllowed(Reason("lane.not-slow", receiver=receiver))
        if wanted is Order.RESUME:
            batches.end_rests(connection)
        told = {"receiver": receiver} | ({"minutes": minutes} if wanted is Order.REST else {})
        audit.record(connection, actor, f"lane-{wanted}", f"campaign:{campaign_id}", **told)
    if wanted is Order.RESUME:
        sending.ask_for_a_sweep()
    events.publish(backend.news, [events.campaign_changed(campaign_id, campaign.state)])
