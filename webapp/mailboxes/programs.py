"""Mailboxes for programs: added, changed, tested and removed. No secret ever comes back."""

from __future__ import annotations

from dataclasses import fields as of_class
from typing import TYPE_CHECKING

from mailing.accounts.roles import Permission
from mailing.core import reasons
from mailing.mailboxes import entries, store
from mailing.mailboxes.entries import Entry
from mailing.mailboxes.faults import MailboxError
from mailing.senders.entries import PROVIDERS, TLS_MODES
from tasks.commands import mailboxes as commands
from webapp.http import auth, forms, problems
from webapp.http.problems import Problem
from webapp.http.services import services
from webapp.mailboxes import tests
from webapp.openapi import fields, operations
from webapp.openapi.fields import Field, Flag, Name, Text
from webapp.openapi.operations import PREFIX, Answer, described
from webapp.openapi.shapes import mailboxes as shapes
from webapp.senders import account_fields
from webapp.ui import formats

if TYPE_CHECKING:
    from quart import Response

    from mailing.core.reasons import Reason
    from mailing.mailboxes.store import Mailbox

TOPIC = "Mailboxes"
blueprint = operations.blueprint("api_mailboxes")
_ONE = "/mailboxes/<id:mailbox_id>"
_CHANGE = (
    Field("name", Text(), "Its name, which no other mailbox has.", example="Bounces"),
    Field("protocol", Name(entries.PROTOCOLS), "How it is looked at."),
    Field("host", Text(), "Its server.", example="imap.example.org"),
    Field("port", account_fields.PORT, "Its port, usually 993 or 995."),
    Field("tls", Name(TLS_MODES), "`tls` from the start; `starttls` requires it; `opportunistic` takes it."),
    *account_fields.TRUST,
    Field("username", Text(), "With which it signs in.", example="bounces@example.org"),
    account_fields.PASSWORD,
    Field("provider", Name(PROVIDERS), "Whose consent signs in, given on the page of the mailbox."),
    *account_fields.APPLICATION,
    Field("folder", Text(), "The folder that is looked at (IMAP).", example="INBOX"),
    Field(
        "removes",
        Flag("True: messages are deleted there once they are recorded."),
        "Whether messages are deleted there once they are recorded. Else nothing there changes.",
    ),
)
_REVISION = account_fields.revision("mailbox")


@blueprint.get("/mailboxes")
@auth.needs(Permission.READ)
@described(TOPIC, {200: Answer("All of them.", shapes.MailboxList)})
async def list_mailboxes() -> Response:
    """List the mailboxes from which reports are fetched, and how they are."""
    found = await services().read(store.every)
    watched = await services().read(store.is_watched)
    return operations.in_json({"mailboxes": [_shown(it) for it in found], "watched": watched})


@blueprint.post("/mailboxes")
@auth.needs(Permission.SENDERS)
@described(
    TOPIC,
    {201: Answer("The mailbox was stored.", shapes.Mailbox, headers=("Location",))},
    bodies={"": _CHANGE},
    refuses=(409,),
)
async def create_mailbox() -> Response:
    """Add a mailbox. Reports are fetched from it within seconds.

    Accounts at Google and Microsoft are connected in the browser, on the page of the mailbox.
    """
    example = '{"name": "Bounces", "host": "imap.example.org", "username": "bounces@example.org"}'
    given = fields.given(await forms.body(forms.SHORT), _CHANGE, example)
    protocol, tls = given.get("protocol", "imap"), given.get("tls", "tls")
    usual = {"port": entries.usual_port(protocol, tls), "name": given.get("host", "")}
    entry = Entry(**{"host": "", "username": "", **usual, **given})
    svc = services()
    with problems.refusing(MailboxError):
        mailbox_id = await svc.do(commands.create, auth.program(), entry, svc.settings.secret_key)
    answer = operations.in_json(_shown(await _the_mailbox(mailbox_id)), 201)
    answer.headers["Location"] = svc.at(f"{PREFIX}/mailboxes/{mailbox_id}")
    return answer


@blueprint.get(_ONE)
@auth.needs(Permission.READ)
@described(TOPIC, {200: Answer("The mailbox.", shapes.Mailbox)})
async def get_mailbox(mailbox_id: int) -> Response:
    """Get a mailbox."""
    return operations.in_json(_shown(await _the_mailbox(mailbox_id)))


@blueprint.patch(_ONE)
@auth.needs(Permission.SENDERS)
@described(
    TOPIC,
    {200: Answer("The mailbox as it is now.", shapes.Mailbox)},
    bodies={"": (*_CHANGE, _REVISION)},
    refuses=(409,),
)
async def change_mailbox(mailbox_id: int) -> Response:
    """Change a mailbox: only the fields that are given.

    With another server, or another way to protect the connection, the password must be given again.
    """
    svc, now = services(), await _the_mailbox(mailbox_id)
    given = fields.given(await forms.body(forms.SHORT), (*_CHANGE, _REVISION), '{"removes": true}')
    seen = given.pop("revision", None)
    kept = {it.name: getattr(now, it.name) for it in of_class(Entry)}
    entry = Entry(**{**kept, "password": None, "client_secret": None, **given})
    with problems.refusing(MailboxError):
        key = svc.settings.secret_key
        await svc.do(commands.revise, auth.program(), mailbox_id, entry, key, seen=seen)
    return operations.in_json(_shown(await _the_mailbox(mailbox_id)))


@blueprint.delete(_ONE)
@auth.needs(Permission.SENDERS)
@described(TOPIC, {200: Answer("It was removed.", shapes.DeletedMailbox)}, refuses=(409,))
async def delete_mailbox(mailbox_id: int) -> Response:
    """Remove a mailbox. Recorded bounces stay."""
    await _the_mailbox(mailbox_id)
    with problems.refusing(MailboxError):
        gone = await services().do(commands.delete, auth.program(), mailbox_id)
    return operations.in_json({"id": gone.id, "name": gone.name})


@blueprint.post(f"{_ONE}/test")
@auth.needs(Permission.SENDERS)
@described(TOPIC, {200: Answer("The result.", shapes.MailboxTest)}, refuses=(409,))
async def test_mailbox(mailbox_id: int) -> Response:
    """Connect to a mailbox and sign in, without fetching anything. The status is 200 even if it fails.

    The response comes within 30 seconds. A key may test ten times, and another time every six seconds.
    """
    it = await _the_mailbox(mailbox_id)
    trouble: Reason | None = None
    messages = 0
    try:
        messages = (await tests.run(auth.program(), it)).messages
    except MailboxError as refusal:
        if refusal.reason.code in {"mailbox.too-many-tests", "mailbox.busy"}:
            raise problems.refused(refusal) from None
        trouble = refusal.reason
    return operations.in_json(
        {
            "works": trouble is None,
            "messages": messages,
            "trouble": str(trouble or ""),
            "trouble_code": trouble.code if trouble else None,
        }
    )


async def _the_mailbox(mailbox_id: int) -> Mailbox:
    found = await services().read(store.get, mailbox_id)
    if found is None:
        said = f"Mailbox {mailbox_id} does not exist. GET /api/v1/mailboxes lists them."
        raise Problem(404, said, "mailbox.not-found")
    return found


def _shown(it: Mailbox) -> shapes.Mailbox:
    return {
        "id": it.id,
        "name": it.name,
        "protocol": it.protocol,
        "host": it.host,
        "port": it.port,
        "tls": it.tls,
        "verify": it.verify,
        "ca": it.ca,
        "username": it.username,
        "has_password": bool(it.password),
        "provider": it.provider,  # type: ignore[typeddict-item]
        "tenant": it.tenant,
        "client_id": it.client_id,
        "has_client_secret": bool(it.client_secret),
        "connected": bool(it.refresh_token),
        "folder": it.folder,
        "removes": it.removes,
        "fetched": it.fetched,
        "fetched_at": formats.iso(it.fetched_at) if it.fetched_at else None,
        "looked_at": formats.iso(it.looked_at) if it.looked_at else None,
        "trouble": str(it.trouble),
        "trouble_code": reasons.code(it.trouble) if it.trouble else None,
        "trouble_at": formats.iso(it.trouble_at) if it.trouble_at else None,
        "revision": it.revision,
    }
