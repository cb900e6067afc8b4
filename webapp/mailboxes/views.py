"""The pages of mailboxes: all of them and how they are, and one to be changed. No secret is ever shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Blueprint, abort, redirect, render_template, request

from mailing.accounts.roles import Permission
from mailing.core.reasons import EntryError
from mailing.credentials.providers import PROVIDERS
from mailing.mailboxes import store
from mailing.mailboxes.faults import MailboxError
from tasks.commands import mailboxes as commands
from webapp.http import auth
from webapp.http.services import services
from webapp.i18n.domain_texts import say_why
from webapp.i18n.languages import _, ngettext
from webapp.mailboxes import forms, tests
from webapp.senders.consents import Way
from webapp.senders.forms import TLS
from webapp.ui import receipts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection
    from werkzeug.wrappers import Response as AnyResponse

    from mailing.mailboxes.store import Mailbox

blueprint = Blueprint("mailboxes", __name__)
_ONE = "/mailboxes/<id:mailbox_id>"
WAY = Way(
    "/mailboxes",
    "volley_mailbox_consent",
    "mailbox consent",
    store.get,
    store.open_secret,
    commands.connect,
    "mailbox.not-found",
)


@blueprint.get("/mailboxes")
@auth.needs(Permission.READ)
async def index() -> str:
    """Show all mailboxes, and how they are."""
    mailboxes, watched = await services().read(_load)
    return await render_template(
        "mailboxes/index.html",
        section="suppression",
        mailboxes=mailboxes,
        watched=watched,
        PROTOCOLS=forms.PROTOCOLS,
        TLS=TLS,
    )


@blueprint.get("/mailboxes/new")
@auth.needs(Permission.SENDERS)
async def new() -> str:
    """Show an empty form."""
    return await _form(forms.EMPTY, {}, None)


@blueprint.post("/mailboxes")
@auth.needs(Permission.SENDERS)
async def create() -> AnyResponse | tuple[str, int]:
    """Store a mailbox, and show it."""
    form, svc = await request.form, services()
    entry, faults = forms.entered(form)
    if entry is None:
        return await _form(form, faults, None), 422
    try:
        mailbox_id = await svc.do(commands.create, auth.person(), entry, svc.settings.secret_key)
    except MailboxError as refusal:
        return await _form(form, {"name": say_why(refusal)}, None), 409
    receipts.tell(_("Saved. Volley looks at the mailbox within seconds."))
    return redirect(svc.at(f"/mailboxes/{mailbox_id}"), 303)


@blueprint.get(_ONE)
@auth.needs(Permission.SENDERS)
async def show(mailbox_id: int) -> str:
    """Show the form of a mailbox."""
    it = await _the_mailbox(mailbox_id)
    return await _form(forms.of_mailbox(it), {}, it)


@blueprint.post(_ONE)
@auth.needs(Permission.SENDERS)
async def revise(mailbox_id: int) -> AnyResponse | tuple[str, int]:
    """Change a mailbox as the form's page showed it."""
    form, svc, it = await request.form, services(), await _the_mailbox(mailbox_id)
    entry, faults = forms.entered(form)
    if entry is None:
        return await _form(form, faults, it), 422
    seen = form.get("revision", "")
    if not (seen.isascii() and seen.isdigit()) or len(seen) > 9:  # noqa: PLR2004
        abort(400, _("This form is out of date. Reload the page."))
    key = svc.settings.secret_key
    try:
        await svc.do(commands.revise, auth.person(), mailbox_id, entry, key, seen=int(seen))
    except EntryError as error:
        return await _form(form, forms.refused(error), it), 422
    except MailboxError as refusal:
        return await _form(form, {"name": say_why(refusal)}, it), 409
    receipts.tell(_("Saved."))
    return redirect(svc.at(f"/mailboxes/{mailbox_id}"), 303)


@blueprint.post(f"{_ONE}/test")
@auth.needs(Permission.SENDERS)
async def test(mailbox_id: int) -> AnyResponse | tuple[str, int]:
    """Connect to a mailbox and sign in, and say what is there."""
    it = await _the_mailbox(mailbox_id)
    try:
        found = await tests.run(auth.person(), it)
    except MailboxError as refusal:
        return await _form(forms.of_mailbox(it), {}, it, refused=say_why(refusal)), 409
    told = ngettext(
        "The connection works: %(n)s message is there.",
        "The connection works: %(n)s messages are there.",
        found.messages,
    )
    receipts.tell(told)
    return redirect(services().at(f"/mailboxes/{mailbox_id}"), 303)


@blueprint.post(f"{_ONE}/delete")
@auth.needs(Permission.SENDERS)
async def delete(mailbox_id: int) -> AnyResponse:
    """Forget a mailbox. Recorded bounces stay."""
    await _the_mailbox(mailbox_id)
    try:
        gone = await services().do(commands.delete, auth.person(), mailbox_id)
    except MailboxError as refusal:
        abort(409, say_why(refusal))
    receipts.tell(_("“%(name)s” was removed.", name=gone.name))
    return redirect(services().at("/mailboxes"), 303)


@blueprint.get(f"{_ONE}/connect")
@auth.needs(Permission.SENDERS)
async def connect(mailbox_id: int) -> AnyResponse:
    """Send the browser to the provider of a mailbox's account, which gives its consent there."""
    return await WAY.begin(mailbox_id)


@blueprint.get(WAY.back)
@auth.needs(Permission.SENDERS)
async def connected() -> AnyResponse:
    """Keep the consent that the browser brings back."""
    return await WAY.finish(_("Connected. Volley signs in within seconds."))


def _load(connection: Connection) -> tuple[Sequence[Mailbox], bool]:
    return store.every(connection), store.is_watched(connection)


async def _the_mailbox(mailbox_id: int) -> Mailbox:
    found = await services().read(store.get, mailbox_id)
    if found is None:
        abort(404, _("Mailbox %(id)s doesn't exist.", id=mailbox_id))
    return found


async def _form(
    typed: Mapping[str, str], faults: Mapping[str, str], it: Mailbox | None, *, refused: str = ""
) -> str:
    return await render_template(
        "mailboxes/form.html",
        section="suppression",
        it=it,
        typed=typed,
        faults=faults,
        refused=refused,
        watched=await services().read(store.is_watched),
        provider=PROVIDERS.get(it.provider) if it else None,
        back=WAY.address,
        PROTOCOLS=forms.PROTOCOLS,
        SIGN_IN=forms.SIGN_IN,
        TLS=TLS,
    )
