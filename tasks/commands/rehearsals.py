"""Rehearse: a draft is sent to the demo inbox as a campaign of its own, by the same workers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from mailing.accounts import audit
from mailing.campaigns import lifecycle, rehearsals
from mailing.campaigns.lifecycle import NotAllowed
from mailing.core.states import CampaignAction
from mailing.ledger import batches
from mailing.smtp.session import Session, SmtpError, Timeouts
from tasks.commands import campaigns as commands
from tasks.commands.campaigns import Change

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailing.core.actors import Actor
    from mailing.smtp.account import Sender
    from tasks.commands.backend import Backend

_TIMEOUTS = Timeouts(connect=3.0, greeting=3.0, command=3.0)


def rehearse(
    backend: Backend, actor: Actor, campaign_id: int, recipe: Mapping[str, int], inbox: Sender
) -> int:
    """Send a copy of a draft to the demo inbox; return the id of the rehearsal.

    It takes seconds for a long list. Raises ``NotAllowed`` as ``rehearsals.making`` does, and where no demo
    inbox answers.
    """
    asyncio.run(_look_for(inbox))
    with rehearsals.making(backend.db, campaign_id, recipe) as (connection, draft, rehearsal_id):
        send = CampaignAction.SEND
        campaign = lifecycle.act(connection, rehearsal_id, send, checked=draft.revision)
        errands = batches.wake(connection, rehearsal_id)
        about = f"campaign:{campaign_id}"
        audit.record(connection, actor, "rehearse", about, rehearsal=rehearsal_id, recipe=dict(recipe))
    commands.announce(backend, Change(actor, "rehearse", rehearsal_id, campaign.state, errands))
    return rehearsal_id


async def _look_for(inbox: Sender) -> None:
    try:
        session = await Session.open(inbox, _TIMEOUTS)
    except SmtpError as error:
        raise NotAllowed(error.reason) from None
    await session.close()
