"""By which senders a campaign goes, and its own limits: changed until it has ended, while it is sent, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Blueprint, abort, redirect, render_template, request

from mailing.accounts.roles import Permission
from mailing.senders.store import SenderError
from tasks.commands import senders as commands
from webapp.http import auth
from webapp.http.services import services, the_campaign
from webapp.i18n.domain_texts import say_why
from webapp.i18n.languages import _
from webapp.senders import route_form
from webapp.ui import receipts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from werkzeug.wrappers import Response as AnyResponse

    from mailing.campaigns.queries import Campaign

blueprint = Blueprint("routes", __name__)
_ONE = "/campaigns/<id:campaign_id>/senders"


@blueprint.get(_ONE)
@auth.needs(Permission.SEND)
async def show(campaign_id: int) -> str:
    """Show the senders and limits of a campaign."""
    campaign = await the_campaign(campaign_id)
    return await _form(campaign, route_form.typed(campaign.route), {})


@blueprint.post(_ONE)
@auth.needs(Permission.SEND)
async def change(campaign_id: int) -> AnyResponse | tuple[str, int]:
    """Change them."""
    campaign, form = await the_campaign(campaign_id), await request.form
    if faults := await route_form.faults(form, campaign.route):
        return await _form(campaign, form, faults), 422
    route = route_form.read(form, campaign.route)
    try:
        await services().do(commands.change_route, auth.person(), campaign_id, route)
    except SenderError as refusal:
        abort(409, say_why(refusal))
    receipts.tell(_("Saved."))
    return redirect(services().at(f"/campaigns/{campaign_id}"), 303)


async def _form(campaign: Campaign, typed: Mapping[str, str], faults: Mapping[str, str]) -> str:
    return await render_template(
        "senders/campaign.html",
        section="campaigns",
        campaign=campaign,
        here=services().at(f"/campaigns/{campaign.id}"),
        typed=typed,
        faults=faults,
        **await route_form.shown(),
    )
