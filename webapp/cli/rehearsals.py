"""What the command about rehearsals does: a draft is sent to the demo inbox, and what that found is told."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from mailing.campaigns import recipes
from mailing.campaigns.lifecycle import NotAllowed
from mailing.campaigns.recipes import RecipeError
from mailing.core.states import CampaignState
from mailing.reports import rehearsed
from tasks.commands import rehearsals as commands
from webapp.cli import progress
from webapp.cli.work import ACTOR, chosen_settings, open_backend

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mailing.reports.rehearsed import Rehearsed


def rehearse(campaign_id: int, name: str, own: Mapping[str, int]) -> None:
    """Rehearse a draft, by a recipe's name or by numbers, and tell what that found."""
    chosen = chosen_settings()
    with open_backend(chosen) as backend:
        try:
            recipe = recipes.read(own or name)
            rehearsal_id = commands.rehearse(backend, ACTOR, campaign_id, recipe, chosen.demo_inbox)
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
            found = rehearsed.read(connection, campaign, chosen.sender)
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
