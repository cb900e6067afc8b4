"""The message of a paused campaign is corrected: in the editor of drafts, for all who have not got it yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Blueprint, abort, redirect, render_template, request

from mailing.accounts.roles import Permission
from mailing.campaigns.lifecycle import NotAllowed
from mailing.core.states import CampaignAction
from tasks.commands import corrections as commands
from webapp.http import auth, params
from webapp.http.services import services, the_campaign
from webapp.i18n.domain_texts import say_why
from webapp.i18n.languages import _
from webapp.messages import message_form, safeguards_form
from webapp.ui import badges, receipts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from werkzeug.datastructures import MultiDict
    from werkzeug.wrappers import Response as AnyResponse

    from mailing.campaigns.queries import Campaign

blueprint = Blueprint("corrections", __name__)
_ONE = "/campaigns/<id:campaign_id>/correct"


@blueprint.get(_ONE)
@auth.needs(Permission.SEND)
async def show(campaign_id: int) -> str:
    """Show the message of a paused campaign in the editor."""
    campaign = await _paused(campaign_id)
    return await _form(message_form.typed(campaign), {}, campaign)


@blueprint.post(_ONE)
@auth.needs(Permission.SEND)
async def save(campaign_id: int) -> AnyResponse | tuple[str, int]:
    """Correct the message, and check it again."""
    form, campaign = await request.form, await _paused(campaign_id)
    typed = form.copy()
    typed["from"] = campaign.sender_from
    seen = form.get("revision", "")
    if not params.is_id(seen):
        abort(400, _("This form is out of date. Reload the page."))
    if faults := await message_form.faults(typed, campaign):
        return await _form(typed, faults, campaign), 422
    written = message_form.draft(typed, campaign).written
    try:
        await services().do(commands.correct, auth.person(), campaign_id, written, seen=int(seen))
    except NotAllowed as refusal:
        return await _form(typed, {"again": say_why(refusal)}, await _paused(campaign_id)), 409
    receipts.tell(_("The message is corrected. Check it here, then resume the campaign."))
    return redirect(services().at(f"/campaigns/{campaign_id}/preflight"), 303)


@blueprint.post("/campaigns/<id:campaign_id>/failure-limit")
@auth.needs(Permission.SEND)
async def change_limit(campaign_id: int) -> AnyResponse:
    """Change when a campaign pauses by itself, also while it is sent."""
    form, campaign = await request.form, await the_campaign(campaign_id)
    if faults := safeguards_form.faults(form):
        abort(422, " ".join(faults.values()))
    limit, _first = safeguards_form.read(form, campaign.breaker, campaign.canary)
    try:
        await services().do(commands.change_breaker, auth.person(), campaign_id, limit)
    except NotAllowed as refusal:
        abort(409, say_why(refusal))
    receipts.tell(_("The failure limit is changed. Failures are counted from zero again."))
    return redirect(services().at(f"/campaigns/{campaign_id}"), 303)


async def again(form: MultiDict[str, str], campaign_id: int) -> tuple[str, int]:
    """Show a form whose session ended, with all that was typed."""
    said = _(
        "Your session had expired, so nothing was saved. Your input is still here: press the button again."
    )
    return await _form(form, {"again": said}, await _paused(campaign_id)), 403


async def _paused(campaign_id: int) -> Campaign:
    campaign = await the_campaign(campaign_id)
    if CampaignAction.CORRECT not in campaign.actions:
        state = badges.look(campaign.state).label
        said = _(
            "Campaign %(id)s is %(state)s. Pause it to correct its message.", id=campaign_id, state=state
        )
        abort(409, said)
    return campaign


async def _form(typed: Mapping[str, str], faults: Mapping[str, str], campaign: Campaign) -> str:
    return await render_template(
        "messages/correct.html",
        section="campaigns",
        typed=typed,
        faults=faults,
        campaign=campaign,
        correcting=True,
        **await message_form.shown(campaign),
    )
