"""Passkeys: added, removed, and used to sign in and to show again who one is.

A form posts what the browser answered, as JSON in a field, so that it is guarded as every form is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Blueprint, Response, abort, redirect, render_template, request

from mailing.accounts import passkeys, users
from mailing.accounts.users import AccountError
from tasks.commands.accounts import factors, people
from webapp.accounts import ceremonies, doors, sign_in
from webapp.accounts.ceremonies import Purpose
from webapp.accounts.people import browser
from webapp.http import auth
from webapp.http.services import services
from webapp.i18n.domain_texts import say_why
from webapp.i18n.languages import _
from webapp.ui import receipts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from werkzeug.wrappers import Response as AnyResponse

    from mailing.accounts.passkeys import Passkey
    from mailing.accounts.sessions import Session
    from mailing.accounts.users import User

blueprint = Blueprint("passkeys", __name__)
_STRANGER = "those who have no session yet come here"


@blueprint.get("/sign-in/passkey.json")
@auth.open_to_all(_STRANGER)
async def to_sign_in() -> Response:
    """Send what the browser is asked: any passkey of this host."""
    return _json(ceremonies.to_prove(Purpose.SIGN_IN))


@blueprint.post("/sign-in/passkey")
@auth.open_to_all(_STRANGER)
async def enter() -> AnyResponse | tuple[str, int]:
    """Let in whoever has the passkey of an account."""
    form, svc, (address, _agent) = await request.form, services(), doors.here()
    if wait := await doors.wait_s(doors.sender()):
        return await sign_in.page(form, _("Too many attempts. Try again in %(n)s s.", n=wait)), 429
    passkey, user = await _proof(Purpose.SIGN_IN, 0, form.get("credential", ""))
    if passkey is None or user is None or not user.active:
        await svc.do(people.refuse, user.email if user else "", user, address, "passkey")
        return await sign_in.page(
            form, _("This passkey was not accepted. Try again, or sign in another way.")
        ), 401
    return await sign_in.enter(user.id, "passkey", form.get("next", "/"))


@blueprint.get("/confirm/passkey.json")
@auth.needs_account()
async def to_confirm() -> Response:
    """Send what the browser is asked: one of the viewer's passkeys."""
    mine = _mine().user_id
    known = await services().read(passkeys.listed, mine)
    return _json(ceremonies.to_prove(Purpose.CONFIRM, mine, known))


@blueprint.post("/confirm/passkey")
@auth.needs_account()
async def confirm() -> AnyResponse | tuple[str, int]:
    """Look whether whoever uses the session has a passkey of its owner."""
    form, mine = await request.form, _mine()
    if wait := await doors.wait_s((f"confirm:{mine.user_id}", doors.PER_ACCOUNT)):
        return await sign_in.confirm_page(form, _("Too many attempts. Try again in %(n)s s.", n=wait)), 429
    passkey, _user = await _proof(Purpose.CONFIRM, mine.user_id, form.get("credential", ""))
    if passkey is None:
        return await sign_in.confirm_page(form, _("This passkey was not accepted. Try again.")), 401
    return await sign_in.confirmed("passkey", form.get("next", "/"))


@blueprint.get("/account/passkeys/new")
@auth.needs_account(fresh=True)
async def offer() -> str:
    """Show the form for a new passkey."""
    return await _offer("", browser(doors.here()[1]))


@blueprint.get("/account/passkeys/new.json")
@auth.needs_account(fresh=True)
async def to_add() -> Response:
    """Send what the browser is asked: a new passkey on a device that has none yet."""
    svc, mine = services(), _mine()
    handle = await svc.read(passkeys.handle, mine.user_id)
    known = await svc.read(passkeys.listed, mine.user_id)
    return _json(ceremonies.to_add(mine.user_id, handle, mine.email, known))


@blueprint.post("/account/passkeys")
@auth.needs_account(fresh=True)
async def add() -> AnyResponse | tuple[str, int]:
    """Keep a new passkey."""
    form, svc, mine = await request.form, services(), _mine()
    name = form.get("name", "").strip()[: passkeys.LONGEST_NAME] or browser(doors.here()[1])
    made = ceremonies.added(mine.user_id, form.get("credential", ""))
    if made is None:
        return await _offer(_("The passkey could not be checked. Try again."), name), 422
    credential, challenge = made
    try:
        await svc.do(
            factors.add_passkey, auth.person(), mine.user_id, credential, challenge=challenge, name=name
        )
    except AccountError as refusal:
        return await _offer(say_why(refusal), name), 409
    receipts.tell(_("Passkey added. You can sign in with it from now on."))
    return redirect(svc.at("/account"), 303)


@blueprint.post("/account/passkeys/<id:passkey_id>/remove")
@auth.needs_account(fresh=True)
async def remove(passkey_id: int) -> AnyResponse:
    """Drop one of the viewer's passkeys."""
    try:
        await services().do(factors.remove_passkey, auth.person(), _mine().user_id, passkey_id)
    except AccountError as refusal:
        abort(409, say_why(refusal))
    receipts.tell(_("Passkey removed."))
    return redirect(services().at("/account"), 303)


async def section(user: User) -> Mapping[str, object]:
    """Return what the account page tells of passkeys."""
    return {"passkeys": await services().read(passkeys.listed, user.id), "why_not": ceremonies.why_not()}


async def _proof(purpose: Purpose, user_id: int, text: str) -> tuple[Passkey | None, User | None]:
    """Return the passkey by which this answer was made, None if it is no proof; and whose it claims to be."""
    svc, answer = services(), ceremonies.answered(purpose, user_id, text)
    passkey = await svc.read(passkeys.find, answer.credential.raw_id) if answer else None
    if answer is None or passkey is None or user_id not in {0, passkey.user_id}:
        return None, None
    user = await svc.read(users.get, passkey.user_id)
    handle = await svc.read(passkeys.handle, passkey.user_id)
    count = ceremonies.proven(answer, passkey, handle)
    if count is None or not await svc.do(factors.use_passkey, passkey, answer.challenge, count):
        return None, user
    return passkey, user


def _mine() -> Session:
    mine = auth.viewer().session
    assert mine is not None
    return mine


def _json(text: str) -> Response:
    return Response(text, content_type="application/json")


async def _offer(said: str, name: str) -> str:
    return await render_template("accounts/passkey.html", said=said, name=name, why_not=ceremonies.why_not())
