"""The authenticator app: asked for a code at sign-in, set up, turned off, and replaced by a recovery code.

Its secret is sealed with the secret key. After a change of that key no code can be checked: then a recovery
code helps, or ``volley user totp-off`` at the server.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import segno
from markupsafe import Markup
from quart import Blueprint, abort, redirect, render_template, request

from mailing.accounts import sealing, totp, users
from mailing.accounts.sealing import SealedElsewhereError
from mailing.accounts.users import AccountError
from mailing.core.clock import now_ms
from tasks.commands.accounts import factors, people
from webapp.accounts import doors, second_step, sign_in
from webapp.http import auth
from webapp.http.services import services
from webapp.i18n.domain_texts import say_why
from webapp.i18n.languages import _
from webapp.ui import receipts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from werkzeug.wrappers import Response

    from mailing.accounts.users import User

blueprint = Blueprint("authenticator", __name__)
_GROUP = 4


@blueprint.get("/sign-in/code")
@auth.open_to_all("who has given the password has no session yet")
async def ask() -> str | Response:
    """Ask whoever has given the password for a code."""
    step = await second_step.taken()
    return await _ask(step[0], "") if step else _again()


@blueprint.post("/sign-in/code")
@auth.open_to_all("who has given the password has no session yet")
async def check() -> Response | tuple[str, int]:
    """Let in whoever has given the password and an unused code."""
    form, svc, (address, _agent) = await request.form, services(), doors.here()
    step = await second_step.taken()
    if step is None:
        return _again()
    user, onward = step
    if wait := await doors.wait_s((f"code:{user.id}", doors.PER_ACCOUNT), doors.sender()):
        return await _ask(user, _("Too many attempts. Try again in %(n)s s.", n=wait)), 429
    if form.get("recovery"):
        how, good = "recovery", await svc.do(factors.use_recovery, user.id, form["recovery"])
        said = _("This recovery code is wrong, or was used before.")
    else:
        how, good = "code", await _use(user.id, form.get("code", ""))
        said = _("The code is wrong, or was used before. Enter the next one that the app shows.")
    if not good:
        await svc.do(people.refuse, user.email, user, address, how)
        return await _ask(user, said, recovering=how == "recovery"), 401
    return await sign_in.enter(user.id, f"password+{how}", onward)


@blueprint.get("/account/totp")
@auth.needs_account(fresh=True)
async def offer() -> str | Response:
    """Show a new secret, to be kept in an app."""
    user = await _me()
    if user.totp:
        return redirect(services().at("/account"), 303)
    return await _offer(user, totp.make(), {})


@blueprint.post("/account/totp")
@auth.needs_account(fresh=True)
async def turn_on() -> tuple[str, int]:
    """Ask for a code from now on, if the app shows the right one."""
    form, svc, user = await request.form, services(), await _me()
    try:
        secret = _unsealed(user.id, form.get("sealed", ""))
    except SealedElsewhereError:
        abort(400, _("This form is out of date. Reload the page."))
    first = totp.step(secret, form.get("code", ""), now_ms() // 1000)
    if first is None:
        fault = _("The code is wrong. Check that the phone's clock is right, and enter the code shown now.")
        return await _offer(user, secret, {"code": fault}), 422
    try:
        codes = await svc.do(factors.turn_on_totp, auth.person(), user.id, form["sealed"], first)
    except AccountError as refusal:
        abort(409, say_why(refusal))
    return await _codes(codes), 201


@blueprint.post("/account/totp/off")
@auth.needs_account(fresh=True)
async def turn_off() -> Response:
    """Turn the authenticator app off."""
    if await services().do(factors.turn_off_totp, auth.person(), (await _me()).id):
        receipts.tell(_("Authenticator app turned off. Sign-in asks for the password alone."))
    return redirect(services().at("/account"), 303)


@blueprint.post("/account/recovery-codes")
@auth.needs_account(fresh=True)
async def renew() -> tuple[str, int]:
    """Show new recovery codes; the earlier ones become invalid."""
    try:
        codes = await services().do(factors.renew_recovery, auth.person(), (await _me()).id)
    except AccountError as refusal:
        abort(409, say_why(refusal))
    return await _codes(codes), 201


async def section(user: User) -> Mapping[str, object]:
    """Return what the account page tells of the app."""
    return {
        "recovery_left": await services().read(totp.recovery_left, user.id),
        "unreadable": await _lost(user),
    }


async def _use(user_id: int, typed: str) -> bool:
    """Count the code that was typed; return False if it is wrong, used, or cannot be checked."""
    svc = services()
    sealed = await svc.read(totp.sealed, user_id)
    try:
        step = totp.step(_unsealed(user_id, sealed or ""), typed, now_ms() // 1000)
    except SealedElsewhereError:
        return False
    return step is not None and await svc.do(factors.use_code, user_id, sealed or "", step)


async def _lost(user: User) -> bool:
    """Return whether the secret was sealed with another secret key."""
    sealed = await services().read(totp.sealed, user.id)
    try:
        return sealed is not None and not _unsealed(user.id, sealed)
    except SealedElsewhereError:
        return True


def _place(user_id: int) -> tuple[str, str]:
    return services().settings.secret_key, f"user:{user_id}:totp"


def _unsealed(user_id: int, sealed: str) -> str:
    return sealing.unseal(*_place(user_id), sealed).decode()


async def _me() -> User:
    session = auth.viewer().session
    user = await services().read(users.get, session.user_id) if session else None
    assert user is not None
    return user


def _again() -> Response:
    receipts.tell(_("Five minutes have passed, or the password was changed. Sign in again."))
    return redirect(services().at("/sign-in"), 303)


async def _ask(user: User, said: str, *, recovering: bool = False) -> str:
    shown = {"user": user, "said": said, "recovering": recovering, "unreadable": await _lost(user)}
    return await render_template("accounts/code.html", **shown)


async def _offer(user: User, secret: str, faults: Mapping[str, str]) -> str:
    picture = await asyncio.to_thread(_picture, totp.address(secret, user.email))
    shown = " ".join(secret[at : at + _GROUP] for at in range(0, len(secret), _GROUP))
    sealed = sealing.seal(*_place(user.id), secret.encode())
    return await render_template(
        "accounts/authenticator.html", picture=picture, secret=shown, sealed=sealed, faults=faults
    )


def _picture(text: str) -> Markup:
    drawn = segno.make(text, micro=False).svg_inline(omitsize=True, border=4, svgclass=None, lineclass=None)
    return Markup(drawn)  # noqa: S704 - drawn by us


async def _codes(codes: Sequence[str]) -> str:
    return await render_template("accounts/recovery_codes.html", codes=codes)
