"""Correct: the message of a paused campaign, and when a campaign pauses by itself. Both block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing.accounts import audit
from mailing.campaigns import lifecycle, versions
from mailing.campaigns import queries as campaigns
from mailing.campaigns.lifecycle import NotAllowed
from mailing.core.reasons import Reason
from mailing.core.states import CampaignAction
from mailing.ledger import breaker as breakers
from tasks.commands import campaigns as commands
from tasks.commands.campaigns import Change

if TYPE_CHECKING:
    from mailing.core.actors import Actor
    from mailing.ledger.breaker import Breaker
    from mailing.writing.written import Written
    from tasks.commands.backend import Backend


def correct(
    backend: Backend, actor: Actor, campaign_id: int, written: Written, *, seen: int | None = None
) -> int:
    """Give a paused campaign a corrected message, for all who are claimed from now on; return its version.

    Raises ``NotAllowed`` with all that keeps it from being sent, and where the campaign is not paused, or was
    changed since the revision that was ``seen``.
    """
    action = CampaignAction.CORRECT
    with backend.db.read() as connection:
        campaign = campaigns.get(connection, campaign_id)
        if campaign is None or action not in campaign.actions:
            raise lifecycle.refusal(connection, campaign_id, action)
        if found := versions.faults(connection, campaign, written):
            raise NotAllowed(*found)
    with backend.db.write() as connection:
        was = campaign.revision if seen is None else seen
        version = versions.correct(connection, campaign_id, written, seen=was, by=actor.name)
        audit.record(connection, actor, action, f"campaign:{campaign_id}", version=version)
    commands.announce(backend, Change(actor, action, campaign_id, campaign.state))
    return version


def change_breaker(backend: Backend, actor: Actor, campaign_id: int, breaker: Breaker | None) -> None:
    """Change when a campaign pauses by itself, or have it never do so; it counts anew.

    Raises ``NotAllowed`` once the campaign is over.
    """
    with backend.db.write() as connection:
        campaign = campaigns.get(connection, campaign_id)
        if campaign is None:
            raise NotAllowed(Reason("campaign.not-found"))
        if not breakers.change(connection, campaign_id, breaker):
            state = Reason(f"state.{campaign.state}")
            raise NotAllowed(Reason("campaign.limit-stays", id=str(campaign_id), state=state))
        about = breaker.dump() if breaker else {}
        audit.record(connection, actor, "change breaker", f"campaign:{campaign_id}", **about)
    commands.announce(backend, Change(actor, "change breaker", campaign_id, campaign.state))
