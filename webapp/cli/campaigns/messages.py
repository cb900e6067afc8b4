"""What the commands about a message do: it is shown, sent as a test, checked, and rehearsed."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import click

from mailing.campaigns import queries as campaigns
from mailing.campaigns import recipes
from mailing.campaigns.lifecycle import NotAllowed
from mailing.campaigns.recipes import RecipeError
from mailing.core.states import CampaignState
from mailing.internet.findings import Light
from mailing.internet.names import Dns
from mailing.reports import checkup, preview, rehearsed, trials
from mailing.reports.preview import NoMessageError
from mailing.senders import opening
from mailing.senders.store import SenderError
from mailing.smtp import trial
from mailing.smtp.dialogue import Dialogue
from tasks.commands import campaigns as commands
from tasks.commands import rehearsals as rehearsing
from webapp.cli.campaigns import progress
from webapp.cli.opening import ACTOR, chosen_settings, open_backend

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Connection

    from mailing.campaigns.queries import Campaign
    from mailing.reports.rehearsed import Rehearsed

_MARKS = {
    Light.RED: ("✗", "red"),
    Light.AMBER: ("!", "yellow"),
    Light.UNKNOWN: ("?", "white"),
    Light.GREEN: ("✓", "green"),
}


def show(campaign_id: int, email: str) -> None:
    """Write the bytes that a recipient gets to standard output."""
    with open_backend(chosen_settings()) as backend, backend.db.read() as connection:
        campaign = _campaign(connection, campaign_id)
        try:
            shown = preview.asked_for(connection, campaign, email)
        except NoMessageError as error:
            raise click.ClickException(str(error)) from None
    click.echo(shown.data, nl=False)


def preflight(campaign_id: int, *, open_links: bool) -> None:
    """Check a campaign as its page does. The exit status is 1 if something has to be fixed."""
    chosen = chosen_settings()
    with open_backend(chosen) as backend:
        with backend.db.read() as connection:
            looked = checkup.look(connection, _campaign(connection, campaign_id))
        try:
            if open_links:
                commands.begin_opening_links(backend, ACTOR, campaign_id)
        except NotAllowed as refusal:
            raise click.ClickException(str(refusal)) from None
    found = asyncio.run(checkup.ask(looked, Dns(at=chosen.dns), open_links=open_links))
    for it in found:
        mark, color = _MARKS[it.light]
        click.echo(f"{click.style(mark, fg=color)} {it.said}")
        if it.todo:
            click.echo(f"  {it.todo}")
    if looked.links and not open_links:
        click.echo(f"The links were not opened. To open them: volley preflight {campaign_id} --links")
    if any(it.light is Light.RED for it in found):
        sys.exit(1)


def test(campaign_id: int, to: str, like: str) -> None:
    """Send the message to an address as a test, and show what was said to the server."""
    chosen = chosen_settings()
    with open_backend(chosen) as backend:
        try:
            with backend.db.read() as connection:
                wanted = trials.compose(connection, campaign_id, to, like)
                ids = _campaign(connection, campaign_id).senders
                sender = opening.first(connection, ids, chosen.secret_key, chosen.sender)
                wanted = trials.signed(connection, wanted, sender, chosen.secret_key)
            commands.begin_test(backend, ACTOR, campaign_id, wanted)
        except (NoMessageError, NotAllowed, SenderError) as refusal:
            raise click.ClickException(f"Nothing was sent. {refusal}") from None
    dialogue = Dialogue(sender)
    outcome = asyncio.run(trial.carry(sender, wanted.mail, dialogue))
    for line in dialogue.lines:
        click.echo(f"{line.ms:6,} ms  {line.side:6}  {line.words}")
    click.echo("Accepted." if outcome.accepted else f"Not accepted. {outcome.words}")
    if not outcome.accepted:
        sys.exit(1)


def _campaign(connection: Connection, campaign_id: int) -> Campaign:
    campaign = campaigns.get(connection, campaign_id)
    if campaign is None:
        raise click.ClickException(f"Campaign {campaign_id} does not exist.")
    return campaign


def rehearse(campaign_id: int, name: str, own: Mapping[str, int]) -> None:
    """Rehearse a draft, by a recipe's name or by numbers, and tell what that found."""
    chosen = chosen_settings()
    with open_backend(chosen) as backend:
        try:
            recipe = recipes.read(own or name)
            rehearsal_id = rehearsing.rehearse(backend, ACTOR, campaign_id, recipe, chosen.demo_inbox)
        except (RecipeError, NotAllowed) as refusal:
            raise click.ClickException(f"Nothing was sent. {refusal}") from None
        click.echo(f"REHEARSAL {rehearsal_id} of campaign {campaign_id}: nothing is sent to real people.")
        try:
            campaign = progress.watch(backend.db, rehearsal_id)
        except KeyboardInterrupt:
            raise click.ClickException(
                f"The rehearsal continues. To stop it: volley cancel {rehearsal_id}\n"
                f"To follow it: volley status {rehearsal_id}"
            ) from None
        with backend.db.read() as connection:
            found = rehearsed.read(connection, campaign)
    assert found is not None
    click.echo("\n".join(_in_words(found)))
    if found.unwritten or campaign.state is not CampaignState.FINISHED:
        sys.exit(1)


def _in_words(found: Rehearsed) -> Iterator[str]:
    campaign = found.campaign
    yield f"REHEARSAL {campaign.id} is {campaign.state}: {progress.in_words(campaign)} of {campaign.total:,}."
    if campaign.paused_reason and campaign.state is CampaignState.PAUSED:
        yield f"    {campaign.paused_reason}"
    for share in found.shares:
        yield f"{share.got:,} {share.answer}, by the recipe about {share.wanted:,}"
    if found.unwritten:
        yield f"{found.unwritten:,} could not be written, and would get no email:"
    for fault in found.faults:
        yield f"    {fault.email}: {fault.reason}"
    if found.largest:
        yield f"The largest of the first {rehearsed.WEIGHED} messages has {found.largest:,} bytes."
    if found.estimate:
        yield f"The campaign takes about {found.estimate.ms / 1000:,.0f} s, at the speed of the last one."
    elif found.speed:
        yield f"The campaign takes at least {found.least_ms / 1000:,.0f} s: a real server sets the speed."
    if found.changed:
        yield "The draft was changed since. Rehearse it again."
