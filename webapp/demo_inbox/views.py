"""What the demo inbox received: only where mail goes to this machine, and never run as a page of ours."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from quart import Blueprint, Response, abort, render_template

from mailing import demo_inbox
from mailing.foreign import mail as foreign_mail
from mailing.sites import LOOPBACK_NAMES
from webapp.http import params
from webapp.http.security import MESSAGE_HEADERS
from webapp.http.services import services
from webapp.i18n.languages import _, grouped

if TYPE_CHECKING:
    from pathlib import Path

blueprint = Blueprint("inbox", __name__)
MAILS_PER_PAGE = 50


@blueprint.get("/inbox")
async def latest() -> str:
    """Show what arrived, the newest first."""
    _only_here()
    before = params.number("before")
    mails, total = await asyncio.to_thread(demo_inbox.page, _path(), before, MAILS_PER_PAGE)
    return await render_template(
        "demo_inbox/index.html",
        section="inbox",
        mails=mails,
        before=before,
        total=total,
        kept=demo_inbox.KEPT,
        next=mails[-1].id if len(mails) == MAILS_PER_PAGE else None,
    )


@blueprint.get("/inbox/<id:mail_id>")
async def show(mail_id: int) -> str:
    """Show one message: its text, its HTML in a frame without rights, and its source."""
    mail = await _mail(mail_id)
    preview = await asyncio.to_thread(foreign_mail.read, mail.raw)
    source = mail.raw.decode("utf-8", "replace")
    cut = demo_inbox.RAW_LIMIT if len(mail.raw) == demo_inbox.RAW_LIMIT else None
    return await render_template(
        "demo_inbox/mail.html", section="inbox", mail=mail, preview=preview, source=source, cut=cut
    )


@blueprint.get("/inbox/<id:mail_id>/html")
async def html(mail_id: int) -> Response:
    """Send the HTML part alone, for the frame."""
    preview = await asyncio.to_thread(foreign_mail.read, (await _mail(mail_id)).raw)
    return Response(
        preview.html,
        content_type="text/html; charset=utf-8",
        headers=MESSAGE_HEADERS,
    )


@blueprint.get("/inbox/<id:mail_id>.eml")
async def eml(mail_id: int) -> Response:
    """Send the message as it arrived."""
    mail = await _mail(mail_id)
    return Response(
        mail.raw,
        content_type="message/rfc822",
        headers={"Content-Disposition": f'attachment; filename="inbox-{mail.id}.eml"'},
    )


async def _mail(mail_id: int) -> demo_inbox.ReceivedMail:
    _only_here()
    mail = await asyncio.to_thread(demo_inbox.get, _path(), mail_id)
    if mail is None:
        abort(
            404,
            _(
                "The demo inbox has no message %(id)s. It keeps the latest %(n)s.",
                id=mail_id,
                n=grouped(demo_inbox.KEPT),
            ),
        )
    return mail


def _only_here() -> None:
    sender = services().settings.sender
    if sender.host not in LOOPBACK_NAMES:
        abort(404, _("The demo inbox is off: mail goes to %(server)s.", server=sender.server))


def _path() -> Path:
    return services().settings.instance / demo_inbox.FILE
