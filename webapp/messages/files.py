"""The files of a draft: attachments and images, listed, added and removed; and each to whoever may see it.

A file comes alone, in a form of its own that works without scripts, and is judged before it is kept. It is
served as what it was judged to be and as nothing else: images to be seen, anything else to be saved.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from quart import Blueprint, Response, abort, redirect, render_template, request

from mailing.accounts.roles import Permission
from mailing.campaigns.lifecycle import NotAllowed
from mailing.core.reasons import UnfitError
from mailing.core.states import CampaignAction
from mailing.library import files, kinds
from mailing.library.files import FILE_MAX, FILES_MAX, MOST
from mailing.messages import attachments
from tasks.commands import campaigns as campaign_commands
from tasks.commands.messages import files as commands
from webapp.http import auth, params, security
from webapp.http.services import services, the_campaign
from webapp.i18n.domain_texts import say_why
from webapp.i18n.languages import _
from webapp.ui import receipts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection
    from werkzeug.wrappers import Response as AnyResponse

    from mailing.campaigns.queries import Campaign

blueprint = Blueprint("files", __name__)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, max-age=300",
}
"""For bytes that somebody brought: no page, no scripts, nothing loaded, and nobody else's."""
_ONE = "/campaigns/<id:campaign_id>/files"


def shown(connection: Connection, campaign: Campaign) -> dict[str, Any]:
    """Return what the list of a campaign's files shows."""
    held = files.listed(connection, campaign.id)
    return {
        "files": held,
        "in_html": attachments.named(campaign.html),
        "together": sum(file.size for file in held),
        "file_max": FILE_MAX,
        "files_max": FILES_MAX,
        "most_files": MOST,
        "may_attach": CampaignAction.EDIT in campaign.actions and Permission.WRITE in auth.rights(),
    }


@blueprint.get(_ONE)
@auth.needs(Permission.READ)
async def show(campaign_id: int) -> str:
    """Show the files of a campaign; a draft's can be changed."""
    return await _page(await the_campaign(campaign_id))


@blueprint.post(_ONE)
@auth.needs(Permission.WRITE)
async def attach(campaign_id: int) -> AnyResponse | tuple[str, int]:
    """Add a file to a draft."""
    campaign = await the_campaign(campaign_id)
    auth.may_edit(campaign)
    upload = security.upload()
    if not upload.name:
        return await _page(campaign, _("Choose a file first.")), 422
    data = b"".join([piece async for piece in upload.pieces])
    db, actor = services().db, auth.person()
    try:
        change = await asyncio.to_thread(commands.attach, db, actor, campaign_id, upload.name, data)
    except UnfitError as error:
        return await _page(campaign, say_why(error)), 422
    except NotAllowed as refusal:
        return await _page(campaign, say_why(refusal)), 409
    await services().do(campaign_commands.announce, change)
    receipts.tell(_("%(name)s added.", name=attachments.clean_name(upload.name)))
    return _back(campaign_id)


@blueprint.post(f"{_ONE}/remove")
@auth.needs(Permission.WRITE)
async def remove(campaign_id: int) -> AnyResponse | tuple[str, int]:
    """Take a file from a draft."""
    form = await request.form
    file_id, name, seen = form.get("file", ""), form.get("name", ""), form.get("revision", "")
    if not (params.is_id(file_id) and params.is_id(seen)):
        abort(400, _("This form is out of date. Reload the page."))
    auth.may_edit(await the_campaign(campaign_id))
    held = await services().read(files.listed, campaign_id)
    ref = next((file for file in held if (file.id, file.name) == (int(file_id), name)), None)
    if ref is None:
        return _back(campaign_id)
    db, actor = services().db, auth.person()
    try:
        change = await asyncio.to_thread(commands.detach, db, actor, campaign_id, ref, seen=int(seen))
    except NotAllowed as refusal:
        return await _page(await the_campaign(campaign_id), say_why(refusal)), 409
    await services().do(campaign_commands.announce, change)
    receipts.tell(_("%(name)s removed.", name=ref.name))
    return _back(campaign_id)


@blueprint.get("/files/<id:file_id>")
@auth.needs(Permission.READ)
async def serve(file_id: int) -> Response:
    """Send a file: an image to be seen, anything else to be saved."""
    file = await services().read(files.get, file_id)
    if file is None:
        abort(404, _("This file doesn't exist."))
    image = file.type in kinds.IMAGES
    kind = file.type if image else kinds.ANY
    saved = {} if image else {"Content-Disposition": f'attachment; filename="volley-file-{file_id}"'}
    return Response(file.data, content_type=kind, headers={**HEADERS, **saved})


def _back(campaign_id: int) -> AnyResponse:
    return redirect(services().at(f"/campaigns/{campaign_id}#files"), 303)


async def _page(campaign: Campaign, fault: str = "") -> str:
    return await render_template(
        "messages/files.html",
        section="campaigns",
        campaign=campaign,
        here=services().at(f"/campaigns/{campaign.id}"),
        fault=fault,
        **await services().read(shown, campaign),
    )
