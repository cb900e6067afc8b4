"""Imports: files on their way into saved lists, from the upload to the last contact.

The bytes of a file come in pieces, so that a worker on any machine reads them. A worker holds the import that
it carries out by a token (the fence). What it stores and how far it has read are written in one transaction,
so the next worker continues exactly there.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from sqlalchemy import and_, delete, exists, insert, or_, select, update

from mailing.contacts import lists, tables
from mailing.contacts.lists import ListError
from mailing.contacts.tables import ImportState, upload_pieces
from mailing.contacts.tables import imports as table
from mailing.core import reasons
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason
from mailing.uploads import plans

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, Select

    from mailing.core.actors import Actor
    from mailing.core.database import Database
    from mailing.core.reasons import Words
    from mailing.uploads.plans import Plan

UPLOAD_MAX = 200 * 1024 * 1024  # bytes
PIECE_BYTES = 1024 * 1024  # of each piece but the last
FILE_NAME_MAX = 200  # characters
LEFT_BEHIND_MS = 60_000  # an import that nobody has touched for this long has lost its process
GIVEN_OUT_MS = 5_000  # how long a worker may take to begin an import that was given out
TRIES = 3  # without coming further
OPEN = frozenset({ImportState.UPLOADED, ImportState.WAITING, ImportState.READING})
UNDER_WAY = frozenset({ImportState.WAITING, ImportState.READING})


@dataclass(frozen=True, slots=True)
class Import:
    """An import and how far it has come. ``size`` is in bytes, times in ms since 1970.

    Of the rows ``read``, so many were ``accepted`` as new contacts, so many ``set_aside`` among them because
    they may not be mailed; contacts that the list had are ``updated`` if the file says more of them, and else
    ``duplicates``, as is what the file holds twice. ``noted`` are worth a look. ``expected`` is how many rows
    there are, about.
    """

    id: int
    list_id: int | None
    file_name: str
    size: int
    state: ImportState
    plan: Mapping[str, Any]
    read: int
    expected: int | None
    accepted: int
    duplicates: int
    updated: int
    refused: int
    noted: int
    set_aside: int
    reason: Words
    created_by: str
    created_at: int
    touched_at: int
    finished_at: int | None

    @property
    def under_way(self) -> bool:
        """Whether it waits for a worker, or is being read."""
        return self.state in UNDER_WAY


def begin(connection: Connection, file_name: str, size: int, actor: Actor) -> int:
    """Begin the upload of a file of ``size`` bytes; return the import's id. Raises ``ListError``."""
    if size > UPLOAD_MAX:
        raise ListError(Reason("import.too-large", size=_mb(size), most=_mb(UPLOAD_MAX)))
    if size <= 0:
        raise ListError(Reason("import.empty"))
    values = {
        "file_name": _file_name(file_name),
        "size": size,
        "state": ImportState.UPLOADED,
        "plan": {},
        "created_by": actor.name,
    }
    return int(connection.execute(insert(table).values(values).returning(table.c.id)).scalar_one())


def keep_piece(connection: Connection, import_id: int, number: int, data: bytes) -> None:
    """Keep piece ``number``, from 0, of a file: ``PIECE_BYTES`` of it, or its end. It may come again.

    Raises ``ListError`` for one that the file does not have, or whose import is no longer an upload.
    """
    held = update(table).where(table.c.id == import_id, table.c.state == ImportState.UPLOADED)
    held = held.values(touched_at=now_ms()).returning(table.c.size)
    size = connection.execute(held).scalar()
    if size is None:
        raise ListError(Reason("import.over"))
    if number < 0 or len(data) != min(PIECE_BYTES, size - number * PIECE_BYTES):
        raise ListError(Reason("import.incomplete"))
    own = (upload_pieces.c.import_id == import_id, upload_pieces.c.number == number)
    connection.execute(delete(upload_pieces).where(*own))
    connection.execute(insert(upload_pieces).values(import_id=import_id, number=number, data=data))


def opened(database: Database, import_id: int) -> BinaryIO:
    """Return an uploaded file, to be read and closed. Raises ``ListError`` if not all of it is there."""
    file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - its caller closes it
    try:
        with database.read() as connection:
            size = connection.execute(select(table.c.size).where(table.c.id == import_id)).scalar()
            file.writelines(_pieces(connection, import_id))
    except BaseException:
        file.close()
        raise
    if file.tell() == size:
        file.seek(0, os.SEEK_SET)
        return file
    file.close()
    raise ListError(Reason("import.incomplete"))


def start(
    connection: Connection, import_id: int, plan: Plan, into: int | str, expected: int | None = None
) -> int:
    """Let a worker read an uploaded file by ``plan`` into a list, or into a new one of that name.

    Returns the list's id. ``expected`` is about how many rows there are. Raises ``ListError``, and
    ``UnfitError`` for a plan without a column of addresses.
    """
    plans.check(plan)
    list_id = lists.create(connection, into) if isinstance(into, str) else lists.change(connection, into).id
    values = {
        "list_id": list_id,
        "plan": plans.dump(plan),
        "expected": expected,
        "state": ImportState.WAITING,
        "touched_at": now_ms(),
    }
    waits = update(table).where(table.c.id == import_id, table.c.state == ImportState.UPLOADED)
    if not connection.execute(waits.values(values)).rowcount:
        raise ListError(Reason("import.over"))
    return list_id


def cancel(connection: Connection, import_id: int) -> Import:
    """End an import; what it stored is removed. Raises ``ListError`` once it has ended."""
    values = {"state": ImportState.CANCELED, "holder": "", "finished_at": now_ms()}
    mine = update(table).where(table.c.id == import_id, table.c.state.in_(OPEN))
    ended = connection.execute(mine.values(values)).rowcount
    found = get(connection, import_id)
    if not ended or found is None:
        raise ListError(Reason("import.over"))
    return found


def get(connection: Connection, import_id: int) -> Import | None:
    """Return an import, or None; also once its list is deleted, until it is removed."""
    return next(iter(_read(connection, _chosen().where(table.c.id == import_id))), None)


def latest(
    connection: Connection, *, list_id: int | None = None, before: int | None = None, limit: int = 50
) -> Sequence[Import]:
    """Return imports, the newest first: of one list, or all of them; those with an id below ``before``."""
    statement = _chosen().order_by(table.c.id.desc()).limit(limit)
    if list_id is not None:
        statement = statement.where(table.c.list_id == list_id)
    return _read(connection, statement if before is None else statement.where(table.c.id < before))


def under_way(connection: Connection, list_id: int) -> bool:
    """Whether a file is being read into a list, or waits for it."""
    found = select(table.c.id).where(table.c.list_id == list_id, table.c.state.in_(UNDER_WAY))
    return connection.execute(found.limit(1)).first() is not None


def waiting(connection: Connection, limit: int) -> Sequence[int]:
    """Return imports that a worker should carry out, the oldest first."""
    free = select(table.c.id).where(_free(GIVEN_OUT_MS)).order_by(table.c.id).limit(limit)
    return connection.execute(free).scalars().all()


def give_out(connection: Connection, ids: Sequence[int]) -> None:
    """Count imports as given out to the workers now."""
    waits = update(table).where(table.c.id.in_(ids), table.c.state == ImportState.WAITING)
    connection.execute(waits.values(touched_at=now_ms()))


def take(connection: Connection, import_id: int) -> str:
    """Take an import, to carry it out; return the word that holds it, empty if it is another's, or over.

    One that has been taken ``TRIES`` times and never came further fails.
    """
    holder = secrets.token_hex(16)
    mine = update(table).where(table.c.id == import_id, _free(0))
    values = {"state": ImportState.READING, "holder": holder, "touched_at": now_ms()}
    tries = connection.execute(
        mine.values(**values, tries=table.c.tries + 1).returning(table.c.tries)
    ).scalar()
    if tries is None:
        return ""
    if tries > TRIES:
        fail(connection, import_id, holder, Reason("import.broken-off", n=TRIES))
        return ""
    return holder


def keep(connection: Connection, import_id: int, holder: str, **values: Any) -> bool:
    """Go on to hold an import, and write what became of it; return whether it is still held so."""
    mine = update(table).where(*_held(import_id, holder)).values(touched_at=now_ms(), **values)
    return bool(connection.execute(mine).rowcount)


def let_go(connection: Connection, import_id: int, holder: str) -> None:
    """Let another worker go on at once: the process that held it is gone."""
    connection.execute(update(table).where(*_held(import_id, holder)).values(touched_at=0))


def finish(connection: Connection, import_id: int, holder: str) -> bool:
    """End an import that is all read, and drop its file. Returns whether it was still held."""
    if not keep(connection, import_id, holder, state=ImportState.DONE, finished_at=now_ms()):
        return False
    connection.execute(delete(upload_pieces).where(upload_pieces.c.import_id == import_id))
    return True


def fail(connection: Connection, import_id: int, holder: str, reason: Reason) -> None:
    """End an import that cannot be carried out; what it stored is removed."""
    said = {"reason": str(reason), "reason_code": reasons.dump(reason)}
    keep(connection, import_id, holder, state=ImportState.FAILED, finished_at=now_ms(), **said)


def _free(given_out_ms: int) -> ColumnElement[bool]:
    """The condition that an import waits and was not given out lately, or has lost its process."""
    now = now_ms()
    waits = and_(table.c.state == ImportState.WAITING, table.c.touched_at <= now - given_out_ms)
    left = and_(table.c.state == ImportState.READING, table.c.touched_at < now - LEFT_BEHIND_MS)
    there = exists().where(tables.lists.c.id == table.c.list_id, tables.lists.c.deleted_at.is_(None))
    return and_(or_(waits, left), there)


def _held(import_id: int, holder: str) -> tuple[ColumnElement[bool], ...]:
    return table.c.id == import_id, table.c.holder == holder, table.c.state == ImportState.READING


def _pieces(connection: Connection, import_id: int) -> Iterator[bytes]:
    number = 0
    while True:
        own = (upload_pieces.c.import_id == import_id, upload_pieces.c.number == number)
        data = connection.execute(select(upload_pieces.c.data).where(*own)).scalar()
        if data is None:
            return
        yield data
        number += 1


def _chosen() -> Select[Any]:
    hidden = {"holder", "tries"}
    return select(*(column for column in table.c if column.name not in hidden))


def _read(connection: Connection, statement: Select[Any]) -> list[Import]:
    rows = [reasons.in_row(row._asdict(), "reason") for row in connection.execute(statement)]
    return [Import(**(row | {"state": ImportState(row["state"])})) for row in rows]


def _file_name(given: str) -> str:
    """Return the last part of a path, as browsers may send one, without what cannot be shown."""
    last = given.replace("\\", "/").rpartition("/")[2]
    shown = "".join(sign for sign in last if sign.isprintable()).strip()
    return shown[-FILE_NAME_MAX:] or "file"


def _mb(size: int) -> str:
    return f"{-(-size // (1024 * 1024)):,} MB"
