"""Saved lists: all of them, and one with its contacts, to search, to take away, to rename and to delete."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Blueprint, Response, abort, redirect, render_template, request

from mailing.accounts.roles import Permission
from mailing.contacts import contacts, imports, lists
from mailing.contacts.lists import ListError
from mailing.contacts.tables import Standing
from tasks.commands import lists as commands
from webapp.api import exports
from webapp.http import auth, params
from webapp.http.services import services
from webapp.i18n.domain_texts import say_why
from webapp.i18n.languages import _
from webapp.ui import receipts

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as AnyResponse

    from mailing.contacts.lists import SavedList

blueprint = Blueprint("lists", __name__)
LISTS = 50  # on a page
CONTACTS = 50
IMPORTS = 10
_ONE = "/lists/<id:list_id>"


@blueprint.get("/lists")
@auth.needs(Permission.READ)
async def index() -> str:
    """Show all lists, the newest first, and the imports that have not ended."""
    before = params.number("before")
    page = await services().read(lists.latest, before=before, limit=LISTS)
    recent = await services().read(imports.latest, limit=IMPORTS)
    return await render_template(
        "lists/index.html",
        section="lists",
        page=page,
        before=before,
        next=page[-1].id if len(page) == LISTS else None,
        imports=[it for it in recent if it.state in imports.OPEN],
    )


@blueprint.get(_ONE)
@auth.needs(Permission.READ)
async def show(list_id: int) -> str:
    """Show one list with its contacts."""
    found = await the_list(list_id)
    q, standing = params.search(), params.state(Standing)
    after, before = params.number("after"), params.number("before")
    page = await services().read(
        contacts.find, list_id, q, standing, after=after, before=before, limit=CONTACTS
    )
    return await render_template(
        "lists/show.html",
        section="lists",
        list=found,
        page=page,
        kept={name: value for name, value in (("q", q), ("state", standing)) if value},
        paged=bool(after or before),
        standings=tuple(Standing),
        size=CONTACTS,
        imports=await services().read(imports.latest, list_id=list_id, limit=IMPORTS),
    )


@blueprint.get("/lists/<id:list_id>.csv")
@auth.needs(Permission.READ)
async def take_away(list_id: int) -> Response:
    """Send the contacts of a list, or those that the page's filters leave."""
    found = await the_list(list_id)
    return exports.contacts(list_id, found.fields, params.search(), params.state(Standing))


@blueprint.post(f"{_ONE}/rename")
@auth.needs(Permission.LISTS)
async def rename(list_id: int) -> AnyResponse:
    """Give a list another name."""
    name = (await request.form).get("name", "")
    try:
        await services().do(commands.rename, auth.person(), list_id, name)
    except ListError as refusal:
        abort(409, say_why(refusal))
    receipts.tell(_("Renamed."))
    return redirect(services().at(f"/lists/{list_id}"), 303)


@blueprint.post(f"{_ONE}/delete")
@auth.needs(Permission.LISTS)
async def delete(list_id: int) -> AnyResponse:
    """Delete a list with its contacts, if it is as the page showed it."""
    seen, found = (await request.form).get("revision", ""), await the_list(list_id)
    if seen != str(found.revision):
        abort(409, _("The list was changed in the meantime. Open it again first."))
    try:
        await services().do(commands.delete, auth.person(), list_id)
    except ListError as refusal:
        abort(409, say_why(refusal))
    receipts.tell(_("“%(name)s” was deleted.", name=found.name))
    return redirect(services().at("/lists"), 303)


async def the_list(list_id: int) -> SavedList:
    """Return the list that an address names; answer 404 if there is none."""
    found = await services().read(lists.get, list_id)
    if found is None:
        abort(404, _("List %(id)s doesn't exist.", id=list_id))
    return found
