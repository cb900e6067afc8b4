"""What the commands do that change what is being sent. It is loaded when one runs."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import IO, TYPE_CHECKING

import click

from mailing.campaigns import queries as campaigns
from mailing.campaigns.lifecycle import NotAllowed
from mailing.core.reasons import UnfitError
from mailing.core.states import RecipientState
from mailing.ledger.breaker import USUAL, Breaker
from mailing.recipients.search import Choice
from mailing.writing.written import Writing
from tasks.commands import campaigns as commands
from tasks.commands import corrections
from tasks.commands.messages import drafting
from webapp.cli.campaigns.work import reply_of
from webapp.cli.opening import ACTOR, chosen_settings, open_backend, read_text
from webapp.http import params

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailing.campaigns.queries import Campaign
    from tasks.commands.backend import Backend


def correct(
    campaign_id: int, subject: str | None, text_file: IO[bytes] | None, html_file: IO[bytes] | None
) -> None:
    """Correct the message of a paused campaign: the parts that are given."""
    with _changing(campaign_id) as (backend, campaign):
        was = campaign.written
        html = read_text(html_file) if html_file else was.html
        text = read_text(text_file) if text_file else was.text
        plain = was.writing is Writing.PLAIN and not html_file
        way = Writing.PLAIN if plain else Writing.SOURCE if html_file else was.writing
        written = replace(was, subject=subject or was.subject, text=text, html=html, writing=way)
        if written == was:
            raise click.UsageError("Give a new --subject, --text-file or --html-file.")
        version = corrections.correct(backend, ACTOR, campaign_id, written, seen=campaign.revision)
    click.echo(f"Campaign {campaign_id} has version {version} of its message.")
    click.echo(f"To send it: volley resume {campaign_id}")


def change_limit(
    campaign_id: int,
    percent: int,
    of_last: int,
    at_least: int,
    for_complaints: tuple[int | None, int | None],
) -> None:
    """Have a campaign pause at this share of failures, and of complaints, or never."""
    with _changing(campaign_id) as (backend, campaign):
        was = campaign.breaker or USUAL
        kept = zip(for_complaints, (was.complaints, was.complaints_at_least), strict=True)
        chosen = (old if new is None else new for new, old in kept)
        limit = Breaker(percent, of_last, at_least, *chosen)
        corrections.change_breaker(backend, ACTOR, campaign_id, None if limit.idle else limit)
    at = [f"{percent}% of its last {of_last:,} emails failed"] if percent else []
    if limit.complaints:
        at.append(f"{limit.complaints:,} of 1,000 were reported as spam")
    then = f"pauses when {', or '.join(at)}" if at else "does not pause automatically"
    click.echo(f"Campaign {campaign_id} {then}.")


def follow_up(campaign_id: int, state: str | None, reply: str | None, search: str) -> None:
    """Make a draft to those recipients of a campaign that are named."""
    chosen = Choice(RecipientState(state) if state else None, params.words(search), reply_of(reply))
    with _changing(campaign_id) as (backend, campaign):
        change = drafting.follow(backend.db, ACTOR, campaign, chosen)
        commands.announce(backend, change)
        with backend.db.read() as connection:
            draft = campaigns.get(connection, change.campaign_id)
    n = draft.total if draft else 0
    click.echo(f"Draft {change.campaign_id} has {n:,} {'recipient' if n == 1 else 'recipients'}.")


@contextmanager
def _changing(campaign_id: int) -> Iterator[tuple[Backend, Campaign]]:
    with open_backend(chosen_settings()) as backend:
        with backend.db.read() as connection:
            campaign = campaigns.get(connection, campaign_id)
        if campaign is None:
            raise click.ClickException(f"Campaign {campaign_id} does not exist.")
        try:
            yield backend, campaign
        except (NotAllowed, UnfitError) as refusal:
            raise click.ClickException(str(refusal)) from None
