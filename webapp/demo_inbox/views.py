"""What the demo inbox received: only where mail goes to this machine, and never run as a page of ours."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from quart import Blueprint, Response, abort, render_template

from mailing import demo_inbox_file
from mailing.accounts.roles import Permission
from mailing.foreign import mail as foreign_mail
from mailing.foreign import pictures
from mailing.sites import LOOPBACK_NAMES
from webapp.http import auth, params
from webapp.http.security import MESSAGE_HEADERS
from webapp.http.services import services
from webapp.i18n.languages import _, grouped
from webapp.live.sse import respond
from webapp.ui import jinja

if TYPE_CHECKING:
    from pathlib import Path

    from webapp.http.services import Services
    from webapp.live.regions import Board

blueprint = Blueprint("inbox", __name__)
UPDATE_S = 1.0


@blueprint.get("/inbox")
@auth.needs(Permission.READ)
async def latest() -> str:
    """Show what arrived, the newest first."""
    _only_here()
    return await render_template("demo_inbox/index.html", section="inbox", **await _list())


@blueprint.get("/inbox/<id:mail_id>")
@auth.needs(Permission.READ)
async def show(mail_id: int) -> str:
    """Show one message beside the list: its text, its HTML in a frame without rights, and its source."""
    mail = await _mail(mail_id)
    preview = await asyncio.to_thread(foreign_mail.read, mail.raw)
    return await render_template(
        "demo_inbox/index.html",
        section="inbox",
        **await _list(mail_id),
        mail=mail,
        preview=preview,
        source=mail.raw.decode("utf-8", "replace"),
        cut=demo_inbox_file.RAW_LIMIT if len(mail.raw) == demo_inbox_file.RAW_LIMIT else None,
    )


@blueprint.get("/inbox/stream")
@auth.needs(Permission.READ)
async def stream() -> Response:
    """Tell each second what arrived, of what fits the search."""
    _only_here()
    sought, opened = params.search(), params.number("open")
    return respond(("inbox", sought, opened), partial(_fill, services(), sought, opened))


@blueprint.get("/inbox/<id:mail_id>/html")
@auth.needs(Permission.READ)
async def html(mail_id: int) -> Response:
    """Send the HTML part alone, for the frame."""
    raw = (await _mail(mail_id)).raw
    shown = await asyncio.to_thread(lambda: pictures.in_place(foreign_mail.read(raw)))
    return Response(shown, content_type="text/html; charset=utf-8", headers=MESSAGE_HEADERS)


@blueprint.get("/inbox/<id:mail_id>.eml")
@auth.needs(Permission.READ)
async def eml(mail_id: int) -> Response:
    """Send the message as it arrived."""
    mail = await _mail(mail_id)
    return Response(
        mail.raw,
        content_type="message/rfc822",
        headers={"Content-Disposition": f'attachment; filename="inbox-{mail.id}.eml"'},
    )


async def _list(opened: int | None = None) -> dict[str, Any]:
    """Return what the list shows; its first page lives."""
    sought, before = params.search(), params.number("before")
    page = await asyncio.to_thread(demo_inbox_file.page, _path(services()), sought, before)
    told = jinja.query({"q": sought, "open": opened})
    return {
        "page": page,
        "opened": opened,
        "sought": sought,
        "before": before,
        "kept": demo_inbox_file.KEPT,
        "stream": "" if before else services().at(f"/inbox/stream{told}"),
    }


async def _fill(svc: Services, sought: str, opened: int | None, board: Board) -> None:
    path, total = _path(svc), None

    async def draw() -> None:
        nonlocal total
        if total != (now := await asyncio.to_thread(demo_inbox_file.arrived, path)):
            page = await asyncio.to_thread(demo_inbox_file.page, path, sought)
            total = now
            shown = {"page": page, "opened": opened, "sought": sought, "before": None}
            board.show("#arrivals", "demo_inbox/_arrivals.html", **shown)
            board.show("#arrived", "demo_inbox/_arrived.html", page=page, kept=demo_inbox_file.KEPT)
        await board.turn()

    await svc.hub.every(UPDATE_S, draw)


async def _mail(mail_id: int) -> demo_inbox_file.ReceivedMail:
    _only_here()
    mail = await asyncio.to_thread(demo_inbox_file.get, _path(services()), mail_id)
    if mail is None:
        abort(
            404,
            _(
                "The demo inbox has no message %(id)s. It keeps the latest %(n)s.",
                id=mail_id,
                n=grouped(demo_inbox_file.KEPT),
            ),
        )
    return mail


def _only_here() -> None:
    """Refuse where the demo inbox is another machine's: what it keeps is there."""
    chosen = services().settings
    if not {chosen.sender.host, chosen.demo_inbox.host} & LOOPBACK_NAMES:
        server = chosen.demo_inbox.server
        abort(404, _("The demo inbox runs elsewhere, at %(server)s. It can't be read here.", server=server))


def _path(svc: Services) -> Path:
    return svc.settings.instance / demo_inbox_file.FILE
