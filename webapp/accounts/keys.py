"""The keys of programs: listed, created (a key is shown once) and revoked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Blueprint, abort, redirect, render_template, request

from mailing.accounts.roles import SCOPES, Permission
from mailing.accounts.users import AccountError
from mailing.core.clock import now_ms
from mailing.programs import api_keys
from tasks.commands.accounts import keys
from webapp.http import auth
from webapp.http.services import services
from webapp.i18n.domain_texts import say_why
from webapp.i18n.languages import N_, _
from webapp.ui import receipts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from werkzeug.datastructures import MultiDict
    from werkzeug.wrappers import Response

blueprint = Blueprint("keys", __name__)
SCOPE_WORDS: Mapping[Permission, str] = {
    Permission.READ: N_("Read campaigns, recipients and the email log"),
    Permission.WRITE: N_("Create and change drafts"),
    Permission.SEND: N_("Send, pause, resume and cancel; retry, exclude and mark recipients"),
    Permission.SHARE: N_("Create and revoke share links"),
    Permission.LISTS: N_("Change saved lists"),
    Permission.SENDERS: N_("Change senders: their servers, credentials and limits"),
    Permission.WORKERS: N_("Pause and resume workers, and change their connections"),
    Permission.AUDIT: N_("Read the audit log"),
}
DAYS = (30, 90, 365)
USUALLY = 90
FOREVER = ""


@blueprint.get("/keys")
@auth.needs(Permission.KEYS)
async def index() -> str:
    """Show the keys, and the form for a new one."""
    return await _page()


@blueprint.post("/keys")
@auth.needs(Permission.KEYS)
async def add() -> tuple[str, int]:
    """Make a key; it is shown once."""
    form, svc = await request.form, services()
    days, scopes = form.get("days", FOREVER), form.getlist("scope")
    if days not in {FOREVER, *map(str, DAYS)} or set(scopes) - SCOPES:
        abort(400, _("This form is out of date. Reload the page."))
    wanted = [Permission(scope) for scope in scopes]
    try:
        made = await svc.do(keys.add, auth.person(), form.get("name", ""), wanted, int(days or 0) or None)
    except AccountError as refusal:
        where = "scope" if refusal.reason.code == "account.key-scopes" else "name"
        return await _page(form, {where: say_why(refusal)}), 422
    return await _page(made=made), 201


@blueprint.post("/keys/<id:key_id>/revoke")
@auth.needs(Permission.KEYS)
async def revoke(key_id: int) -> Response:
    """Revoke a key."""
    svc = services()
    await svc.do(keys.revoke, auth.person(), key_id)
    svc.doors.forget()
    receipts.tell(_("Key revoked. Its tokens and streams have ended."))
    return redirect(svc.at("/keys"), 303)


async def _page(
    typed: MultiDict[str, str] | None = None, faults: Mapping[str, str] | None = None, made: str = ""
) -> str:
    now = now_ms()
    return await render_template(
        "accounts/keys.html",
        section="keys",
        keys=[(key, key.fault(now) is None) for key in await services().read(api_keys.listed)],
        SCOPES=SCOPE_WORDS,
        DAYS=DAYS,
        typed=typed or {"days": str(USUALLY)},
        chosen=typed.getlist("scope") if typed else [Permission.READ],
        faults=faults or {},
        made=made,
    )
