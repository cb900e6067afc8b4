"""What the commands do that schedule and steer a campaign, and its lanes."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from mailing.campaigns import queries as campaigns
from mailing.campaigns.lifecycle import NotAllowed
from mailing.core.reasons import UnfitError
from mailing.core.states import CampaignAction, CampaignState, RecipientState
from mailing.reports import lanes
from mailing.reports.lanes import Pace
from mailing.schedules.schedule import Asked
from tasks.commands import campaigns as commands
from tasks.commands import lanes as lane_commands
from tasks.commands import steering
from webapp.cli.campaigns import progress
from webapp.cli.opening import ACTOR, chosen_settings, open_backend
from webapp.ui import formats

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailing.ledger.lanes import Order
    from mailing.reports.lanes import Standing
    from tasks.commands.backend import Backend


def schedule(
    campaign_id: int, at: str | None, time_zone: str | None, hours: str | None, *, despite_red: bool
) -> None:
    """Schedule a draft, or change the time of a scheduled campaign."""
    asked = Asked(at, time_zone, hours)
    with _changing() as backend:
        with backend.db.read() as connection:
            found = campaigns.get(connection, campaign_id)
        if found and found.state is CampaignState.SCHEDULED:
            now = steering.steer(backend, ACTOR, campaign_id, asked)
        else:
            now = steering.schedule(backend, ACTOR, campaign_id, asked, despite_red=despite_red)
    click.echo(progress.timing(now))


def unschedule(campaign_id: int) -> None:
    """Make a scheduled campaign a draft again."""
    with _changing() as backend:
        now = commands.act(backend, ACTOR, campaign_id, CampaignAction.UNSCHEDULE)
    click.echo(f"Campaign {campaign_id} is a {now.state} again. It won't start automatically.")


def start(campaign_id: int, *, despite_red: bool) -> None:
    """Send a draft, or a scheduled campaign, now."""
    with _changing() as backend:
        action = CampaignAction.SEND
        now = commands.act(backend, ACTOR, campaign_id, action, despite_red=despite_red)
    click.echo(f"Campaign {campaign_id} is {now.state}. To follow it: volley status {campaign_id}")


def urge(campaign_id: int, priority: int) -> None:
    """Change how urgent a campaign is."""
    with _changing() as backend:
        now = steering.steer(backend, ACTOR, campaign_id, Asked(), priority)
    click.echo(progress.timing(now))


def limit(campaign_id: int, time_zone: str | None, hours: str | None) -> None:
    """Change the hours of the day in which a campaign is sent."""
    with _changing() as backend:
        now = steering.steer(backend, ACTOR, campaign_id, Asked(None, time_zone, hours))
    click.echo(progress.timing(now))


def show_lanes(campaign_id: int) -> None:
    """Print the lanes of a campaign."""
    with open_backend(chosen_settings()) as backend, backend.db.read() as connection:
        campaign = campaigns.get(connection, campaign_id)
        if campaign is None:
            raise click.ClickException(f"Campaign {campaign_id} does not exist.")
        for lane in lanes.of(connection, campaign):
            click.echo(_in_words(lane))


def order_lane(campaign_id: int, receiver: str, wanted: Order, minutes: int) -> None:
    """Let a lane go on, or have it rest."""
    with open_backend(chosen_settings()) as backend:
        try:
            lane_commands.order(backend, ACTOR, campaign_id, receiver, wanted, minutes=minutes)
        except NotAllowed as refusal:
            raise click.ClickException(str(refusal)) from None
    click.echo(f"Done. Follow it: volley lanes {campaign_id}")


@contextmanager
def _changing() -> Iterator[Backend]:
    with open_backend(chosen_settings()) as backend:
        try:
            yield backend
        except (NotAllowed, UnfitError) as refusal:
            raise click.ClickException(str(refusal)) from None


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
