"""What the commands about a message do: it is shown as somebody gets it, and sent to somebody as a test."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import click

from mailing.campaigns import queries as campaigns
from mailing.campaigns.lifecycle import NotAllowed
from mailing.reports import preview, trials
from mailing.reports.trials import NoTestError
from mailing.smtp import trial
from mailing.smtp.dialogue import Dialogue
from tasks.commands import campaigns as commands
from webapp.cli.work import ACTOR, chosen_settings, open_backend

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailing.reports.preview import Preview


def show(campaign_id: int, email: str) -> None:
    """Write the bytes that a recipient gets to standard output."""
    with open_backend(chosen_settings()) as backend, backend.db.read() as connection:
        shown = _preview(connection, campaign_id, email)
    if shown.fault:
        raise click.ClickException(str(shown.fault))
    click.echo(shown.data, nl=False)


def test(campaign_id: int, to: str, like: str) -> None:
    """Send the message to an address as a test, and show what was said to the server."""
    chosen = chosen_settings()
    with open_backend(chosen) as backend:
        try:
            with backend.db.read() as connection:
                wanted = trials.compose(connection, campaign_id, to, like)
            commands.begin_test(backend, ACTOR, campaign_id, wanted)
        except (NoTestError, NotAllowed) as refusal:
            raise click.ClickException(f"Nothing was sent. {refusal}") from None
    dialogue = Dialogue(chosen.sender)
    outcome = asyncio.run(trial.carry(chosen.sender, wanted.mail, dialogue))
    for line in dialogue.lines:
        click.echo(f"{line.ms:6,} ms  {line.side:6}  {line.words}")
    click.echo("Accepted." if outcome.accepted else f"Not accepted. {outcome.words}")
    if not outcome.accepted:
        sys.exit(1)


def _preview(connection: Connection, campaign_id: int, email: str) -> Preview:
    campaign = campaigns.get(connection, campaign_id)
    if campaign is None:
        raise click.ClickException(f"Campaign {campaign_id} does not exist.")
    found = preview.find(connection, campaign_id, email) if email else None
    if email and found is None:
        raise click.ClickException(f"{email} is not a recipient of campaign {campaign_id}.")
    return preview.of(connection, campaign, found)
