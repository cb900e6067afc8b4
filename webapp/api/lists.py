"""Saved lists for programs: brought as a file or as JSON, followed while they are imported, and read."""

from __future__ import annotations

import asyncio
import io
import tempfile
from typing import TYPE_CHECKING, BinaryIO

import orjson
from quart import Response, request

from mailing.accounts.roles import Permission
from mailing.contacts import carrying, contacts, imports, lists, notes
from mailing.contacts.imports import UPLOAD_MAX
from mailing.contacts.lists import ListError
from mailing.contacts.notes import NoteKind
from mailing.contacts.tables import ImportState
from mailing.core import reasons
from mailing.core.bounds import LARGEST_ID
from mailing.core.reasons import ReasonError
from mailing.core.states import Standing
from mailing.uploads import reading
from tasks.commands import lists as commands
from webapp.api import campaigns, posted
from webapp.http import auth, forms, problems
from webapp.http.problems import Fault, Problem
from webapp.http.services import services
from webapp.openapi import fields, operations
from webapp.openapi.fields import BEFORE_ID, LIMIT, Beginning, Field, Number, OneOf, State, Text
from webapp.openapi.operations import PREFIX, Answer, described
from webapp.openapi.shapes import lists as shapes
from webapp.ui import formats

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailing.contacts.contacts import Contact
    from mailing.contacts.imports import Import
    from mailing.contacts.lists import SavedList
    from mailing.core.database import Database
    from mailing.uploads.reading import Look

TOPIC = "Lists"
SMALL = 200_000  # bytes: a file that is imported before the answer
blueprint = operations.blueprint("api_lists")
_ONE = "/lists/<id:list_id>"
_NAME = "Name the list, such as Members."
_NAMED = Field("name", Text(_NAME), "The name of the list.", missing=_NAME, example="Members")
_LIST = (
    _NAMED,
    Field(
        "contacts",
        posted.LIST,
        "Pasted text, or rows whose other fields become merge fields, or plain addresses.",
        missing=posted.GIVE_A_LIST,
        example=[{"email": "ann@example.org", "name": "Ann", "city": "Huế"}],
    ),
)
_AFTER = Field(
    "after",
    Number(range(LARGEST_ID + 1)),
    "Return what comes after this id: the `next` of an earlier response.",
)
_CONTACTS = (
    Field("standing", State(Standing), "Only contacts of this standing."),
    Field("q", Beginning(), "Only addresses that start with this, or addresses at `@DOMAIN`.", usual=""),
    _AFTER,
    LIMIT,
)
_NOTES = (
    Field("kind", OneOf(NoteKind), "Which notes.", usual=NoteKind.REFUSED),
    _AFTER,
    LIMIT,
)


@blueprint.post("/lists")
@auth.needs(Permission.LISTS)
@described(
    TOPIC,
    {
        201: Answer("The list was stored.", shapes.Import, headers=("Location",)),
        202: Answer("The file is being imported.", shapes.Import, headers=("Location",)),
    },
    bodies={"": _LIST},
    upload=(_NAMED,),
)
async def create_list() -> Response:
    """Create a saved list from contacts, or from a file.

    A file is sent as `multipart/form-data`, with its `name` before its `file`: CSV in any encoding, XLSX,
    XLS, ODS, JSON, JSON Lines, vCard, or an export of another program. Which column holds the addresses is
    guessed from its header and content; all others become merge fields. A large one is imported by a worker:
    the status is 202, and ``Location`` is where to follow it.
    """
    with tempfile.TemporaryFile() as file:
        name, file_name = await (_uploaded(file) if request.mimetype == forms.MULTIPART else _posted(file))
        import_id, size = await _begun(file, file_name, name)
    svc = services()
    if size <= SMALL:
        await asyncio.to_thread(carrying.carry_out, svc.db, import_id)
    found = await svc.read(_the_import, import_id)
    answer = operations.in_json(_import(found), 201 if found.state is ImportState.DONE else 202)
    where = f"lists/{found.list_id}" if found.state is ImportState.DONE else f"imports/{import_id}"
    answer.headers["Location"] = svc.at(f"{PREFIX}/{where}")
    return answer


@blueprint.get("/lists")
@auth.needs(Permission.READ)
@described(TOPIC, {200: Answer("A page of lists.", shapes.ListPage)}, query=(BEFORE_ID, LIMIT))
async def list_lists() -> Response:
    """List the saved lists, newest first."""
    asked = fields.query(request.args, (BEFORE_ID, LIMIT))
    found = await services().read(lists.latest, before=asked["before"], limit=asked["limit"] + 1)
    shown = found[: asked["limit"]]
    more = shown[-1].id if len(found) > len(shown) else None
    return operations.in_json({"lists": [_list(it) for it in shown], "next": more})


@blueprint.get(_ONE)
@auth.needs(Permission.READ)
@described(TOPIC, {200: Answer("The list.", shapes.SavedList)})
async def get_list(list_id: int) -> Response:
    """Get a saved list."""
    return operations.in_json(_list(await services().read(_the_list, list_id)))


@blueprint.get(f"{_ONE}/contacts")
@auth.needs(Permission.READ)
@described(TOPIC, {200: Answer("A page of contacts.", shapes.ContactPage)}, query=_CONTACTS)
async def list_contacts(list_id: int) -> Response:
    """List the contacts of a saved list."""
    asked = fields.query(request.args, _CONTACTS)
    await services().read(_the_list, list_id)
    page = await services().read(
        contacts.find,
        list_id,
        asked["q"],
        asked["standing"],
        after=asked["after"] or None,
        limit=asked["limit"],
    )
    return operations.in_json({"contacts": [_contact(it) for it in page.rows], "next": page.next})


@blueprint.get("/imports/<id:import_id>")
@auth.needs(Permission.READ)
@described(TOPIC, {200: Answer("The import.", shapes.Import)})
async def get_import(import_id: int) -> Response:
    """Get an import: how far it is, and what became of its rows."""
    return operations.in_json(_import(await services().read(_the_import, import_id)))


@blueprint.get("/imports/<id:import_id>/notes")
@auth.needs(Permission.READ)
@described(TOPIC, {200: Answer("A page of notes.", shapes.NotePage)}, query=_NOTES)
async def list_import_notes(import_id: int) -> Response:
    """List the notes of an import: skipped lines, duplicates and warnings."""
    asked = fields.query(request.args, _NOTES)
    await services().read(_the_import, import_id)
    after = -1 if asked["after"] is None else asked["after"]
    found = await services().read(notes.read, import_id, asked["kind"], asked["limit"] + 1, after=after)
    shown = [_note(it) for it in found[: asked["limit"]]]
    return operations.in_json(
        {"notes": shown, "next": found[len(shown) - 1].number if len(found) > len(shown) else None}
    )


@blueprint.post("/imports/<id:import_id>/cancel")
@auth.needs(Permission.LISTS)
@described(TOPIC, {200: Answer("The import as it is now.", shapes.Import)}, bodies={"": ()}, refuses=(409,))
async def cancel_import(import_id: int) -> Response:
    """Cancel an import; what it brought into its list is removed."""
    svc = services()
    await svc.read(_the_import, import_id)
    campaigns.read_nothing(await forms.body(forms.SHORT), "cancel")
    try:
        await svc.do(commands.cancel_import, auth.program(), import_id)
    except ListError as refusal:
        raise problems.refused(refusal) from None
    return operations.in_json(_import(await svc.read(_the_import, import_id)))


async def _uploaded(file: BinaryIO) -> tuple[str, str]:
    """Write the file that a form brings; return the list's name and the file's."""
    found = await forms.upload(UPLOAD_MAX)
    if not found.name:
        raise problems.invalid([Fault("file", "Send the file in the part file.", "request.missing-field")])
    values, faults = fields.judge(found.fields, (_NAMED,))
    if faults := [*faults, *fields.strange(found.fields, ("name", "file"))]:
        raise problems.invalid(faults)
    async for piece in found.pieces:
        await asyncio.to_thread(file.write, piece)
    return values["name"], found.name


async def _posted(file: BinaryIO) -> tuple[str, str]:
    """Write the posted contacts as a file; return the list's name and the file's."""
    values = fields.body(await forms.body(forms.LONGEST), _LIST, '{"name": ..., "contacts": ...}')
    rows = values["contacts"]
    file.write(rows.encode() if isinstance(rows, str) else orjson.dumps(rows))
    return values["name"], "contacts.txt" if isinstance(rows, str) else "contacts.json"


async def _begun(file: BinaryIO, file_name: str, name: str) -> tuple[int, int]:
    """Keep a file and begin its import into a new list; return its id and the file's size."""
    svc, size = services(), file.seek(0, io.SEEK_END)
    try:
        import_id = await svc.do(commands.upload, auth.program(), file_name, file)
    except ReasonError as refusal:
        raise problems.invalid([Fault.of("file", it) for it in refusal.reasons]) from None
    try:
        look = await svc.lists.measure(size, _look_at, import_id, file_name)
        await svc.do(
            commands.start_import, auth.program(), import_id, look.plan, name, expected=look.expected
        )
    except ReasonError as refusal:
        await svc.do(commands.cancel_import, auth.program(), import_id)
        at = "name" if isinstance(refusal, ListError) else "file"
        raise problems.invalid([Fault.of(at, it) for it in refusal.reasons]) from None
    return import_id, size


def _look_at(db: Database, import_id: int, file_name: str) -> Look:
    with imports.opened(db, import_id) as file:
        return reading.look(file, file_name)


def _the_list(connection: Connection, list_id: int) -> SavedList:
    found = lists.get(connection, list_id)
    if found is None:
        raise Problem(404, f"List {list_id} does not exist. Check the id in the URL.", "saved-list.not-found")
    return found


def _the_import(connection: Connection, import_id: int) -> Import:
    found = imports.get(connection, import_id)
    if found is None:
        said = f"Import {import_id} does not exist. Check the id in the URL."
        raise Problem(404, said, "request.not-found")
    return found


def _list(it: SavedList) -> shapes.SavedList:
    return {
        "id": it.id,
        "name": it.name,
        "total": it.total,
        "active": it.active,
        "fields": list(it.fields),
        "revision": it.revision,
        "created_at": formats.iso(it.created_at),
        "changed_at": formats.iso(it.changed_at),
    }


def _contact(it: Contact) -> shapes.Contact:
    return {
        "id": it.id,
        "email": it.email,
        "name": it.name,
        "fields": dict(it.fields),
        "standing": it.standing,
        "standing_reason": it.standing_reason,
        "created_at": formats.iso(it.created_at),
        "changed_at": formats.iso(it.changed_at),
    }


def _import(it: Import) -> shapes.Import:
    answer: shapes.Import = {
        "id": it.id,
        "list": it.list_id,
        "file": it.file_name,
        "state": it.state,
        "recognised": it.plan.get("recognised", ""),
        "rows": it.read,
        "expected": it.expected,
        "accepted": it.accepted,
        "duplicates": it.duplicates,
        "updated": it.updated,
        "refused": it.refused,
        "worth_a_look": it.noted,
        "not_active": it.set_aside,
        "created_at": formats.iso(it.created_at),
        "finished_at": None if it.finished_at is None else formats.iso(it.finished_at),
    }
    if it.state is ImportState.FAILED:
        answer["reason"] = str(it.reason)
        answer["reason_code"] = reasons.code(it.reason) or ""
    return answer


def _note(it: notes.Note) -> shapes.Note:
    return {
        "line": it.line,
        "text": it.text,
        "reason": str(it.reason),
        "code": reasons.code(it.reason) or "",
        "suggestion": it.suggestion,
    }
