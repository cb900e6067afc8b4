"""Signing in at an issuer (OpenID Connect): the way there, and what happens when the browser comes back.

A sealed cookie of its own, for the address of the way back alone, holds what only this browser knows: state,
nonce and the verifier of PKCE (RFC 7636). It counts once, for ten minutes. Each failure shows the page that
the browser left, with the reason; the password works all the while.
"""

from __future__ import annotations

import hmac
from dataclasses import asdict
from time import time
from typing import TYPE_CHECKING, Any

import orjson
from quart import Blueprint, abort, current_app, make_response, redirect, request

from mailing.accounts import openid, sealing, tokens, users
from mailing.accounts.openid import VISIT_S, OpenIdError, Visit
from mailing.accounts.sealing import SealedElsewhereError
from mailing.accounts.throttle import Limit
from mailing.accounts.users import AccountError
from mailing.core.reasons import Reason
from tasks.commands.accounts import people
from webapp.accounts import doors, sign_in
from webapp.accounts.issuer import Issuer
from webapp.http import auth, origins
from webapp.http.services import services
from webapp.i18n.domain_texts import say_why
from webapp.i18n.languages import _

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quart import Quart
    from quart.typing import ResponseTypes
    from werkzeug.wrappers import Response

    from mailing.accounts.openid import Claims, Identity
    from mailing.accounts.openid_settings import OpenId
    from mailing.core.reasons import ReasonError

blueprint = Blueprint("oidc", __name__)
BACK = "/sign-in/openid/callback"
COOKIE = "volley_openid"
_PLACE = "openid"  # for which the cookie is sealed
_ONCE = Limit(1, VISIT_S * 1000)
_LONGEST_ONWARD = 1000  # characters, so that the cookie has room
_STATUS: Mapping[str, int] = {"openid.unreachable": 503, "openid.unusable": 502, "openid.over": 400}


def install(app: Quart, settings: OpenId | None) -> None:
    """Let people sign in by the issuer of the settings, if there is one."""
    app.extensions["openid"] = Issuer(settings) if settings else None
    app.jinja_env.globals["openid"] = settings.name if settings else ""


@blueprint.get("/sign-in/openid")
@auth.open_to_all("people without a session come here")
async def begin() -> ResponseTypes:
    """Send the browser to the issuer."""
    if not await services().doors.accounts_exist():
        return redirect(services().at("/setup"), 303)
    if auth.viewer().session:
        return redirect(doors.onward(request.args.get("next", "/")), 303)
    return await _leave(0)


@blueprint.get("/confirm/openid")
@auth.needs_account()
async def begin_again() -> ResponseTypes:
    """Send the browser to the issuer, where the same person must sign in again."""
    mine = auth.viewer().session
    assert mine is not None
    return await _leave(mine.id)


@blueprint.get(BACK)
@auth.open_to_all("what the issuer proves is the right to come in")
async def finish() -> ResponseTypes:
    """Let in whoever has signed in at the issuer."""
    issuer, visit = _issuer(), await _visit()
    over = OpenIdError(Reason("openid.over"))
    response = await (_arrive(issuer, visit) if visit else _refuse(None, over))
    response.delete_cookie(_cookie(), **_rights())
    return response


async def _arrive(issuer: Issuer, visit: Visit) -> ResponseTypes:
    svc, address, email = services(), doors.here()[0], ""
    try:
        provider, claims = await issuer.claims(visit, request.args, doors.public(BACK))
        who = openid.identify(issuer.settings, provider, claims)
        email = who.email
        if visit.session:
            return await _confirm(issuer, visit, who, claims)
        user_id = await svc.do(people.admit, issuer.settings, who, address)
    except (OpenIdError, AccountError) as refusal:
        await svc.do(people.refuse, email, None, address, f"openid: {refusal.reason.code}")
        return await _refuse(visit, refusal)
    return await sign_in.enter(user_id, "openid", visit.onward)


async def _leave(session: int) -> ResponseTypes:
    issuer, onward = _issuer(), request.args.get("next", "/")
    visit = Visit(
        state=tokens.make(),
        nonce=tokens.make(),
        verifier=tokens.make(),
        onward=onward if len(onward) <= _LONGEST_ONWARD else "/",
        began=round(time()),
        session=session,
    )
    if wait := await doors.wait_s(doors.sender()):
        return await _show(visit, _("Too many attempts. Try again in %(n)s s.", n=wait), 429)
    try:
        url = await issuer.address(visit, doors.public(BACK))
    except OpenIdError as refusal:
        return await _refuse(visit, refusal)
    response = redirect(url, 303)
    sealed = sealing.seal(services().settings.secret_key, _PLACE, orjson.dumps(asdict(visit)))
    response.set_cookie(_cookie(), sealed, max_age=VISIT_S, **_rights())
    return response


async def _confirm(issuer: Issuer, visit: Visit, who: Identity, claims: Claims) -> Response:
    """Note that whoever uses the session has signed in again: its own user, and just now."""
    svc, mine = services(), auth.viewer().session
    if mine is None or mine.id != visit.session:
        raise OpenIdError(Reason("openid.over"))
    owner = await svc.read(users.of_identity, who.issuer, who.subject)
    if owner is None or owner.id != mine.user_id:
        raise OpenIdError(Reason("openid.other-person", name=issuer.settings.name))
    if not openid.is_again(claims, began=visit.began, now=round(time())):
        raise OpenIdError(Reason("openid.not-again", name=issuer.settings.name))
    return await sign_in.confirmed("openid", visit.onward)


def _issuer() -> Issuer:
    issuer: Issuer | None = current_app.extensions["openid"]
    return issuer or abort(404)


async def _visit() -> Visit | None:
    """Return the visit from which this browser comes back; None if it began none, or came back before."""
    try:
        secret_key = services().settings.secret_key
        opened = sealing.unseal(secret_key, _PLACE, request.cookies.get(_cookie(), ""))
    except SealedElsewhereError:
        return None
    visit = Visit(**orjson.loads(opened))
    state = request.args.get("state", "").encode("utf-8", "surrogatepass")
    if not hmac.compare_digest(state, visit.state.encode()) or abs(time() - visit.began) > VISIT_S:
        return None
    used = await doors.wait_s((f"openid:{tokens.digest(visit.state)[:32]}", _ONCE))
    return None if used else visit


async def _refuse(visit: Visit | None, refusal: ReasonError) -> ResponseTypes:
    return await _show(visit, say_why(refusal), _STATUS.get(refusal.reason.code, 401))


async def _show(visit: Visit | None, said: str, status: int) -> ResponseTypes:
    """Show the page from which the browser left, with what went wrong."""
    typed = {"next": visit.onward if visit else "/"}
    again = visit is not None and visit.session and auth.viewer().session
    text = await (sign_in.confirm_page(typed, said) if again else sign_in.page(typed, said))
    return await make_response(text, status)


def _cookie() -> str:
    return f"__Secure-{COOKIE}" if origins.secure() else COOKIE


def _rights() -> dict[str, Any]:
    return {"path": services().at(BACK), "secure": origins.secure(), "httponly": True, "samesite": "Lax"}
