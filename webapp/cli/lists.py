"""What the commands about saved lists do, for somebody at the machine."""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from mailing.contacts import carrying, imports, lists, notes
from mailing.contacts.notes import NoteKind
from mailing.contacts.tables import ImportState
from mailing.core.reasons import ReasonError
from mailing.uploads import reading
from tasks.commands import lists as commands
from webapp.cli.opening import ACTOR, chosen_settings, open_backend

if TYPE_CHECKING:
    from mailing.contacts.imports import Import
    from tasks.commands.backend import Backend

SHOWN = 20  # notes of each kind
_HEADINGS = {
    NoteKind.REFUSED: "Skipped lines:",
    NoteKind.SUGGESTED: "Probably mistyped:",
    NoteKind.NOTED: "Worth checking:",
}


def bring(file: IO[bytes], name: str) -> None:
    """Import a file into a new list, and say what became of it."""
    with open_backend(chosen_settings()) as backend:
        import_id = _begin(backend, file, name)
        with click.progressbar(length=_get(backend, import_id).expected or 0, label="Importing") as bar:
            done = 0

            def tell(read: int) -> None:
                nonlocal done
                bar.update(read - done)
                done = read

            carrying.carry_out(backend.db, import_id, tell)
        it = _get(backend, import_id)
        if it.state is not ImportState.DONE:
            raise click.ClickException(f"The file was not imported. {it.reason}")
        _tell(backend, it)


def show() -> None:
    """List the saved lists."""
    with open_backend(chosen_settings()) as backend, backend.db.read() as connection:
        found = lists.latest(connection, limit=1_000)
    for it in found:
        fields = f"  fields: {', '.join(it.fields)}" if it.fields else ""
        click.echo(f"{it.id}  {it.name}  {it.active:,} of {it.total:,} active{fields}")
    if not found:
        click.echo("There are no saved lists. Import one with: volley lists import FILE")


def _begin(backend: Backend, file: IO[bytes], name: str) -> int:
    """Keep the file, look how it is made, and begin its import; return its id."""
    try:
        import_id = commands.upload(backend, ACTOR, Path(file.name).name, file)  # type: ignore[arg-type]
    except ReasonError as refusal:
        raise click.ClickException(str(refusal)) from None
    try:
        with imports.opened(backend.db, import_id) as kept:
            look = reading.look(kept, file.name)
        name = name or Path(file.name).stem
        commands.start_import(backend, ACTOR, import_id, look.plan, name, expected=look.expected)
    except ReasonError as refusal:
        commands.cancel_import(backend, ACTOR, import_id)
        raise click.ClickException(f"Nothing was imported. {refusal}") from None
    return import_id


def _get(backend: Backend, import_id: int) -> Import:
    with backend.db.read() as connection:
        found = imports.get(connection, import_id)
    assert found is not None
    return found


def _tell(backend: Backend, it: Import) -> None:
    exported = f", exported by {it.plan['recognised']}" if it.plan.get("recognised") else ""
    click.echo(f"List {it.list_id}{exported}: {it.accepted:,} contacts, {it.duplicates:,} duplicates merged,")
    click.echo(f"{it.refused:,} lines skipped, {it.noted:,} worth checking, {it.set_aside:,} not active.")
    for kind, heading in _HEADINGS.items():
        with backend.db.read() as connection:
            found = notes.read(connection, it.id, kind, SHOWN)
        if found:
            click.echo(heading)
        for note in found:
            click.echo(f"  line {note.line}: {note.text}\n    {note.reason}")
