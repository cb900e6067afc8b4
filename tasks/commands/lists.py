"""Commands about saved lists, their contacts and their imports. As in ``commands``; all are blocking.

What may not be done raises ``ListError`` with the reason, and what cannot be kept ``UnfitError``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO

from mailing.accounts import audit
from mailing.contacts import contacts, lists, notes
from mailing.contacts import imports as wing
from mailing.contacts.imports import PIECE_BYTES
from mailing.core.strides import Stride
from tasks import imports

if TYPE_CHECKING:
    from mailing.contacts.contacts import Written
    from mailing.core.actors import Actor
    from mailing.uploads.plans import Plan
    from tasks.commands.backend import Backend


def create(backend: Backend, actor: Actor, name: str) -> int:
    """Make an empty list; return its id."""
    with backend.db.write() as connection:
        list_id = lists.create(connection, name)
        audit.record(connection, actor, "create list", _about(list_id), name=name)
    return list_id


def rename(backend: Backend, actor: Actor, list_id: int, name: str) -> None:
    """Give a list another name."""
    with backend.db.write() as connection:
        lists.rename(connection, list_id, name)
        audit.record(connection, actor, "rename list", _about(list_id), name=name)


def delete(backend: Backend, actor: Actor, list_id: int) -> None:
    """Take a list away with all its contacts. Campaigns keep what they took from it."""
    with backend.db.write() as connection:
        gone = lists.delete(connection, list_id)
        audit.record(connection, actor, "delete list", _about(list_id), name=gone.name, contacts=gone.total)


def save_contact(
    backend: Backend,
    actor: Actor,
    list_id: int,
    written: Written,
    contact_id: int | None = None,
    *,
    seen: int | None = None,
) -> int:
    """Add a contact to a list, or change one, as it was ``seen``; return its id."""
    with backend.db.write() as connection:
        saved = contacts.save(connection, list_id, written, contact_id, seen=seen)
        action = "add contact" if contact_id is None else "change contact"
        told = {"contact": saved, "email": written.email, "standing": written.standing}
        audit.record(connection, actor, action, _about(list_id), **told)
    return saved


def remove_contact(backend: Backend, actor: Actor, list_id: int, contact_id: int) -> None:
    """Take a contact out of a list."""
    with backend.db.write() as connection:
        gone = contacts.remove(connection, list_id, contact_id)
        told = {"contact": contact_id, "email": gone.email}
        audit.record(connection, actor, "remove contact", _about(list_id), **told)


def begin_import(backend: Backend, actor: Actor, file_name: str, size: int) -> int:
    """Begin the upload of a file of ``size`` bytes; return the import's id. No change of a list yet."""
    with backend.db.write() as connection:
        import_id = wing.begin(connection, file_name, size, actor)
        audit.record(connection, actor, "upload file", f"import:{import_id}", file=file_name[:200], size=size)
    return import_id


def keep_piece(backend: Backend, import_id: int, number: int, data: bytes) -> None:
    """Keep a piece of a file, see ``contacts.imports``; its upload is in the audit log."""
    with backend.db.write() as connection:
        wing.keep_piece(connection, import_id, number, data)


def upload(backend: Backend, actor: Actor, file_name: str, file: BinaryIO) -> int:
    """Keep all of a file that can be read again from its start; return the import's id."""
    size = file.seek(0, os.SEEK_END)
    import_id = begin_import(backend, actor, file_name, size)
    file.seek(0)
    for number in range(-(-size // PIECE_BYTES)):
        keep_piece(backend, import_id, number, file.read(PIECE_BYTES))
    return import_id


def start_import(
    backend: Backend,
    actor: Actor,
    import_id: int,
    plan: Plan,
    into: int | str,
    *,
    expected: int | None = None,
) -> int:
    """Read an uploaded file into a list, or into a new one of that name; return the list's id."""
    with backend.db.write() as connection:
        list_id = wing.start(connection, import_id, plan, into, expected)
        if isinstance(into, str):
            audit.record(connection, actor, "create list", _about(list_id), name=into)
        told = {"list": list_id, "recognised": plan.recognised}
        audit.record(connection, actor, "start import", f"import:{import_id}", **told)
    imports.enqueue([import_id])
    return list_id


def cancel_import(backend: Backend, actor: Actor, import_id: int) -> None:
    """End an import; what it brought into its list is removed again."""
    with backend.db.write() as connection:
        wing.cancel(connection, import_id)
        audit.record(connection, actor, "cancel import", f"import:{import_id}")


def correct(
    backend: Backend,
    actor: Actor,
    import_id: int,
    number: int | None = None,
    *,
    domain: str = "",
    meant: str = "",
) -> int:
    """Correct addresses of an import as suggested; return how many contacts changed.

    One of them, those at a mistyped ``domain`` whose suggestion is at the one that was ``meant``, or all.
    """
    stride, changed, more = Stride(), 0, True
    while more:
        with stride.write(backend.db) as connection:
            rows = stride.rows
            taken, done = notes.correct(connection, import_id, rows, number, domain=domain, meant=meant)
            changed, more = changed + done, number is None and taken == rows
            if done:
                audit.record(connection, actor, "correct addresses", f"import:{import_id}", corrected=done)
    return changed


def _about(list_id: int) -> str:
    return f"list:{list_id}"
