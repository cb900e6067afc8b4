"""The people: who may come in, with which role; invitations by link, which can be mailed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quart import Blueprint, abort, redirect, render_template, request

from mailing.accounts import invitations, users
from mailing.accounts.roles import Permission, Role
from mailing.accounts.users import AccountError
from mailing.core.reasons import Reason
from tasks.commands.accounts import people
from webapp.accounts import doors, letters
from webapp.http import auth
from webapp.http.services import services
from webapp.i18n.domain_texts import say, say_why
from webapp.i18n.languages import N_, _
from webapp.ui import receipts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jinja2 import Environment
    from werkzeug.wrappers import Response

    from mailing.core.actors import Actor
    from tasks.commands.backend import Backend

blueprint = Blueprint("people", __name__)
ROLES: Mapping[Role, tuple[str, str]] = {
    Role.OWNER: (N_("Owner"), N_("Everything, including people and keys")),
    Role.MANAGER: (N_("Manager"), N_("Lists, campaigns, sending, workers")),
    Role.WRITER: (N_("Writer"), N_("Drafts, without sending")),
    Role.VIEWER: (N_("Viewer"), N_("View only")),
}
_BROWSERS = (
    ("Edge", "Edg/"),
    ("Opera", "OPR/"),
    ("Firefox", "Firefox/"),
    ("Chrome", "Chrome/"),
    ("Safari", "Safari/"),
)
_SYSTEMS = (
    *(("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows")),
    *(("macOS", "Mac OS X"), ("Linux", "Linux")),
)


@dataclass(slots=True)
class Made:
    """An invitation whose link is shown, and whether it was mailed."""

    email: str
    token: str
    sent: bool = False
    failed: str = ""

    @property
    def link(self) -> str:
        """The link by which the account is made."""
        return doors.public(f"/invitations/{self.token}")


def install(env: Environment) -> None:
    """Give the templates of accounts what they ask for."""
    env.filters.update(role=lambda role: _(ROLES[role][0]), browser=browser)


def browser(agent: str) -> str:
    """Return what a browser calls itself, in two words."""
    which = next((name for name, sign in _BROWSERS if sign in agent), _("Unknown browser"))
    system = next((name for name, sign in _SYSTEMS if sign in agent), "")
    return _("%(browser)s on %(system)s", browser=which, system=system) if system else which


@blueprint.get("/people")
@auth.needs(Permission.PEOPLE)
async def index() -> str:
    """Show everybody, and the open invitations."""
    return await _page({}, {})


@blueprint.post("/people")
@auth.needs(Permission.PEOPLE)
async def invite() -> Response | tuple[str, int]:
    """Invite somebody: the link is shown once, to be copied."""
    form, svc, faults = await request.form, services(), dict[str, str]()
    email, role = doors.address(faults, form.get("email", "")), doors.role(form.get("role", ""))
    if faults:
        return await _page(form, faults), 422
    try:
        token = await svc.do(people.invite, auth.person(), email, role)
    except AccountError as refusal:
        return await _page(form, {"email": say_why(refusal)}), 409
    return await _page({}, {}, made=Made(email, token)), 201


@blueprint.post("/people/invitations/mail")
@auth.needs(Permission.PEOPLE)
async def mail() -> tuple[str, int]:
    """Send the link of an invitation to whom it is for; the page shows it once more."""
    token, svc, mine = (await request.form).get("token", ""), services(), auth.viewer().session
    invitation = await svc.read(invitations.find, token)
    if invitation is None:
        abort(409, say(Reason("account.invitation-over")))
    made = Made(invitation.email, token)
    if mine and (wait := await doors.wait_s((f"letters:{mine.user_id}", doors.PER_ADDRESS))):
        made.failed = _("Too many attempts. Try again in %(n)s s.", n=wait)
        return await _page({}, {}, made=made), 429
    failed = await letters.invite(svc.settings, invitation, made.link, auth.person().name)
    await svc.do(people.note_letter, auth.person(), invitation, sent=failed is None)
    made.sent = failed is None
    if failed is not None:
        made.failed = _("The mail server didn't accept the email. Copy the link instead.") + " " + say(failed)
    return await _page({}, {}, made=made), 502 if failed else 200


@blueprint.post("/people/invitations/<id:invitation_id>/revoke")
@auth.needs(Permission.PEOPLE)
async def revoke(invitation_id: int) -> Response:
    """End an invitation."""
    await services().do(people.revoke, auth.person(), invitation_id)
    receipts.tell(_("Invitation revoked."))
    return redirect(services().at("/people"), 303)


@blueprint.post("/people/<id:user_id>/role")
@auth.needs(Permission.PEOPLE)
async def change_role(user_id: int) -> Response:
    """Give somebody another role."""
    role = doors.role((await request.form).get("role", ""))
    return await _change(people.change_role, _("Role changed."), user_id, role)


@blueprint.post("/people/<id:user_id>/<any(deactivate, reactivate):verb>")
@auth.needs(Permission.PEOPLE)
async def let_in(user_id: int, verb: str) -> Response:
    """Deactivate or reactivate an account."""
    if verb == "deactivate":
        return await _change(people.deactivate, _("Deactivated. All sessions and keys have ended."), user_id)
    return await _change(people.reactivate, _("Reactivated."), user_id)


@blueprint.post("/people/<id:user_id>/sign-out")
@auth.needs(Permission.PEOPLE)
async def sign_out(user_id: int) -> Response:
    """End somebody's sessions, who may sign in again."""
    return await _change(
        people.sign_out_everywhere, _("Signed out: all sessions of this person have ended."), user_id
    )


async def _change(command: Callable[..., object], told: str, *values: object) -> Response:
    svc = services()
    doing: Callable[[Backend, Actor], object] = lambda backend, actor: command(backend, actor, *values)  # noqa: E731
    try:
        await svc.do(doing, auth.person())
    except AccountError as refusal:
        abort(409, say_why(refusal))
    svc.doors.forget()
    receipts.tell(told)
    return redirect(svc.at("/people"), 303)


async def _page(typed: Mapping[str, str], faults: Mapping[str, str], made: Made | None = None) -> str:
    svc = services()
    return await render_template(
        "accounts/people.html",
        section="people",
        people=await svc.read(users.listed),
        invitations=await svc.read(invitations.listed),
        ROLES=ROLES,
        mine=auth.viewer().session,
        typed=typed,
        faults=faults,
        made=made,
    )
