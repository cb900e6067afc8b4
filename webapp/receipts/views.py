"""The page of a receipt: what it says, how it is checked, and what it can and cannot prove."""

from __future__ import annotations

from quart import Blueprint, Response, abort, render_template

from mailing.accounts.roles import Permission
from mailing.receipts import document, keys
from mailing.receipts.document import NotOverError
from mailing.recipients import reply_groups as causes
from tasks.commands.accounts import keys as commands
from webapp.http import auth
from webapp.http.services import services, the_campaign
from webapp.i18n.domain_texts import say_why
from webapp.receipts import download
from webapp.receipts.download import BusyError

blueprint = Blueprint("receipts", __name__)
_ONE = "/campaigns/<id:campaign_id>/receipt"


@blueprint.get(_ONE)
@auth.needs(Permission.READ)
async def show(campaign_id: int) -> str:
    """Show what became of a campaign, and the key that signs its receipt."""
    svc, campaign = services(), await the_campaign(campaign_id)
    key = await svc.do(commands.receipt_key, svc.settings.secret_key)
    return await render_template(
        "receipts/show.html",
        section="campaigns",
        campaign=campaign,
        ready=campaign.over and not campaign.waiting,
        causes=await svc.read(causes.of, campaign_id),
        key=key.public,
        earlier=[it for it in await svc.read(keys.public_keys) if it != key.public],
        command=f"volley verify {document.file_name(campaign_id)} --key {key.public}",
    )


@blueprint.get(f"{_ONE}.jsonl")
@auth.needs(Permission.READ)
async def take(campaign_id: int) -> Response:
    """Send the receipt's file."""
    await the_campaign(campaign_id)
    try:
        return await download.answer(campaign_id)
    except NotOverError as refusal:
        abort(409, say_why(refusal))
    except BusyError as refusal:
        abort(503, say_why(refusal))
