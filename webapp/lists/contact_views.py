"""One contact of a saved list: its name, fields and standing, and all that was ever sent to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quart import Blueprint, abort, redirect, render_template, request

from mailing.accounts.roles import Permission
from mailing.contacts import contacts, history
from mailing.contacts.contacts import Written
from mailing.contacts.lists import ListError
from mailing.contacts.tables import Standing
from mailing.core.reasons import UnfitError
from mailing.messages.values import printed
from tasks.commands import lists as commands
from webapp.http import auth, params
from webapp.http.services import services
from webapp.i18n.domain_texts import say_why
from webapp.i18n.languages import _
from webapp.lists.views import the_list
from webapp.ui import receipts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from werkzeug.wrappers import Response as AnyResponse

    from mailing.contacts.contacts import Contact
    from mailing.contacts.lists import SavedList
    from mailing.messages.values import Value

blueprint = Blueprint("contacts", __name__)
HISTORY = 100  # campaigns
_ONE = "/lists/<id:list_id>/contacts/<id:contact_id>"


@dataclass(frozen=True, slots=True)
class Form:
    """A contact as its form holds it: ``fields`` are texts, by merge field."""

    email: str
    name: str
    standing: Standing
    fields: Mapping[str, str]


@blueprint.get(_ONE)
@auth.needs(Permission.READ)
async def show(list_id: int, contact_id: int) -> str:
    """Show a contact."""
    found, contact = await the_list(list_id), await _the_contact(list_id, contact_id)
    texts = {name: _text(contact, name) for name in _names(found, contact)}
    return await _page(found, contact, Form(contact.email, contact.name, contact.standing, texts))


@blueprint.post(_ONE)
@auth.needs(Permission.LISTS)
async def save(list_id: int, contact_id: int) -> AnyResponse | tuple[str, int]:
    """Change a contact. A field whose text was left alone keeps its value, and so its kind."""
    form = await request.form
    found, contact = await the_list(list_id), await _the_contact(list_id, contact_id)
    seen, standing = form.get("seen", ""), form.get("standing", "")
    if not params.is_id(seen) or standing not in set(Standing):
        abort(400, _("This form is out of date. Reload the page."))
    texts = {
        name: form.get(f"field-{place}", _text(contact, name))
        for place, name in enumerate(_names(found, contact))
    }
    values: dict[str, Value] = {
        name: contact.fields[name] if _text(contact, name) == text else text
        for name, text in texts.items()
        if text
    }
    typed = Form(form.get("email", "").strip(), form.get("name", "").strip(), Standing(standing), texts)
    written = Written(typed.email, typed.name, values, typed.standing)
    try:
        await services().do(
            commands.save_contact, auth.person(), list_id, written, contact_id, seen=int(seen)
        )
    except (ListError, UnfitError) as refusal:
        fault = "email" if refusal.reason.code.startswith("address.") else "again"
        return await _page(found, contact, typed, {fault: say_why(refusal)}), 422
    receipts.tell(_("Saved."))
    return redirect(services().at(f"/lists/{list_id}/contacts/{contact_id}"), 303)


@blueprint.post(f"{_ONE}/remove")
@auth.needs(Permission.LISTS)
async def remove(list_id: int, contact_id: int) -> AnyResponse:
    """Take a contact out of its list."""
    try:
        await services().do(commands.remove_contact, auth.person(), list_id, contact_id)
    except ListError as refusal:
        abort(409, say_why(refusal))
    receipts.tell(_("Removed."))
    return redirect(services().at(f"/lists/{list_id}"), 303)


async def _page(
    found: SavedList, contact: Contact, typed: Form, faults: Mapping[str, str] | None = None
) -> str:
    return await render_template(
        "lists/contact.html",
        section="lists",
        list=found,
        contact=contact,
        typed=typed,
        faults=faults or {},
        standings=tuple(Standing),
        history=await services().read(history.read, contact.email, limit=HISTORY),
        most_history=HISTORY,
    )


def _text(contact: Contact, field: str) -> str:
    return printed(contact.fields.get(field, ""))


def _names(found: SavedList, contact: Contact) -> list[str]:
    """Return the merge fields of a list, and those that this contact alone has."""
    return [*dict.fromkeys((*found.fields, *contact.fields))]


async def _the_contact(list_id: int, contact_id: int) -> Contact:
    contact = await services().read(contacts.get, contact_id, list_id)
    if contact is None:
        abort(404, _("This contact is no longer in the list."))
    return contact
