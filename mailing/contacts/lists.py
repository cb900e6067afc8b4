"""Saved lists: named, with their merge fields, and counted as their contacts come and go.

Whoever changes contacts holds the row of their list: ``change`` takes it, ``count`` writes what became of it.
So two that change one list take turns, and its numbers are always those of its contacts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError

from mailing.contacts.tables import lists as table
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason, ReasonError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection, Select

NAME_MAX = 100  # characters
CONTACTS_MAX = 1_000_000  # what a campaign takes, too
FIELDS_MAX = 1_000  # merge fields of one list
_THERE = table.c.deleted_at.is_(None)


class ListError(ReasonError):
    """A list, a contact or an import is not there, or cannot be changed so."""


@dataclass(frozen=True, slots=True)
class SavedList:
    """A list. ``active`` of its ``total`` contacts may be mailed. Times in ms since 1970.

    ``revision`` counts up at each change of its contacts; ``fields`` are its merge fields beside the name.
    """

    id: int
    name: str
    total: int
    active: int
    revision: int
    fields: tuple[str, ...]
    created_at: int
    changed_at: int


def get(connection: Connection, list_id: int) -> SavedList | None:
    """Return a list, or None."""
    return next(iter(_read(connection, _chosen().where(table.c.id == list_id))), None)


def several(connection: Connection, ids: Iterable[int]) -> Mapping[int, SavedList]:
    """Return those of some lists that are there, by their ids."""
    return {found.id: found for found in _read(connection, _chosen().where(table.c.id.in_({*ids})))}


def named(connection: Connection, name: str) -> SavedList | None:
    """Return the list with this name, in capitals or small letters, or None."""
    wanted = func.lower(table.c.name) == func.lower(_tidy(name))
    return next(iter(_read(connection, _chosen().where(wanted))), None)


def latest(connection: Connection, *, before: int | None = None, limit: int = 50) -> Sequence[SavedList]:
    """Return lists, the newest first, from those with an id below ``before``."""
    statement = _chosen().order_by(table.c.id.desc()).limit(limit)
    return _read(connection, statement if before is None else statement.where(table.c.id < before))


def create(connection: Connection, name: str) -> int:
    """Make an empty list; return its id. Raises ``ListError`` for a name that is no name, or taken."""
    statement = insert(table).values(name=_checked(name)).returning(table.c.id)
    try:
        with connection.begin_nested():
            return int(connection.execute(statement).scalar_one())
    except IntegrityError:
        raise ListError(Reason("saved-list.name-taken", name=_tidy(name))) from None


def rename(connection: Connection, list_id: int, name: str) -> None:
    """Give a list another name. Raises ``ListError`` as ``create`` does, and where there is no such list."""
    own = update(table).where(table.c.id == list_id, _THERE)
    try:
        with connection.begin_nested():
            if connection.execute(own.values(name=_checked(name))).rowcount:
                return
    except IntegrityError:
        raise ListError(Reason("saved-list.name-taken", name=_tidy(name))) from None
    raise ListError(Reason("saved-list.not-found"))


def delete(connection: Connection, list_id: int) -> SavedList:
    """Take a list away at once; the sweeper removes its contacts. Raises ``ListError`` if it is not there."""
    found = get(connection, list_id)
    own = update(table).where(table.c.id == list_id, _THERE).values(deleted_at=now_ms())
    if found is None or not connection.execute(own).rowcount:
        raise ListError(Reason("saved-list.not-found"))
    return found


def change(connection: Connection, list_id: int) -> SavedList:
    """Hold a list until this transaction ends, and return it. Raises ``ListError`` if it is not there."""
    own = update(table).where(table.c.id == list_id, _THERE).values(changed_at=now_ms())
    if connection.execute(own).rowcount and (found := get(connection, list_id)):
        return found
    raise ListError(Reason("saved-list.not-found"))


def count(
    connection: Connection, held: SavedList, *, total: int = 0, active: int = 0, fields: Iterable[str] = ()
) -> None:
    """Count so many contacts more, or fewer, and the merge fields that they have: its next revision.

    Raises ``ListError`` if it gets too many fields.
    """
    values: dict[str, Any] = {
        "total": table.c.total + total,
        "active": table.c.active + active,
        "revision": table.c.revision + 1,
    }
    if new := [field for field in dict.fromkeys(fields) if field not in held.fields]:
        values["fields"] = [*held.fields, *new]
        if len(values["fields"]) > FIELDS_MAX:
            raise ListError(Reason("saved-list.too-many-fields", most=FIELDS_MAX))
    connection.execute(update(table).where(table.c.id == held.id).values(values))


def _chosen() -> Select[Any]:
    columns = (table.c.id, table.c.name, table.c.total, table.c.active, table.c.revision)
    return select(*columns, table.c.fields, table.c.created_at, table.c.changed_at).where(_THERE)


def _read(connection: Connection, statement: Select[Any]) -> list[SavedList]:
    rows = connection.execute(statement)
    return [SavedList(**{**row._asdict(), "fields": tuple(row.fields)}) for row in rows]


def _tidy(name: str) -> str:
    return " ".join("".join(sign if sign.isprintable() else " " for sign in name).split())


def _checked(name: str) -> str:
    tidy = _tidy(name)
    if not 0 < len(tidy) <= NAME_MAX:
        raise ListError(Reason("saved-list.name", most=NAME_MAX))
    return tidy
