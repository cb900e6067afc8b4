"""Saved messages: listed, looked at in each of their versions, and where a campaign starts from one.

Those that come with Volley stand beside them. A campaign starts as a form that is filled in, so
that looking at one changes nothing.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from quart import Blueprint, Response, abort, redirect, render_template, request

from mailing.accounts.roles import Permission
from mailing.library import templates as library
from mailing.library.templates import TemplateError
from mailing.messages.compose import ComposeError, Message
from mailing.writing import sanitizing, starters
from mailing.writing.written import compile_message
from tasks.commands.messages import templates
from webapp.http import auth, params
from webapp.http.security import MESSAGE_HEADERS
from webapp.http.services import services, the_campaign
from webapp.i18n.domain_texts import say_why
from webapp.i18n.languages import _, current
from webapp.messages import message_form
from webapp.ui import receipts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from werkzeug.wrappers import Response as AnyResponse

    from mailing.library.templates import Template
    from mailing.writing.written import Written

blueprint = Blueprint("templates", __name__)
_ONE = "/templates/<id:template_id>"
_BUILT_IN = "/templates/built-in/<key>"


@blueprint.get("/templates")
@auth.needs(Permission.READ)
async def index() -> str:
    """Show all templates: the saved ones, those that changed last first, and those that come with Volley."""
    saved = await services().read(library.latest)
    return await render_template(
        "messages/templates.html",
        section="campaigns",
        saved=saved,
        built_in=starters.starters(current()),
        ways=message_form.ways(),
    )


@blueprint.get(_ONE)
@auth.needs(Permission.READ)
async def show(template_id: int) -> str:
    """Show a template, in one of its versions."""
    template, here = await _template(template_id), services().at(f"/templates/{template_id}")
    return await _page(
        template.name,
        template.written,
        here,
        f"template={template_id}&version={template.number}",
        template=template,
        versions=await services().read(library.versions, template_id),
    )


@blueprint.get(_BUILT_IN)
@auth.needs(Permission.READ)
async def show_built_in(key: str) -> str:
    """Show a template that comes with Volley."""
    it = starters.starter(key, current()) or abort(404)
    return await _page(it.name, it.written, services().at(f"/templates/built-in/{key}"), f"starter={key}")


@blueprint.get(f"{_ONE}/html")
@auth.needs(Permission.READ)
async def html(template_id: int) -> Response:
    """Send the HTML alone, for the frame; its fields stand in it as they were written."""
    return await _framed((await _template(template_id)).written)


@blueprint.get(f"{_BUILT_IN}/html")
@auth.needs(Permission.READ)
async def html_built_in(key: str) -> Response:
    """Send the HTML of one that comes with Volley."""
    return await _framed((starters.starter(key, current()) or abort(404)).written)


@blueprint.post("/campaigns/<id:campaign_id>/template")
@auth.needs(Permission.WRITE)
async def save(campaign_id: int) -> AnyResponse:
    """Save a campaign's message as a template; a name that is there gets its next version."""
    campaign, name = await the_campaign(campaign_id), (await request.form).get("name", "")
    try:
        saved = await services().do(templates.save, auth.person(), name, campaign.written)
    except TemplateError as error:
        abort(422, say_why(error))
    receipts.tell(_("Saved as a template."))
    return redirect(services().at(f"/templates/{saved}"), 303)


@blueprint.post(f"{_ONE}/delete")
@auth.needs(Permission.WRITE)
async def delete(template_id: int) -> AnyResponse:
    """Take a template away."""
    try:
        name = await services().do(templates.remove, auth.person(), template_id)
    except TemplateError as error:
        abort(404, say_why(error))
    receipts.tell(_("Deleted the template %(name)s.", name=name))
    return redirect(services().at("/templates"), 303)


async def started() -> Mapping[str, str]:
    """Return what a form holds that starts from the template its address names; nothing without one."""
    key, template_id = request.args.get("starter", ""), params.number("template")
    if key:
        it = starters.starter(key, current()) or abort(404)
        typed = message_form.of_written(it.written)
    elif template_id:
        typed = message_form.of_written((await _template(template_id)).written)
    else:
        return {}
    return {name: value for name, value in typed.items() if name != "from"}


async def _template(template_id: int) -> Template:
    number = params.number("version")
    found = await services().read(library.get, template_id, number)
    return found or abort(404, _("This template, or this version of it, no longer exists."))


async def _page(name: str, written: Written, here: str, start: str, **more: object) -> str:
    message, fault = await asyncio.to_thread(_compiled, written)
    return await render_template(
        "messages/template.html",
        section="campaigns",
        name=name,
        written=written,
        message=message,
        fault=fault and say_why(fault),
        here=here,
        start=start,
        ways=message_form.ways(),
        **more,
    )


async def _framed(written: Written) -> Response:
    message, _fault = await asyncio.to_thread(_compiled, written)
    text = await asyncio.to_thread(sanitizing.harmless, message.html)
    return Response(text, content_type="text/html; charset=utf-8", headers=MESSAGE_HEADERS)


def _compiled(written: Written) -> tuple[Message, ComposeError | None]:
    try:
        return compile_message(written), None
    except ComposeError as error:
        return Message("", written.subject, written.text, ""), error
