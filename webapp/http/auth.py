"""Who asks, and what they may do: looked at before each request, against what its route needs.

Each route names what it needs beside its address: a permission (``needs``), somebody with an account
(``needs_account``), a program with its key (``needs_key``), or nothing, with the reason (``open_to_all``). A
route that names nothing is refused. Programs come in under ``/api/`` only, with what ``bearers`` takes.
Without an account there are two cases. On a machine of one's own, everybody may do nearly everything; where
others can reach the server, all that is allowed is to set it up.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from quart import abort, current_app, g, redirect, request
from werkzeug.exceptions import ServiceUnavailable, Unauthorized

from mailing.accounts import tokens
from mailing.accounts.roles import ANYBODY, NOTHING, PERMISSIONS, SENSITIVE, Permission
from mailing.accounts.sessions import CONFIRMED_MS
from mailing.core.actors import Actor, ActorKind
from mailing.core.clock import now_ms
from mailing.core.states import CampaignState
from webapp.http import origins, problems
from webapp.http.problems import Problem
from webapp.http.services import services
from webapp.i18n.languages import _
from webapp.programs.bearers import NotAdmittedError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from quart.typing import ResponseReturnValue
    from werkzeug.wrappers import Response as AnyResponse

    from mailing.accounts.sessions import Session
    from mailing.campaigns.queries import Campaign
    from mailing.programs.api_keys import Bearer
    from webapp.http.doorkeeper import Doorkeeper

    View = TypeVar("View", bound=Callable[..., object])

API = "/api/v1/"
_REFUSED = frozenset({401, 403})
COOKIE = "volley_session"


@dataclass(frozen=True, slots=True)
class Door:
    """What a route needs. ``reason``: why it needs nothing."""

    permission: Permission | None = None
    account: bool = False
    fresh: bool = False  # shown lately who they are
    key: bool = False  # a program, by its key itself
    reason: str = ""
    always: bool = False  # also where Volley isn't set up yet; who asks is not looked at


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks. With neither a session nor a bearer it is anybody, or nobody."""

    actor: Actor
    permissions: frozenset[Permission]
    session: Session | None = None
    bearer: Bearer | None = None


class NotSetUpError(ServiceUnavailable):
    """Nobody has an account yet, and others can reach this Volley: without its link it shows nothing."""

    def __init__(self, code: int = 503) -> None:
        super().__init__(
            _("Volley isn't set up yet. Open the link in the server's log, or run: volley setup-link")
        )
        self.code = code


NOBODY = Viewer(Actor(ActorKind.PERSON), NOTHING)


def needs(permission: Permission) -> Callable[[View], View]:
    """Let in who has this permission; for what is sensitive, who has lately shown who they are."""
    return _put(Door(permission, account=permission in SENSITIVE, fresh=permission in SENSITIVE))


def needs_account(*, fresh: bool = False) -> Callable[[View], View]:
    """Let in whoever has an account, about which the page is."""
    return _put(Door(account=True, fresh=fresh))


def needs_key() -> Callable[[View], View]:
    """Let in a program that shows its key itself, and no token made for one."""
    return _put(Door(key=True))


def open_to_all(reason: str, *, always: bool = False) -> Callable[[View], View]:
    """Let in everybody, for a reason; ``always``: also where Volley isn't set up yet."""
    return _put(Door(reason=reason, always=always))


def _put(door: Door) -> Callable[[View], View]:
    def put(view: View) -> View:
        view.door = door  # type: ignore[attr-defined]
        return view

    return put


def viewer() -> Viewer:
    """Return who asks."""
    found: Viewer = g.get("viewer", NOBODY)
    return found


def rights() -> frozenset[Permission]:
    """Return what the viewer of this request may do."""
    return viewer().permissions


def may_edit(campaign: Campaign) -> None:
    """Refuse whoever may write and not send, where a campaign is scheduled: it is sent as it is edited."""
    if campaign.state is CampaignState.SCHEDULED and Permission.SEND not in rights():
        abort(403, _("This campaign is scheduled. Only people who may send campaigns can change it now."))


def person() -> Actor:
    """Return who asks at the pages."""
    return viewer().actor


def program() -> Actor:
    """Return who asks over the API: a key, or a person's own browser."""
    actor = viewer().actor
    return actor if actor.name else Actor(ActorKind.API, address=actor.address)


def cookie_name() -> str:
    """Return the name of the session's cookie: on HTTPS no other host can set it (RFC 6265bis 4.1.3.2)."""
    return f"__Host-{COOKIE}" if origins.secure() else COOKIE


def token() -> str:
    """Return the session's token that came with a request; empty if none did.

    It is signed, so that a new secret key ends all sessions, and no made-up one costs a look at the database.
    """
    return tokens.proven(services().settings.secret_key, request.cookies.get(cookie_name(), ""))


def keep(response: AnyResponse, token: str) -> AnyResponse:
    """Keep a session's token in the browser that asks, until it is closed or the session ends."""
    signed = tokens.signed(services().settings.secret_key, token)
    response.set_cookie(
        cookie_name(), signed, path="/", secure=origins.secure(), httponly=True, samesite="Lax"
    )
    services().doors.forget()
    return response


def drop(response: AnyResponse) -> AnyResponse:
    """Take the token out of the browser that asks."""
    response.delete_cookie(cookie_name(), path="/", secure=origins.secure(), httponly=True, samesite="Lax")
    services().doors.forget()
    return response


async def guard() -> ResponseReturnValue | None:
    """Let a request in, or answer it: before each."""
    if request.routing_exception:
        return None
    view = current_app.view_functions.get(request.endpoint or "")
    door: Door | None = getattr(view, "door", None)
    if door is None:
        abort(403, _("This address isn't open to anyone."))
    if door.always:
        return None
    doors, address, sent = services().doors, request.remote_addr or "", token()
    if request.path.startswith(API):
        try:
            admit = services().bearers.admit
            told = {"itself": door.key, "person": door.account, "session": bool(sent)}
            if bearer := await admit(door.permission, **told):
                key_id = bearer.key.id if bearer.key else None
                actor = Actor(ActorKind.API, bearer.name, key_id, address)
                g.viewer = Viewer(actor, bearer.permissions, bearer=bearer)
                return None
        except NotAdmittedError as no:
            if no.status in _REFUSED:
                key = no.bearer.key if no.bearer else None
                name = no.bearer.name if no.bearer else ""
                who = Actor(ActorKind.API, name, key.id if key else None, address)
                await doors.refused(who, no.code, door.permission or "")
            return problems.respond(Problem(no.status, str(no), no.code, headers=no.headers))
    session = await doors.session(sent) if sent else None
    if session:
        actor = Actor(ActorKind.PERSON, session.email, session.user_id, address)
        g.viewer = Viewer(actor, PERMISSIONS[session.role], session)
    elif not await doors.accounts_exist():
        return await _without_accounts(door, address)
    return None if door.reason else await _decide(door, viewer())


async def _without_accounts(door: Door, address: str) -> ResponseReturnValue | None:
    if not services().settings.private:
        raise NotSetUpError
    if door.reason:
        return None
    beyond = door.permission and door.permission not in ANYBODY
    if door.account or (beyond and not request.path.startswith(API)):
        return redirect(services().at("/setup"), 303)
    g.viewer = Viewer(Actor(ActorKind.PERSON, address=address), ANYBODY)
    return await _decide(door, g.viewer)


async def _decide(door: Door, who: Viewer) -> ResponseReturnValue | None:
    if door.key:
        raise Unauthorized
    signed_in = who.session is not None or who.permissions != NOTHING
    if not signed_in:
        return _ask_to_sign_in()
    if door.permission and door.permission not in who.permissions:
        await services().doors.refused(who.actor, "role", door.permission)
        abort(403, _("Your role doesn't allow this. Ask an owner of this Volley."))
    if door.fresh and who.session and who.session.confirmed_at < now_ms() - CONFIRMED_MS:
        page = request.full_path if request.method == "GET" else origins.page_before() or "/"
        return redirect(services().at(f"/confirm?next={quote(page.rstrip('?'))}"), 303)
    return None


def _ask_to_sign_in() -> ResponseReturnValue:
    page = request.full_path.rstrip("?")
    if request.path.startswith(API):
        raise Unauthorized
    if _asks_for_a_page():
        return redirect(services().at(f"/sign-in?next={quote(page)}"), 303)
    raise Unauthorized(_("Sign in, then try again."))


def _asks_for_a_page() -> bool:
    """Return whether a reader is on the way to a page. A script cannot show the form: it learns 401."""
    by_script = request.headers.get("Sec-Fetch-Mode", "navigate") != "navigate"
    takes = request.headers.get("Accept", "")
    stream = "text/event-stream" in takes or request.path.startswith(API)
    return request.method == "GET" and "text/html" in takes and not (by_script or stream)


def while_welcome(messages: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Pass the messages of a stream on, until whoever opened it may no longer see it."""
    return _while_welcome(messages, viewer(), services().doors)  # the request is over when it is sent


async def _while_welcome(
    messages: AsyncGenerator[bytes, None], who: Viewer, doors: Doorkeeper
) -> AsyncGenerator[bytes, None]:
    task, gone = asyncio.current_task(), False
    assert task is not None

    def leave() -> None:
        nonlocal gone
        gone = True
        task.cancel()

    looked_after = doors.present(who.session or who.bearer, leave) if who.permissions else nullcontext()
    try:
        async with aclosing(messages):
            with looked_after:
                async for each in messages:
                    yield each
    except asyncio.CancelledError:
        if not gone:
            raise
        task.uncancel()
