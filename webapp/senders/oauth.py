"""The way to an account's provider, where it gives its consent, and back (OAuth 2.0, RFC 6749 section 4.1).

A sealed cookie of its own, for the address of the way back alone, holds what only this browser knows: the
state, the verifier of PKCE (RFC 7636), and for which sender and in whose session it was begun.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import asdict, dataclass
from time import time
from typing import TYPE_CHECKING, Any

import orjson
from quart import Blueprint, abort, redirect, request

from mailing.accounts import sealing
from mailing.accounts.roles import Permission
from mailing.accounts.sealing import SealedElsewhereError
from mailing.core.reasons import Reason
from mailing.senders import consent, providers, store
from mailing.senders.providers import PROVIDERS
from mailing.senders.store import SenderError
from mailing.smtp.account import TokenError
from tasks.commands import senders as commands
from webapp.http import auth, origins
from webapp.http.services import services
from webapp.i18n.domain_texts import say_why
from webapp.i18n.languages import _
from webapp.ui import receipts

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from mailing.senders.store import Account

blueprint = Blueprint("oauth", __name__)
BACK = "/senders/connected"
COOKIE = "volley_consent"
VISIT_S = 600
_PLACE = "consent"  # for which the cookie is sealed


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit of a browser to a provider. ``began`` is in seconds since 1970, ``session`` an id or 0."""

    sender: int
    state: str
    verifier: str
    session: int
    began: int


def back() -> str:
    """Return the whole address of the way back, as the provider must know it."""
    svc = services()
    origin = svc.settings.url.origin if svc.settings.url else f"{request.scheme}://{request.host}"
    return origin + svc.at(BACK)


@blueprint.get("/senders/<id:sender_id>/connect")
@auth.needs(Permission.SENDERS)
async def begin(sender_id: int) -> Response:
    """Send the browser to the provider of a sender's account."""
    svc = services()
    account = await svc.read(store.get, sender_id)
    provider = PROVIDERS.get(account.provider) if account else None
    if account is None or provider is None:
        return redirect(svc.at("/senders"), 303)
    visit = Visit(sender_id, secrets.token_urlsafe(32), secrets.token_urlsafe(48), _session(), round(time()))
    url = providers.consent_url(
        provider,
        tenant=account.tenant,
        client_id=account.client_id,
        user=account.username,
        back=back(),
        state=visit.state,
        verifier=visit.verifier,
    )
    response = redirect(url, 303)
    sealed = sealing.seal(svc.settings.secret_key, _PLACE, orjson.dumps(asdict(visit)))
    response.set_cookie(_cookie(), sealed, max_age=VISIT_S, **_rights())
    return response


@blueprint.get(BACK)
@auth.needs(Permission.SENDERS)
async def finish() -> Response:
    """Keep the consent that the browser brings back."""
    svc, visit = services(), _visit()
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
    response = redirect(svc.at(f"/senders/{visit.sender}"), 303)
    response.delete_cookie(_cookie(), **_rights())
    return response


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


def _visit() -> Visit | None:
    """Return the visit from which this browser comes back; None if it began none, or somebody else did."""
    try:
        opened = sealing.unseal(services().settings.secret_key, _PLACE, request.cookies.get(_cookie(), ""))
    except SealedElsewhereError:
        return None
    visit = Visit(**orjson.loads(opened))
    state = request.args.get("state", "").encode("utf-8", "surrogatepass")
    same = hmac.compare_digest(state, visit.state.encode()) and visit.session == _session()
    return visit if same and abs(time() - visit.began) <= VISIT_S else None


def _session() -> int:
    """Return the id of the session of whoever asks; 0 where nobody needs to sign in."""
    mine = auth.viewer().session
    return mine.id if mine else 0


def _cookie() -> str:
    return f"__Secure-{COOKIE}" if origins.secure() else COOKIE


def _rights() -> dict[str, Any]:
    return {"path": services().at(BACK), "secure": origins.secure(), "httponly": True, "samesite": "Lax"}
