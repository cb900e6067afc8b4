"""A file on its way into a saved list: uploaded, looked at, read by a worker, and what became of each line.

Everything a page shows depends on its address alone, but for the form of a file that is looked at: what was
chosen there travels with it, until it is started.
"""

from __future__ import annotations

import asyncio
import io
import tempfile
from typing import TYPE_CHECKING, Any, BinaryIO

from quart import Blueprint, Response, abort, redirect, render_template, request

from mailing.accounts.roles import Permission
from mailing.contacts import imports, lists, notes
from mailing.contacts.imports import UPLOAD_MAX, Import
from mailing.contacts.lists import NAME_MAX, ListError
from mailing.contacts.notes import NoteKind
from mailing.contacts.tables import ImportState
from mailing.core.reasons import Reason, ReasonError
from mailing.uploads import reading
from mailing.uploads.cells import composed
from mailing.uploads.reading import UnreadableError
from tasks.commands import lists as commands
from webapp.api import exports
from webapp.http import auth, params, security
from webapp.http.list_process import CrowdedError
from webapp.http.services import services
from webapp.i18n.domain_texts import say_why
from webapp.i18n.languages import _, ngettext
from webapp.lists import choices
from webapp.ui import receipts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection
    from werkzeug.datastructures import MultiDict
    from werkzeug.wrappers import Response as AnyResponse

    from mailing.contacts.lists import SavedList
    from mailing.core.database import Database
    from mailing.uploads.plans import Plan
    from mailing.uploads.reading import Choice, Look
    from webapp.lists.choices import Chosen

blueprint = Blueprint("imports", __name__)
NOTES_SHOWN = 100  # of each kind
LISTS_OFFERED = 200
NAMES_MAX = NAME_MAX
_ONE = "/lists/imports/<id:import_id>"


@blueprint.get("/lists/new")
@auth.needs(Permission.LISTS)
async def new() -> str:
    """Ask for a file, or for what is pasted in its place."""
    return await _new(params.number("into"))


@blueprint.post("/lists/imports")
@auth.needs(Permission.LISTS)
async def bring() -> AnyResponse | tuple[str, int]:
    """Take a file as it comes, keep it, and lead to its columns."""
    found = security.upload()
    if not found.name:
        return await _new(None, {"file": _("Choose a file.")}), 422
    into = found.fields.get("into", "")
    with tempfile.TemporaryFile() as file:
        async for piece in found.pieces:
            await asyncio.to_thread(file.write, piece)
        return await _kept(found.name, file, int(into) if params.is_id(into) else None, "file")


@blueprint.post("/lists/imports/pasted")
@auth.needs(Permission.LISTS)
async def paste() -> AnyResponse | tuple[str, int]:
    """Keep what was pasted as if it came in a file, and lead to its columns."""
    form = await request.form
    text, into = form.get("text", ""), form.get("into", "")
    to = int(into) if params.is_id(into) else None
    if not text.strip():
        return await _new(to, {"text": _("Paste at least one address.")}), 422
    answer = await _kept(_("Pasted list"), io.BytesIO(text.encode()), to, "text")
    return (await _new(to, {"text": answer[0]}, text), 422) if isinstance(answer, tuple) else answer


async def paste_again(form: MultiDict[str, str]) -> tuple[str, int]:
    """Show what was pasted again: the session had ended."""
    into = form.get("into", "")
    typed = form.get("text", "")
    return await _new(int(into) if params.is_id(into) else None, {"again": _ended()}, typed), 403


@blueprint.get(_ONE)
@auth.needs(Permission.READ)
async def show(import_id: int) -> Response | str | tuple[str, int]:
    """Show the columns of a file that is to be imported, or how far it is, or what became of it."""
    it = await _the_import(import_id)
    if it.state is ImportState.UPLOADED and Permission.LISTS in auth.rights():
        return await _columns(it, choices.read(request.args), into=params.number("into"))
    shown = await services().read(_standing, it)
    if "HX-Request" in request.headers:
        response = Response(await render_template("lists/_import.html", **shown))
    else:
        response = Response(await render_template("lists/import.html", section="lists", **shown))
    response.vary.add("HX-Request")
    return response


@blueprint.post(_ONE)
@auth.needs(Permission.LISTS)
async def choose(import_id: int) -> AnyResponse | tuple[str, int]:
    """Show the columns as they are read now, or start to read all of the file so."""
    form, it = await request.form, await _the_import(import_id)
    if it.state is not ImportState.UPLOADED:
        return redirect(services().at(f"/lists/imports/{import_id}"), 303)
    chosen, into = choices.read(form), form.get("list", "")
    name, to = form.get("name", "").strip(), int(into) if params.is_id(into) else None
    if form.get("do") != "start":
        return await _columns(it, chosen, into=to, name=name)
    try:
        look = await _look(it, chosen.choice)
        if choices.reading(look.plan) != chosen.shown:  # what was shown is not what would be read
            return await _columns(it, chosen, into=to, name=name)
        plan = choices.planned(look, chosen)
        person, name_or_id = auth.person(), to or name
        await services().do(
            commands.start_import, person, import_id, plan, name_or_id, expected=look.expected
        )
    except ReasonError as refusal:
        fault = "name" if refusal.reason.code.startswith("saved-list.") else "columns"
        answer = await _columns(it, chosen, into=to, name=name, faults={fault: say_why(refusal)})
        return answer[0], 422
    return redirect(services().at(f"/lists/imports/{import_id}"), 303)


async def choose_again(form: MultiDict[str, str], import_id: int) -> tuple[str, int]:
    """Show the columns again with all that was chosen: the session had ended."""
    into = form.get("list", "")
    answer = await _columns(
        await _the_import(import_id),
        choices.read(form),
        into=int(into) if params.is_id(into) else None,
        name=form.get("name", ""),
        faults={"again": _ended()},
    )
    return answer[0], 403


@blueprint.post(f"{_ONE}/cancel")
@auth.needs(Permission.LISTS)
async def cancel(import_id: int) -> AnyResponse:
    """Cancel an import; nothing of it stays in the list."""
    it = await _the_import(import_id)
    try:
        await services().do(commands.cancel_import, auth.person(), import_id)
    except ListError as refusal:
        abort(409, say_why(refusal))
    if it.state is ImportState.UPLOADED:
        receipts.tell(_("The file was discarded."))
        return redirect(services().at("/lists"), 303)
    return redirect(services().at(f"/lists/imports/{import_id}"), 303)


@blueprint.post(f"{_ONE}/correct")
@auth.needs(Permission.LISTS)
async def correct(import_id: int) -> AnyResponse:
    """Give the contacts at a mistyped domain the addresses that were meant."""
    form = await request.form
    await _the_import(import_id)
    domain, meant = form.get("domain", ""), form.get("meant", "")
    if not domain or not meant:
        abort(400, _("This form is out of date. Reload the page."))
    try:
        n = await services().do(commands.correct, auth.person(), import_id, domain=domain, meant=meant)
    except ListError as refusal:
        abort(409, say_why(refusal))
    receipts.tell(ngettext("%(n)s address corrected.", "%(n)s addresses corrected.", n))
    return redirect(services().at(f"/lists/imports/{import_id}"), 303)


@blueprint.get(f"{_ONE}/skipped.csv")
@auth.needs(Permission.READ)
async def skipped(import_id: int) -> Response:
    """Send all skipped lines of a file."""
    await _the_import(import_id)
    return exports.skipped_of_import(import_id)


async def _kept(name: str, file: BinaryIO, into: int | None, field: str) -> AnyResponse | tuple[str, int]:
    """Keep a file in pieces and lead to its columns, or answer with what is wrong with it."""
    try:
        import_id = await services().do(commands.upload, auth.person(), name, file)
    except ListError as refusal:
        return (say_why(refusal) if field == "text" else await _new(into, {field: say_why(refusal)})), 422
    return redirect(services().at(f"/lists/imports/{import_id}" + (f"?into={into}" if into else "")), 303)


async def _new(into: int | None, faults: Mapping[str, str] | None = None, typed: str = "") -> str:
    return await render_template(
        "lists/new.html",
        section="lists",
        into=await services().read(lists.get, into) if into else None,
        faults=faults or {},
        typed=typed,
        most=UPLOAD_MAX,
    )


async def _columns(
    it: Import,
    chosen: Chosen,
    *,
    into: int | None,
    name: str | None = None,
    faults: Mapping[str, str] | None = None,
) -> tuple[str, int]:
    """Return the page of a file that is looked at, and its status."""
    found, faults = dict(faults or {}), faults or {}
    look: Look | None = None
    plan: Plan | None = None
    unreadable: Reason | None = None
    try:
        look = await _look(it, chosen.choice)
        plan = choices.planned(look, chosen)
    except UnreadableError as error:
        unreadable = error.reason
    except ReasonError as error:
        found.setdefault("columns", say_why(error))
        look = look or await _look(it, reading.Choice())
        plan = look.plan
    text = await render_template(
        "lists/columns.html",
        section="lists",
        it=it,
        plan=plan,
        rows=[[composed(cell) for cell in row] for row in look.rows] if look else (),
        sheets=look.sheets if look else (),
        expected=look.expected if look else None,
        notes=look.notes if look else (),
        unreadable=unreadable,
        shown=choices.reading(plan) if plan else "",
        encodings=choices.encodings(plan) if plan else {},
        delimiters=choices.delimiters(plan) if plan else {},
        delimiter=choices.written_delimiter(plan) if plan else "",
        has_header_choice=bool(plan and plan.format in choices.WITH_HEADER),
        roles=choices.ROLES,
        lists=await services().read(lists.latest, limit=LISTS_OFFERED),
        into=into,
        name=_named_after(it.file_name) if name is None else name,
        names_max=NAMES_MAX,
        faults=found,
    )
    return text, 422 if found or unreadable else 200


async def _look(it: Import, choice: Choice) -> Look:
    try:
        return await services().lists.measure(it.size, _look_at, it.id, it.file_name, choice)
    except CrowdedError:
        raise
    except ListError as refusal:
        abort(409, say_why(refusal))


def _look_at(database: Database, import_id: int, name: str, choice: Choice) -> Look:
    with imports.opened(database, import_id) as file:
        return reading.look(file, name, choice)


def _standing(connection: Connection, it: Import) -> dict[str, Any]:
    """Return what the page of an import shows."""
    kinds = {"refused": NoteKind.REFUSED, "noted": NoteKind.NOTED, "duplicate": NoteKind.DUPLICATE}
    done = it.state is ImportState.DONE
    into: SavedList | None = lists.get(connection, it.list_id) if it.list_id else None
    return {
        "it": it,
        "into": into,
        "going": it.under_way,
        "part": min(it.read * 1000 // it.expected, 1000) if it.expected else None,
        "typos": notes.typos(connection, it.id) if done and into else (),
        "found": {
            name: notes.read(connection, it.id, kind, NOTES_SHOWN) if done else ()
            for name, kind in kinds.items()
        },
        "counts": {
            "refused": it.refused,
            "noted": notes.count(connection, it.id, NoteKind.NOTED) if done else 0,
            "duplicate": it.duplicates,
        },
        "most_notes": NOTES_SHOWN,
    }


async def _the_import(import_id: int) -> Import:
    it = await services().read(imports.get, import_id)
    if it is None:
        abort(404, _("Import %(id)s doesn't exist.", id=import_id))
    return it


def _named_after(file_name: str) -> str:
    """Return the name that a list is offered: that of its file, without its ending."""
    stem, dot, ending = file_name.rpartition(".")
    shown = stem if dot and len(ending) <= 5 else file_name  # noqa: PLR2004
    return shown.replace("_", " ").strip()[:NAME_MAX]


def _ended() -> str:
    return _(
        "Your session had expired, so nothing was saved. Your input is still here: press the button again."
    )
