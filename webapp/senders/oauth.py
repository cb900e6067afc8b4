"""The way to the provider of a sender's account, where it gives its consent, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Blueprint, abort, redirect, request

from mailing.accounts.roles import Permission
from mailing.core.reasons import Reason
from mailing.senders import consent, store
from mailing.senders.providers import PROVIDERS
from mailing.senders.store import SenderError
from mailing.smtp.account import TokenError
from tasks.commands import senders as commands
from webapp.http import auth
from webapp.http.services import services
from webapp.i18n.domain_texts import say_why
from webapp.i18n.languages import _
from webapp.senders.visits import Way
from webapp.ui import receipts

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from mailing.senders.store import Account
    from webapp.senders.visits import Visit

blueprint = Blueprint("oauth", __name__)
WAY = Way("/senders/connected", "volley_consent", "consent")


def back() -> str:
    """Return the whole address of the way back, as the provider must know it."""
    return WAY.address


@blueprint.get("/senders/<id:sender_id>/connect")
@auth.needs(Permission.SENDERS)
async def begin(sender_id: int) -> Response:
    """Send the browser to the provider of a sender's account."""
    svc = services()
    it = await svc.read(store.get, sender_id)
    if it is None or it.provider not in PROVIDERS:
        return redirect(svc.at("/senders"), 303)
    return WAY.leave(
        it.id, it.provider, tenant=it.tenant, client_id=it.client_id, user=it.username, scope=it.scope
    )


@blueprint.get(WAY.back)
@auth.needs(Permission.SENDERS)
async def finish() -> Response:
    """Keep the consent that the browser brings back."""
    svc, visit = services(), WAY.visit()
    if visit is None:
        abort(400, say_why(SenderError(Reason("oauth.over"))))
    account = await svc.read(store.get, visit.sender)
    if account is None or not account.provider:
        abort(404, say_why(SenderError(Reason("sender.not-found"))))
    try:
        await _keep(account, visit)
    except TokenError as trouble:
        abort(409 if trouble.lasts else 503, say_why(trouble))
    except SenderError as refusal:
        abort(409, say_why(refusal))
    receipts.tell(_("Connected. Test the sender before you use it."))
    return WAY.end(redirect(svc.at(f"/senders/{visit.sender}"), 303))


async def _keep(account: Account, visit: Visit) -> None:
    svc, code = services(), request.args.get("code", "")
    key, name = svc.settings.secret_key, PROVIDERS[account.provider].name
    if not code:
        raise SenderError(Reason("oauth.denied", name=account.name))
    client_secret = store.open_secret(account, "client_secret", key)
    grant = await consent.redeem(account, client_secret, code=code, back=back(), verifier=visit.verifier)
    if not grant.refresh_token:
        raise SenderError(Reason("oauth.no-refresh", name=account.name, provider=name))
    await svc.do(commands.connect, auth.person(), account, grant.refresh_token, key)
