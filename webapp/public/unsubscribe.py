"""The pages behind the link in an email by which its recipient unsubscribes.

The link is the right: no session, no cookie, no token of a form. What only looks changes nothing, as
scanners open every link; one POST does it (RFC 8058), and to repeat it is harmless. No answer is a redirect.
A page shows of the address only enough to tell it from another: a forwarded email tells no more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from quart import Blueprint, current_app, render_template, request

from mailing.suppression import leave_tokens, leaving, subjects
from mailing.suppression.purposes import EVERYTHING
from tasks.commands import suppression as commands
from webapp.http import auth
from webapp.http.services import services
from webapp.i18n.languages import _
from webapp.public.leaving_desk import Desk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quart import Quart, Response
    from sqlalchemy import Connection

    from mailing.suppression.leave_tokens import Leaver
    from mailing.suppression.leaving import Decided

blueprint = Blueprint("unsubscribe", __name__)
FIELD, ONE_CLICK = "List-Unsubscribe", "one-click"
_WHY = "the link is the right to unsubscribe"
PAGE_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",  # the address is the right
    "X-Robots-Tag": "noindex, nofollow",
}


@blueprint.after_request
async def _guard(response: Response) -> Response:
    response.headers.update(PAGE_HEADERS)
    return response


@blueprint.get("/u/<path:token>")
@auth.open_to_all(_WHY, always=True)
async def show(token: str) -> tuple[str, int]:
    """Ask whether to unsubscribe; nothing is changed."""
    who = await _desk().read(token)
    return await _page(who, token, "ask")


@blueprint.post("/u/<path:token>")
@auth.open_to_all(_WHY, always=True)
async def act(token: str) -> tuple[str, int]:
    """Unsubscribe at once, from the topic of the email or from everything; or undo it."""
    form, svc = await request.form, services()
    who = await _desk().read(token)
    if who is None or not who.email:
        return await _page(who, token, "ask")
    if form.get(FIELD, "").strip().casefold() == ONE_CLICK:
        await _desk().leave(who, _from())
        return _("You are unsubscribed"), 200  # read by a program
    if form.get("do") == "leave":
        await svc.do(commands.leave, who, who.topic, _from())
        return await _page(who, token, "left")
    if form.get("do") == "undo":
        await svc.do(commands.come_back, who, [who.topic], _from())
        return await _page(who, token, "back")
    return await _page(who, token, "ask", 400)


@blueprint.get("/u/<token>/choices")
@auth.open_to_all(_WHY, always=True)
async def choices(token: str) -> tuple[str, int]:
    """Show what the recipient gets, and what else there is to choose."""
    return await _choices(await _desk().read(token), token)


@blueprint.post("/u/<token>/choices")
@auth.open_to_all(_WHY, always=True)
async def choose(token: str) -> tuple[str, int]:
    """Do what the recipient chose: some topics, a break, nothing any more, or all again."""
    form, svc = await request.form, services()
    who = await _desk().read(token)
    if who is None or not who.email:
        return await _page(who, token, "ask")
    wish = form.get("do", "")
    if wish == "pause":
        await svc.do(commands.pause, who, _from())
    elif wish == "everything":
        await svc.do(commands.leave, who, EVERYTHING, _from())
    elif wish == "back":
        await svc.do(commands.come_back, who, [EVERYTHING], _from())
    elif wish == "topics":
        offered, _standing = await svc.read(_offered, who)
        shown, kept = set(form.getlist("shown")), set(form.getlist("topic"))
        about = [topic for topic in offered if topic in shown]
        wanted, others = ([it for it in about if (it in kept) is want] for want in (True, False))
        await svc.do(commands.choose, who, wanted, others, _from())
    return await _choices(who, token, saved=bool(wish))


async def _choices(who: Leaver | None, token: str, *, saved: bool = False) -> tuple[str, int]:
    if who is None or not who.email:
        return await _page(who, token, "ask")
    offered, decided = await services().read(_offered, who)
    return await _page(who, token, "choices", topics=offered, decided=decided, saved=saved)


async def _page(
    who: Leaver | None,
    token: str,
    what: str,
    status: int = 200,
    *,
    topics: Sequence[str] = (),
    decided: Decided | None = None,
    saved: bool = False,
) -> tuple[str, int]:
    if who is None or not who.email:
        what, status = ("broken", 404) if who is None else ("rehearsal", 200)
    here = services().at(f"/u/{leave_tokens.clean(token)}")
    page = await render_template(
        "public/unsubscribe.html",
        what=what,
        here=here,
        choices=f"{here}/choices",
        topic=who.topic if who else "",
        address=subjects.masked(who.email) if who and who.email else "",
        topics=topics,
        decided=decided,
        saved=saved,
    )
    return page, status


def _from() -> str:
    return request.remote_addr or ""


def desk_of(app: Quart) -> Desk:
    """Return the desk of a web process."""
    found = app.extensions.get("leaving_desk")
    if found is None:
        found = app.extensions["leaving_desk"] = Desk(app.extensions["volley"])
    return cast("Desk", found)


def _desk() -> Desk:
    return desk_of(current_app)


def _offered(connection: Connection, who: Leaver) -> tuple[Sequence[str], Decided]:
    """Return the topics to choose from, that of the email among them, and what was decided."""
    found = list(leaving.topics(connection, who.email))
    if who.topic and who.topic.casefold() not in {it.casefold() for it in found}:
        found.append(who.topic)
    return sorted(found, key=str.casefold), leaving.decided(connection, who.email)
