"""What the commands about lanes do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mailing.campaigns import queries as campaigns
from mailing.campaigns.lifecycle import NotAllowed
from mailing.core.states import RecipientState
from mailing.reports import lanes
from mailing.reports.lanes import Pace
from tasks.commands import lanes as commands
from webapp.cli.work import ACTOR, chosen_settings, open_backend
from webapp.ui import formats

if TYPE_CHECKING:
    from mailing.ledger.lanes import Order
    from mailing.reports.lanes import Standing


def show(campaign_id: int) -> None:
    """Print the lanes of a campaign."""
    with open_backend(chosen_settings()) as backend, backend.db.read() as connection:
        campaign = campaigns.get(connection, campaign_id)
        if campaign is None:
            raise click.ClickException(f"Campaign {campaign_id} does not exist.")
        for lane in lanes.of(connection, campaign):
            click.echo(_in_words(lane))


def order(campaign_id: int, receiver: str, wanted: Order, minutes: int) -> None:
    """Let a lane go on, or have it rest."""
    with open_backend(chosen_settings()) as backend:
        try:
            commands.order(backend, ACTOR, campaign_id, receiver, wanted, minutes=minutes)
        except NotAllowed as refusal:
            raise click.ClickException(str(refusal)) from None
    click.echo(f"Done. Follow it: volley lanes {campaign_id}")


def _in_words(lane: Standing) -> str:
    sent, name = lane.counts.get(RecipientState.SENT, 0), lane.receiver or "all others"
    told = f"{name}: {sent:,} sent" + ("" if lane.total is None else f" of {lane.total:,}")
    troubles = (RecipientState.DEFERRED, RecipientState.FAILED, RecipientState.UNKNOWN)
    told += "".join(f", {lane.counts[it]:,} {it}" for it in troubles if lane.counts.get(it))
    told += f", {lane.per_minute:,.0f}/min, {lane.pace}"
    if lane.slow is None:
        return f"{told}\n    {lane.reason}" if lane.reason else told
    if lane.pace is Pace.RESTING:
        told += f" until {formats.iso(lane.slow.rest.until)}"
    if lane.pace is Pace.NARROW:
        told += f", {lane.slow.width} in progress"
    return f"{told}\n    {lane.reason}"
