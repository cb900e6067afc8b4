"""Rehearse: a draft is sent to the demo inbox as it would be sent, with answers that somebody chooses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quart import Blueprint, redirect, render_template, request

from mailing.accounts.roles import Permission
from mailing.campaigns import recipes, rehearsals
from mailing.campaigns.lifecycle import NotAllowed
from mailing.campaigns.recipes import CHOSEN, RECIPES, Answer, RecipeError
from mailing.core.states import CampaignAction
from mailing.reports import rehearsed
from mailing.sites import LOOPBACK_NAMES
from tasks.commands import rehearsals as commands
from webapp.http import auth, params
from webapp.http.services import services, the_campaign
from webapp.i18n.domain_texts import say_why
from webapp.i18n.languages import N_, _
from webapp.ui import receipts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from werkzeug.datastructures import MultiDict
    from werkzeug.wrappers import Response as AnyResponse

    from mailing.campaigns.queries import Campaign
    from webapp.http.services import Services

blueprint = Blueprint("rehearsals", __name__)
_ONE = "/campaigns/<id:campaign_id>/rehearse"
OWN = "own"
USUAL = "usual"
NAMES: Mapping[str, str] = {
    "accepted": N_("Everything is accepted"),
    USUAL: N_("A usual list"),
    "bad": N_("A bad list"),
    OWN: N_("My own numbers"),
}
ANSWERS: Mapping[Answer, str] = {
    Answer.ACCEPTED: N_("Accepted"),
    Answer.LATER: N_("Rejected temporarily once, then accepted"),
    Answer.FULL: N_("Mailbox full, at each attempt"),
    Answer.BOUNCE: N_("No such mailbox"),
    Answer.SLOW: N_("Accepted after 2 s"),
    Answer.DROP: N_("Connection lost after the message"),
}


@blueprint.get(_ONE)
@auth.needs(Permission.WRITE)
async def choose(campaign_id: int) -> str:
    """Show which answers can be rehearsed, and the latest rehearsal."""
    return await _page(await the_campaign(campaign_id), {"recipe": USUAL})


@blueprint.post(_ONE)
@auth.needs(Permission.WRITE)
async def rehearse(campaign_id: int) -> AnyResponse | tuple[str, int]:
    """Begin a rehearsal, and show it."""
    form = await request.form
    campaign = await the_campaign(campaign_id)
    try:
        recipe = _recipe(form)
        rehearsal_id = await services().do(
            commands.rehearse, auth.person(), campaign_id, recipe, services().settings.demo_inbox
        )
    except RecipeError as error:
        return await _page(campaign, form, say_why(error)), 422
    except NotAllowed as refusal:
        return await _page(campaign, form, say_why(refusal)), 409
    receipts.tell(_("The rehearsal has started. Nothing is sent to real people."))
    return redirect(services().at(f"/campaigns/{rehearsal_id}"), 303)


async def found(svc: Services, campaign: Campaign) -> dict[str, Any]:
    """Return what the page of a rehearsal shows of what it has found."""
    found = await svc.read(rehearsed.read, campaign)
    here = svc.settings.demo_inbox.host in LOOPBACK_NAMES
    return {"rehearsed": found, "answers": ANSWERS, "recipes": NAMES, "inbox_here": here}


async def latest(campaign: Campaign) -> Campaign | None:
    """Return the latest rehearsal of a draft."""
    return await services().read(rehearsals.of, campaign.id)


def _recipe(form: MultiDict[str, str]) -> Mapping[str, int]:
    """Return the recipe that is chosen. Raises ``RecipeError``."""
    if (name := form.get("recipe", "")) != OWN:
        return recipes.read(name)
    given = {answer: form.get(answer, "").strip() or "0" for answer in CHOSEN}
    return recipes.read({answer: int(n) if params.is_id(n) else -1 for answer, n in given.items()})


async def _page(campaign: Campaign, typed: Mapping[str, str], fault: str = "") -> str:
    return await render_template(
        "messages/rehearse.html",
        section="campaigns",
        campaign=campaign,
        here=services().at(f"/campaigns/{campaign.id}"),
        typed=typed,
        fault=fault,
        is_draft=CampaignAction.EDIT in campaign.actions,
        latest=await latest(campaign),
        names=NAMES,
        known=RECIPES,
        chosen=CHOSEN,
        answers=ANSWERS,
        own=OWN,
        whole=recipes.WHOLE,
    )
