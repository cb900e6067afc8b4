"""One's own account: the password, and where one is signed in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Blueprint, redirect, render_template, request

from mailing.accounts import sessions, users
from tasks.commands.accounts import people
from webapp.accounts import authenticator, doors, passkeys
from webapp.http import auth
from webapp.http.services import services
from webapp.i18n.languages import _, ngettext
from webapp.ui import receipts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from werkzeug.wrappers import Response

    from mailing.accounts.sessions import Session

blueprint = Blueprint("account", __name__)


@blueprint.get("/account")
@auth.needs_account()
async def show() -> str:
    """Show one's own account."""
    return await _page({})


@blueprint.post("/account/password")
@auth.needs_account()
async def change_password() -> Response | tuple[str, int]:
    """Change the password of somebody who knows the old one. All other sessions end."""
    form, svc, mine, faults = await request.form, services(), _mine(), dict[str, str]()
    if wait := await doors.wait_s((f"confirm:{mine.user_id}", doors.PER_ACCOUNT)):
        return await _page({"old": _("Too many attempts. Try again in %(n)s s.", n=wait)}), 429
    if not await doors.matches(await svc.read(users.password_of, mine.user_id), form.get("old", "")):
        return await _page({"old": _("The password is wrong.")}), 401
    typed = doors.password(faults, form, mine.email)
    if faults:
        return await _page(faults), 422
    hashed = await doors.kept(typed)
    await svc.do(people.change_password, auth.person(), mine.user_id, hashed, session=mine.id)
    svc.doors.forget()
    receipts.tell(_("Password changed. All other sessions have ended."))
    return redirect(svc.at("/account"), 303)


@blueprint.post("/account/sessions/<id:session_id>/end")
@auth.needs_account(fresh=True)
async def end_session(session_id: int) -> Response:
    """End one of one's own sessions."""
    svc = services()
    await svc.do(people.sign_out, auth.person(), _mine().user_id, session_id)
    svc.doors.forget()
    receipts.tell(_("Session ended."))
    return redirect(svc.at("/account"), 303)


@blueprint.post("/account/sessions/end")
@auth.needs_account(fresh=True)
async def end_others() -> Response:
    """End all of one's own sessions but this one."""
    svc, mine = services(), _mine()
    ended = await svc.do(people.sign_out_everywhere, auth.person(), mine.user_id, but=mine.id)
    svc.doors.forget()
    receipts.tell(ngettext("%(n)s other session ended.", "%(n)s other sessions ended.", ended))
    return redirect(svc.at("/account"), 303)


def _mine() -> Session:
    mine = auth.viewer().session
    assert mine is not None
    return mine


async def _page(faults: Mapping[str, str]) -> str:
    svc, mine = services(), _mine()
    user = await svc.read(users.get, mine.user_id)
    found = await svc.read(sessions.listed, mine.user_id)
    assert user is not None
    return await render_template(
        "accounts/account.html",
        section="account",
        user=user,
        sessions=found,
        mine=mine,
        faults=faults,
        **await authenticator.section(user),
        **await passkeys.section(user),
    )
