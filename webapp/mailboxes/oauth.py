"""The way to the provider of a mailbox's account, where it gives its consent, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Blueprint, abort, redirect, request

from mailing.accounts.roles import Permission
from mailing.core.reasons import Reason
from mailing.mailboxes import store
from mailing.mailboxes.faults import MailboxError
from mailing.senders import consent
from mailing.senders.providers import PROVIDERS
from mailing.smtp.account import TokenError
from tasks.mailboxes import commands
from webapp.http import auth
from webapp.http.services import services
from webapp.i18n.domain_texts import say_why
from webapp.i18n.languages import _
from webapp.senders.visits import Way
from webapp.ui import receipts

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from mailing.mailboxes.store import Mailbox
    from webapp.senders.visits import Visit

blueprint = Blueprint("mailbox_consents", __name__)
WAY = Way("/mailboxes/connected", "volley_mailbox_consent", "mailbox consent")


def back() -> str:
    """Return the whole address of the way back, as the provider must know it."""
    return WAY.address


@blueprint.get("/mailboxes/<id:mailbox_id>/connect")
@auth.needs(Permission.SENDERS)
async def begin(mailbox_id: int) -> Response:
    """Send the browser to the provider of a mailbox's account."""
    svc = services()
    it = await svc.read(store.get, mailbox_id)
    if it is None or it.provider not in PROVIDERS:
        return redirect(svc.at("/mailboxes"), 303)
    return WAY.leave(
        it.id, it.provider, tenant=it.tenant, client_id=it.client_id, user=it.username, scope=it.scope
    )


@blueprint.get(WAY.back)
@auth.needs(Permission.SENDERS)
async def finish() -> Response:
    """Keep the consent that the browser brings back."""
    svc, visit = services(), WAY.visit()
    if visit is None:
        abort(400, say_why(MailboxError(Reason("oauth.over"))))
    mailbox = await svc.read(store.get, visit.sender)
    if mailbox is None or not mailbox.provider:
        abort(404, say_why(MailboxError(Reason("mailbox.not-found"))))
    try:
        await _keep(mailbox, visit)
    except TokenError as trouble:
        abort(409 if trouble.lasts else 503, say_why(trouble))
    except MailboxError as refusal:
        abort(409, say_why(refusal))
    receipts.tell(_("Connected. Volley signs in within seconds."))
    return WAY.end(redirect(svc.at(f"/mailboxes/{visit.sender}"), 303))


async def _keep(mailbox: Mailbox, visit: Visit) -> None:
    svc, code = services(), request.args.get("code", "")
    key, name = svc.settings.secret_key, PROVIDERS[mailbox.provider].name
    if not code:
        raise MailboxError(Reason("mailbox.denied", name=mailbox.name))
    client_secret = store.open_secret(mailbox, "client_secret", key)
    grant = await consent.redeem(mailbox, client_secret, code=code, back=back(), verifier=visit.verifier)
    if not grant.refresh_token:
        raise MailboxError(Reason("mailbox.no-refresh", name=mailbox.name, provider=name))
    await svc.do(commands.connect, auth.person(), mailbox, grant.refresh_token, key)
