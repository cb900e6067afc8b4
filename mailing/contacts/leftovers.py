"""What is left of imports that failed or were canceled, of uploads that nobody started, of deleted lists.

Nothing of it can be seen any more but for the contacts of such an import, which go first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, exists, func, select, tuple_, update

from mailing.contacts import lists
from mailing.contacts.tables import ImportState, contacts, import_notes, imports, upload_pieces
from mailing.contacts.tables import lists as saved_lists
from mailing.core.clock import now_ms
from mailing.core.states import Standing

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Table

UNSTARTED_MS = 24 * 3600 * 1000
PIECES = 8  # of a file, each of up to 1 MB, that one transaction removes
_ENDED = (ImportState.DONE, ImportState.FAILED, ImportState.CANCELED)
_UNDONE = (ImportState.FAILED, ImportState.CANCELED)


def remove(connection: Connection, rows: int) -> bool:
    """Remove up to ``rows`` of something that is left; return whether there may be more."""
    return (
        _contacts_of_imports(connection, rows)
        or _deleted_lists(connection, rows)
        or _files(connection)
        or _unstarted(connection, rows)
    )


def _contacts_of_imports(connection: Connection, rows: int) -> bool:
    """Take out of their lists what imports brought that failed or were canceled."""
    deleted = exists().where(saved_lists.c.id == imports.c.list_id, saved_lists.c.deleted_at.is_not(None))
    found = select(imports.c.id, imports.c.list_id, imports.c.accepted)
    found = found.where(imports.c.state.in_(_UNDONE), imports.c.accepted > 0, ~deleted).limit(1)
    undone = connection.execute(found).first()
    if undone is None:
        return False
    held = lists.change(connection, undone.list_id)
    mine = contacts.c.import_id == undone.id
    some = select(contacts.c.id, contacts.c.standing).where(mine).limit(rows)
    gone = {row.id: row.standing for row in connection.execute(some)}
    connection.execute(delete(contacts).where(contacts.c.id.in_(list(gone))))
    if gone:
        active = sum(standing == Standing.ACTIVE for standing in gone.values())
        lists.count(connection, held, total=-len(gone), active=-active)
    left = undone.accepted - len(gone) if gone else 0  # somebody may have removed others
    own = update(imports).where(imports.c.id == undone.id)
    connection.execute(own.values(accepted=max(left, 0), **({} if left > 0 else {"set_aside": 0})))
    return True


def _deleted_lists(connection: Connection, rows: int) -> bool:
    """Remove the contacts of a deleted list, then what is left of its imports, then the list."""
    deleted = select(saved_lists.c.id).where(saved_lists.c.deleted_at.is_not(None)).limit(1)
    list_id = connection.execute(deleted).scalar()
    if list_id is None:
        return False
    of_it = select(imports.c.id).where(imports.c.list_id == list_id)
    parts: tuple[tuple[Table, ColumnElement[bool], int], ...] = (
        (contacts, contacts.c.list_id == list_id, rows),
        (import_notes, import_notes.c.import_id.in_(of_it), rows),
        (upload_pieces, upload_pieces.c.import_id.in_(of_it), PIECES),
        (saved_lists, saved_lists.c.id == list_id, 1),
    )
    return any(_remove(connection, *part) for part in parts)


def _files(connection: Connection) -> bool:
    """Remove the bytes of files whose imports have ended."""
    ended = select(imports.c.id).where(imports.c.state.in_(_ENDED))
    return _remove(connection, upload_pieces, upload_pieces.c.import_id.in_(ended), PIECES)


def _unstarted(connection: Connection, rows: int) -> bool:
    """End uploads that nobody started, and remove those that were ended before their columns were chosen."""
    old = (imports.c.state == ImportState.UPLOADED, imports.c.touched_at < now_ms() - UNSTARTED_MS)
    ended = {"state": ImportState.CANCELED, "finished_at": func.coalesce(imports.c.finished_at, now_ms())}
    if connection.execute(update(imports).where(*old).values(ended)).rowcount:
        return True
    useless = (imports.c.list_id.is_(None), imports.c.state.in_(_UNDONE))
    gone = delete(imports).where(*useless, imports.c.finished_at < now_ms() - UNSTARTED_MS)
    return connection.execute(gone).rowcount >= rows


def _remove(connection: Connection, table: Table, where: ColumnElement[bool], rows: int) -> bool:
    key = table.primary_key.columns
    some = select(*key).where(where).limit(rows)
    return bool(connection.execute(delete(table).where(tuple_(*key).in_(some))).rowcount)
