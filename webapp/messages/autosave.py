"""The form of a message saves itself while somebody types, and tells a second writer. It answers in JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from quart import Blueprint, Response, abort, request

from mailing.accounts.roles import Permission
from mailing.campaigns.lifecycle import NotAllowed
from mailing.core.states import CampaignState
from tasks.commands.messages import drafting
from webapp.http import auth, params
from webapp.http.services import services, the_campaign
from webapp.i18n.domain_texts import say_why
from webapp.i18n.languages import _
from webapp.messages import message_form

if TYPE_CHECKING:
    from werkzeug.datastructures import MultiDict

blueprint = Blueprint("autosave", __name__)


@blueprint.post("/campaigns/autosave")
@auth.needs(Permission.WRITE)
async def begin() -> Response:
    """Make a draft of a form, without recipients; say where it is from now on."""
    draft = message_form.draft(await request.form)
    campaign_id = await services().do(drafting.begin, auth.person(), draft)
    here = services().at(f"/campaigns/{campaign_id}")
    return _json({"revision": 0, "here": here, "other": ""}, 201)


@blueprint.post("/campaigns/<id:campaign_id>/autosave")
@auth.needs(Permission.WRITE)
async def keep(campaign_id: int) -> Response:
    """Store what was typed since; 409 with the reason where somebody else was faster."""
    form, campaign = await request.form, await the_campaign(campaign_id)
    draft, seen = message_form.draft(form, campaign), form.get("revision", "")
    if not params.is_id(seen):
        abort(400, _("This form is out of date. Reload the page."))
    if campaign.state is CampaignState.SCHEDULED:  # it may start at any moment, in the middle of a word
        return _json({"said": _("A scheduled campaign is saved with the button only.")}, 409)
    try:
        revision, other = await services().do(
            drafting.keep, auth.person(), campaign_id, draft, seen=int(seen)
        )
    except NotAllowed as refusal:
        return _json({"said": say_why(refusal)}, 409)
    return _json({"revision": revision, "other": other}, 200)


@blueprint.post("/campaigns/<id:campaign_id>/sitting")
@auth.needs(Permission.WRITE)
async def sit(campaign_id: int) -> Response:
    """Say that the form is open; tell who else has it open."""
    return _json({"other": await services().do(drafting.sit, auth.person(), campaign_id)}, 200)


async def ended(_form: MultiDict[str, str], campaign_id: int | None = None) -> Response:  # noqa: ARG001 - as every long form's
    """Refuse to save without a session: the form still has all that was typed."""
    return _json({"said": _("Your session has ended. Copy your text, then reload the page.")}, 403)


def _json(told: dict[str, Any], status: int) -> Response:
    return Response(orjson.dumps(told), status, content_type="application/json")
