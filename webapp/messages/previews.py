"""A campaign's message as anybody gets it: text, HTML wide and narrow, light and dark, and its bytes.

Who it is shown for is in the page's address: a recipient, or any address, in the list or not. Whoever is not
in it is shown the message with the values of somebody who is.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from quart import Blueprint, Response, abort, render_template, request

from mailing.accounts.roles import Permission
from mailing.addresses import mailbox
from mailing.core.reasons import UnfitError
from mailing.foreign import pictures
from mailing.messages import attachments
from mailing.reports import preview
from mailing.writing import sanitizing
from webapp.http import auth, params
from webapp.http.security import MESSAGE_HEADERS
from webapp.http.services import services, the_campaign
from webapp.i18n.domain_texts import say_why
from webapp.i18n.languages import _

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailing.campaigns.queries import Campaign
    from mailing.foreign.mail import ForeignMail
    from mailing.reports.preview import Preview

blueprint = Blueprint("previews", __name__)
WIDTHS = ("desktop", "phone")
THEMES = ("light", "dark")
_ONE = "/campaigns/<id:campaign_id>/preview"
_ASKS = re.compile(r"\(\s*prefers-color-scheme\s*:\s*(light|dark)\s*\)", re.IGNORECASE)
_ALWAYS, _NEVER = "(min-width: 0)", "(max-width: 0)"
_KNOWS = re.compile(r"(<meta name=\"color-scheme\" content=\")[^\"]*(\")")


@dataclass(frozen=True, slots=True)
class View:
    """What the address of a preview asks for.

    ``to`` is a recipient, ``typed`` an address as it was typed, which counts more where somebody has it.
    """

    to: int | None = None
    typed: str = ""
    width: str = WIDTHS[0]
    theme: str = THEMES[0]

    def query(self, **more: Any) -> str:
        """Return the address's query for this view with other values."""
        it = replace(self, **more)
        values = {"to": it.to, "as": it.typed, "width": it.width, "theme": it.theme}
        usual = {"width": WIDTHS[0], "theme": THEMES[0]}
        chosen = {name: value for name, value in values.items() if value and value != usual.get(name)}
        return f"?{urlencode(chosen)}" if chosen else "?"


def view() -> View:
    """Return what this request asks for."""
    width, theme = request.args.get("width", ""), request.args.get("theme", "")
    return View(
        params.number("to"),
        params.words(request.args.get("as", "")),
        width if width in WIDTHS else WIDTHS[0],
        theme if theme in THEMES else THEMES[0],
    )


def chosen(connection: Connection, campaign: Campaign, to: int | None, typed: str) -> Preview:
    """Return the message for a typed address, or else for a recipient.

    Raises ``UnfitError`` where what was typed is no address.
    """
    if not typed:
        return preview.of(connection, campaign, to)
    email = mailbox.judge(typed)
    found = preview.find(connection, campaign.id, email)
    return preview.of(connection, campaign, found or to, guest="" if found else email)


@blueprint.get(_ONE)
@auth.needs(Permission.READ)
async def show(campaign_id: int) -> str:
    """Show the message as one recipient gets it."""
    campaign, asked, fault = await the_campaign(campaign_id), view(), ""
    try:
        shown = await services().read(chosen, campaign, asked.to, asked.typed)
    except UnfitError as error:
        fault = say_why(error)
        shown = await services().read(chosen, campaign, asked.to, "")
    return await render_template(
        "messages/preview.html",
        section="campaigns",
        campaign=campaign,
        here=services().at(f"/campaigns/{campaign_id}"),
        view=asked,
        shown=shown,
        fault=fault,
        head=shown.head.decode("utf-8", "replace"),
        source=attachments.abridged(shown.data.decode("utf-8", "replace")),
    )


@blueprint.get(f"{_ONE}/html")
@auth.needs(Permission.READ)
async def html(campaign_id: int) -> Response:
    """Send the HTML part alone, for the frame: nothing in it runs."""
    shown = await _shown(campaign_id)
    text = await asyncio.to_thread(_in_theme, shown.mail, view().theme) if shown.mail else ""
    return Response(text, content_type="text/html; charset=utf-8", headers=MESSAGE_HEADERS)


@blueprint.get(f"{_ONE}.eml")
@auth.needs(Permission.READ)
async def eml(campaign_id: int) -> Response:
    """Send the message as it goes over the line."""
    shown = await _shown(campaign_id)
    headers = {"Content-Disposition": f'attachment; filename="volley-{campaign_id}.eml"'}
    return Response(shown.data, content_type="message/rfc822", headers=headers)


def _in_theme(mail: ForeignMail, theme: str) -> str:
    """Return the HTML of a message, harmless, as one sees it whose program has this theme.

    What it says of themes is settled here: a frame asks the reader's own browser.
    """
    if not mail.html:
        return ""
    shown = sanitizing.harmless(pictures.in_place(mail))
    shown = _ASKS.sub(lambda asked: _ALWAYS if asked[1].lower() == theme else _NEVER, shown)
    return _KNOWS.sub(rf"\g<1>{theme}\g<2>", shown)


async def _shown(campaign_id: int) -> Preview:
    campaign, asked = await the_campaign(campaign_id), view()
    try:
        shown = await services().read(chosen, campaign, asked.to, asked.typed)
    except UnfitError as error:
        abort(400, say_why(error))
    if shown.mail is None:
        abort(404, str(shown.fault) if shown.fault else _("The list has no valid addresses."))
    return shown
