"""The first account, signing in and out, invitations, and showing again who one is.

Nothing tells whether an address has an account: a wrong password and an unknown address are answered alike,
after the same time. Every try counts, for the account and for the address that it comes from.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from quart import Blueprint, abort, redirect, render_template, request, session

from mailing.accounts import invitations, passkeys, tokens, users
from mailing.accounts.users import AccountError
from tasks.commands.accounts import people
from webapp.accounts import ceremonies, doors, second_step
from webapp.http import auth
from webapp.http.services import services
from webapp.i18n.domain_texts import say_why
from webapp.i18n.languages import _

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

blueprint = Blueprint("sign_in", __name__)
_STRANGER = "those who have no session yet come here"
_FIRST = "nobody has an account before the first one is created"


@blueprint.get("/setup")
@auth.open_to_all(_FIRST, always=True)
async def setup() -> str | Response:
    """Show the form for the first account, to whoever may make it."""
    if await services().read(users.any_exist):
        return redirect(services().at("/sign-in"), 303)
    _check_link()
    return await _setup({}, {})


@blueprint.post("/setup")
@auth.open_to_all(_FIRST, always=True)
async def set_up() -> Response | tuple[str, int]:
    """Make the first account, an owner's, and sign in."""
    _check_link()
    form, faults = await request.form, dict[str, str]()
    email = doors.address(faults, form.get("email", ""))
    typed = doors.password(faults, form, email)
    if faults:
        return await _setup(form, faults), 422
    svc, (address, _agent) = services(), doors.here()
    try:
        user_id = await svc.do(people.set_up, email, await doors.kept(typed), address)
    except AccountError as refusal:
        abort(409, say_why(refusal))
    return await enter(user_id, "password", "/")


@blueprint.get("/sign-in")
@auth.open_to_all(_STRANGER)
async def ask() -> str | Response:
    """Show the form."""
    if not await services().doors.accounts_exist():
        return redirect(services().at("/setup"), 303)
    if auth.viewer().session:
        return redirect(doors.onward(request.args.get("next", "/")), 303)
    return await page({"next": request.args.get("next", "/")}, "")


@blueprint.post("/sign-in")
@auth.open_to_all(_STRANGER)
async def sign_in() -> Response | tuple[str, int]:
    """Let somebody in by password."""
    form, svc = await request.form, services()
    email, typed = form.get("email", "").strip(), form.get("password", "")
    address, _agent = doors.here()
    account = tokens.digest(email.lower())[:32]
    if wait := await doors.wait_s((f"account:{account}", doors.PER_ACCOUNT), doors.sender()):
        return await page(form, _("Too many attempts. Try again in %(n)s s.", n=wait)), 429
    user = await svc.read(users.find, email)
    hashed = await svc.read(users.password_of, user.id) if user and user.active else None
    if not await doors.matches(hashed, typed):
        await svc.do(people.refuse, email, user, address, "password")
        return await page(form, _("The email address or the password is wrong.")), 401
    assert user is not None
    assert hashed is not None
    onward = form.get("next", "/")
    return second_step.begin(user, hashed, onward) if user.totp else await enter(user.id, "password", onward)


@blueprint.post("/sign-out")
@auth.open_to_all("a session that has ended needs no end")
async def sign_out() -> Response:
    """End this session."""
    if mine := auth.viewer().session:
        await services().do(people.sign_out, auth.person(), mine.user_id, mine.id)
    session.clear()
    return auth.drop(redirect(services().at("/sign-in"), 303))


@blueprint.get("/confirm")
@auth.needs_account()
async def again() -> str:
    """Ask for the password again."""
    return await confirm_page({"next": request.args.get("next", "/")}, "")


@blueprint.post("/confirm")
@auth.needs_account()
async def confirm() -> Response | tuple[str, int]:
    """Look whether whoever uses the session is who began it."""
    form, svc, mine = await request.form, services(), auth.viewer().session
    assert mine is not None
    if wait := await doors.wait_s((f"confirm:{mine.user_id}", doors.PER_ACCOUNT)):
        return await confirm_page(form, _("Too many attempts. Try again in %(n)s s.", n=wait)), 429
    hashed = await svc.read(users.password_of, mine.user_id)
    if not await doors.matches(hashed, form.get("password", "")):
        return await confirm_page(form, _("The password is wrong.")), 401
    return await confirmed("password", form.get("next", "/"))


@blueprint.get("/invitations/<token>")
@auth.open_to_all("the link is the right to make an account")
async def invited(token: str) -> str | tuple[str, int]:
    """Show the form of an invitation."""
    invitation = await services().read(invitations.find, token)
    return await _invited(token, invitation, {}), 200 if invitation else 404


@blueprint.post("/invitations/<token>")
@auth.open_to_all("the link is the right to make an account")
async def accept(token: str) -> Response | tuple[str, int]:
    """Make the account, and sign in."""
    form, svc, faults = await request.form, services(), dict[str, str]()
    invitation = await svc.read(invitations.find, token)
    if invitation is None:
        return await _invited(token, None, {}), 404
    typed = doors.password(faults, form, invitation.email)
    if faults:
        return await _invited(token, invitation, faults), 422
    try:
        user_id = await svc.do(people.accept, token, await doors.kept(typed), doors.here()[0])
    except AccountError as refusal:
        abort(409, say_why(refusal))
    return await enter(user_id, "invitation", "/")


async def enter(user_id: int, how: str, onward: str) -> Response:
    """Begin a session, with a cookie and form tokens of its own, and go on."""
    svc, (address, agent) = services(), doors.here()
    user = await svc.read(users.get, user_id)
    assert user is not None
    try:
        token = await svc.do(people.sign_in, user, address, agent, how, before=auth.token())
    except AccountError as refusal:
        abort(401, say_why(refusal))
    session.clear()
    return auth.keep(redirect(doors.onward(onward), 303), token)


async def confirmed(how: str, onward: str) -> Response:
    """Go on in the session under a new token: whoever uses it has shown who they are."""
    mine = auth.viewer().session
    assert mine is not None
    token = await services().do(people.confirm, auth.person(), mine.id, how)
    return auth.keep(redirect(doors.onward(onward), 303), token)


async def page(typed: object, said: str) -> str:
    """Show the form to sign in. Passkeys are spoken of where somebody has one and the browser may use it."""
    usable = not ceremonies.why_not() and await services().read(passkeys.any_exist)
    return await render_template("accounts/sign_in.html", typed=typed, said=said, passkeys=usable)


async def confirm_page(typed: object, said: str) -> str:
    """Show the forms to confirm who one is: by what one has."""
    svc, mine = services(), auth.viewer().session
    assert mine is not None
    usable = not ceremonies.why_not() and bool(await svc.read(passkeys.listed, mine.user_id))
    user = await svc.read(users.get, mine.user_id)
    return await render_template("accounts/confirm.html", typed=typed, said=said, user=user, passkeys=usable)


def _check_link() -> None:
    settings = services().settings
    given = request.args.get("token", "")
    if not settings.private and not hmac.compare_digest(
        given.encode(), tokens.set_up(settings.secret_key).encode()
    ):
        raise auth.NotSetUpError(403)


async def _setup(typed: object, faults: dict[str, str]) -> str:
    token = request.args.get("token", "")
    return await render_template("accounts/setup.html", typed=typed, faults=faults, token=token)


async def _invited(token: str, invitation: object, faults: dict[str, str]) -> str:
    return await render_template("accounts/invited.html", token=token, invitation=invitation, faults=faults)
