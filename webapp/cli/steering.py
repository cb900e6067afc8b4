"""What the commands do that schedule and steer a campaign."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from mailing.campaigns import queries as campaigns
from mailing.campaigns.lifecycle import NotAllowed
from mailing.core.reasons import UnfitError
from mailing.core.states import CampaignAction, CampaignState
from mailing.schedules.schedule import Asked
from tasks.commands import campaigns as commands
from tasks.commands import steering
from webapp.cli import progress, work

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tasks.commands.campaigns import Backend


def schedule(campaign_id: int, at: str | None, time_zone: str | None, hours: str | None) -> None:
    """Schedule a draft, or change the time of a scheduled campaign."""
    asked = Asked(at, time_zone, hours)
    with _changing() as backend:
        with backend.db.read() as connection:
            found = campaigns.get(connection, campaign_id)
        if found and found.state is CampaignState.SCHEDULED:
            now = steering.steer(backend, work.ACTOR, campaign_id, asked)
        else:
            now = steering.schedule(backend, work.ACTOR, campaign_id, asked)
    click.echo(progress.timing(now))


def unschedule(campaign_id: int) -> None:
    """Make a scheduled campaign a draft again."""
    with _changing() as backend:
        now = commands.act(backend, work.ACTOR, campaign_id, CampaignAction.UNSCHEDULE)
    click.echo(f"Campaign {campaign_id} is a {now.state} again. It won't start automatically.")


def start(campaign_id: int) -> None:
    """Send a draft, or a scheduled campaign, now."""
    with _changing() as backend:
        now = commands.act(backend, work.ACTOR, campaign_id, CampaignAction.SEND)
    click.echo(f"Campaign {campaign_id} is {now.state}. To follow it: volley status {campaign_id}")


def urge(campaign_id: int, priority: int) -> None:
    """Change how urgent a campaign is."""
    with _changing() as backend:
        now = steering.steer(backend, work.ACTOR, campaign_id, Asked(), priority)
    click.echo(progress.timing(now))


def limit(campaign_id: int, time_zone: str | None, hours: str | None) -> None:
    """Change the hours of the day in which a campaign is sent."""
    with _changing() as backend:
        now = steering.steer(backend, work.ACTOR, campaign_id, Asked(None, time_zone, hours))
    click.echo(progress.timing(now))


@contextmanager
def _changing() -> Iterator[Backend]:
    with work.open_backend(work.chosen_settings()) as backend:
        try:
            yield backend
        except (NotAllowed, UnfitError) as refusal:
            raise click.ClickException(str(refusal)) from None
