"""Share links: created, listed and revoked on the campaign's page; their token is signed with the secret key.

The token names the row and nothing else. Whether it may still be used is read from the row each time.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from itsdangerous import BadSignature, URLSafeSerializer
from quart import Blueprint, abort, redirect, request

from mailing.accounts.roles import Permission
from mailing.campaigns import share_links
from mailing.campaigns.lifecycle import NotAllowed
from mailing.sites import LOOPBACK_NAMES
from tasks.commands import campaigns as commands
from webapp.http import auth
from webapp.http.services import services, the_campaign
from webapp.i18n.domain_texts import say_why
from webapp.i18n.languages import _
from webapp.ui import receipts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from werkzeug.wrappers import Response

    from mailing.campaigns.share_links import Watch

blueprint = Blueprint("watch_links", __name__)


@dataclass(frozen=True, slots=True)
class Link:
    """A valid link as the campaign's page lists it."""

    watch: Watch
    url: str


@blueprint.post("/campaigns/<id:campaign_id>/watches")
@auth.needs(Permission.SHARE)
async def create(campaign_id: int) -> Response:
    """Make a link that is valid for the chosen days."""
    form = await request.form
    label, days = form.get("label", "").strip()[: share_links.LONGEST_LABEL], form.get("days", "")
    if not label:
        abort(400, _("Name the link so you can recognize it later."))
    if days not in map(str, share_links.DAYS):
        abort(400, _("Invalid option. Use the form on the campaign's page."))
    await the_campaign(campaign_id)
    try:
        await services().do(commands.make_watch_link, auth.person(), campaign_id, label, int(days))
    except NotAllowed as refusal:
        abort(409, say_why(refusal))
    receipts.tell(_("Share link “%(name)s” created.", name=label))
    return redirect(services().at(f"/campaigns/{campaign_id}#share"), 303)


@blueprint.post("/campaigns/<id:campaign_id>/watches/<id:watch_id>/revoke")
@auth.needs(Permission.SHARE)
async def revoke(campaign_id: int, watch_id: int) -> Response:
    """Revoke a link: people who have it open see it end within seconds."""
    await services().do(commands.revoke_watch_link, auth.person(), campaign_id, watch_id)
    receipts.tell(_("Share link revoked."))
    return redirect(services().at(f"/campaigns/{campaign_id}#share"), 303)


async def of(campaign_id: int) -> Mapping[str, object]:
    """Return what a campaign's page shows of its valid links, with addresses as others reach them."""
    svc = services()
    found, url = await svc.read(share_links.listed, campaign_id), svc.settings.url
    root = url.origin if url else f"{request.scheme}://{request.host}"
    links = [Link(watch, root + svc.at(f"/watch/{_signer().dumps(watch.id)}")) for watch in found]
    local = urlsplit(root).hostname in LOOPBACK_NAMES
    return {"watches": links, "watch_days": share_links.DAYS, "watch_local": local}


def read(token: str) -> int | None:
    """Return the id that a token names; None unless it was signed here."""
    try:
        watch_id = _signer().loads(token)
    except BadSignature:
        return None
    return watch_id if isinstance(watch_id, int) else None


def _signer() -> URLSafeSerializer:
    how = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
    return URLSafeSerializer(services().settings.secret_key, salt="watch", signer_kwargs=how)
