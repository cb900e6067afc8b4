"""Contacts of a saved list: found, read, and changed one by one.

Every page comes in an order that an index holds ready, so the millionth contact costs what the first does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, delete, func, insert, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from mailing.addresses import address_search
from mailing.addresses.mailbox import clean, domain_of, judge, read_name
from mailing.addresses.rows import check_value
from mailing.contacts import lists
from mailing.contacts.lists import CONTACTS_MAX, ListError
from mailing.contacts.tables import contacts as table
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason, UnfitError
from mailing.core.states import Standing
from mailing.messages.field_names import FIELD_NAME_MAX, usable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, Select

    from mailing.messages.values import Value

_LAST = "\U0010ffff"  # no text goes on with a later character
ADDRESS = func.lower(table.c.email)
_WEIGHTS = (Standing.ACTIVE, Standing.BOUNCED, Standing.UNSUBSCRIBED, Standing.BLOCKED)


@dataclass(frozen=True, slots=True)
class Written:
    """A contact as a person or a program writes it. ``fields`` are the merge fields beside the name."""

    email: str
    name: str = ""
    fields: Mapping[str, Value] = field(default_factory=dict)
    standing: Standing = Standing.ACTIVE


@dataclass(frozen=True, slots=True)
class Contact:
    """A contact of a list. ``standing_reason`` is the word of the file that brought it. Times in ms."""

    id: int
    list_id: int
    email: str
    name: str
    fields: Mapping[str, Value]
    standing: Standing
    standing_reason: str
    import_id: int | None
    created_at: int
    changed_at: int


@dataclass(frozen=True, slots=True)
class Page:
    """Some contacts. The ids: what the next page begins after, the previous ends before; None: no more."""

    rows: Sequence[Contact]
    next: int | None
    previous: int | None


def get(connection: Connection, contact_id: int, list_id: int | None = None) -> Contact | None:
    """Return a contact, or None; with ``list_id`` only if it is of this list."""
    statement = select(table).where(table.c.id == contact_id)
    if list_id is not None:
        statement = statement.where(table.c.list_id == list_id)
    return next(iter(_read(connection, statement)), None)


def find(
    connection: Connection,
    list_id: int,
    q: str = "",
    standing: Standing | None = None,
    *,
    after: int | None = None,
    before: int | None = None,
    limit: int = 50,
) -> Page:
    """Return contacts of a list, those with a standing for one, or those that ``q`` matches.

    ``address_search`` says what that means. Returns those behind the contact ``after``, or the last ones
    ahead of ``before``.
    """
    keys, where = _order(q)
    statement = select(table).where(table.c.list_id == list_id, *where)
    if standing is not None:
        statement = statement.where(table.c.standing == standing)
    backwards, key = before is not None, after if before is None else before
    if key is not None:
        place = connection.execute(select(*keys).where(table.c.id == key)).one_or_none()
        if place is None:
            return Page((), None, None)
        statement = statement.where(_beyond(keys, tuple(place), falling=backwards))
    statement = statement.order_by(*(column.desc() if backwards else column for column in keys))
    found = _read(connection, statement.limit(limit + 1))
    more, found = len(found) > limit, found[:limit][:: -1 if backwards else 1]
    if not found:
        return Page((), None, None)
    return Page(
        found,
        found[-1].id if more or backwards else None,
        found[0].id if (more if backwards else key is not None) else None,
    )


def save(
    connection: Connection,
    list_id: int,
    written: Written,
    contact_id: int | None = None,
    *,
    seen: int | None = None,
) -> int:
    """Add a contact to a list, or change the one with this id; return its id.

    ``seen`` is the ``changed_at`` that whoever changes it saw. Raises ``UnfitError`` for what cannot be kept,
    and ``ListError`` where the address is in the list already, the list is full, the contact is not there, or
    was changed in the meantime.
    """
    values = _values(written)
    held = lists.change(connection, list_id)
    before = get(connection, contact_id, list_id) if contact_id is not None else None
    if contact_id is not None and before is None:
        raise ListError(Reason("contact.not-found"))
    if before and seen not in {None, before.changed_at}:
        raise ListError(Reason("contact.changed"))
    if before is None and held.total >= CONTACTS_MAX:
        raise ListError(Reason("saved-list.full", most=CONTACTS_MAX))
    if before is None or before.standing is not written.standing:
        values["standing_reason"] = ""
    try:
        with connection.begin_nested():
            saved = _put(connection, list_id, contact_id, values)
    except IntegrityError:
        raise ListError(Reason("contact.present", address=str(values["email"]))) from None
    was, is_ = before is not None and before.standing is Standing.ACTIVE, written.standing is Standing.ACTIVE
    new = int(before is None)
    lists.count(connection, held, total=new, active=is_ - was, fields=written.fields)
    return saved


def remove(connection: Connection, list_id: int, contact_id: int) -> Contact:
    """Take a contact out of a list; return what it was. Raises ``ListError`` if it is not there."""
    held = lists.change(connection, list_id)
    found = get(connection, contact_id, list_id)
    if found is None:
        raise ListError(Reason("contact.not-found"))
    connection.execute(delete(table).where(table.c.id == contact_id))
    lists.count(connection, held, total=-1, active=-(found.standing is Standing.ACTIVE))
    return found


def forget(connection: Connection, email: str) -> int:
    """Take an address out of all saved lists; return of how many."""
    its = func.lower(table.c.email) == email.encode().lower().decode()
    found = connection.execute(select(table.c.list_id, table.c.id).where(its).order_by(table.c.list_id)).all()
    for row in found:
        try:
            remove(connection, row.list_id, row.id)
        except ListError:  # of a list that was deleted, and is being removed
            connection.execute(delete(table).where(table.c.id == row.id))
    return len(found)


def weightier(one: Standing, other: Standing) -> Standing:
    """Return which of two standings a contact has that came with both: never the active one."""
    return max(one, other, key=_WEIGHTS.index)


def _put(connection: Connection, list_id: int, contact_id: int | None, values: dict[str, Any]) -> int:
    if contact_id is not None:
        connection.execute(update(table).where(table.c.id == contact_id).values(values))
        return contact_id
    new = insert(table).values(list_id=list_id, **values).returning(table.c.id)
    return int(connection.execute(new).scalar_one())


def _values(written: Written) -> dict[str, Any]:
    """Return the columns of what a person wrote. Raises ``UnfitError``."""
    email, name = judge(clean(written.email)), read_name(written.name)
    for key, value in written.fields.items():
        if not usable(key) and not key.isidentifier():
            raise UnfitError(Reason("field.invalid-name", field=f"{key:.80}"))
        if len(key) > FIELD_NAME_MAX or key in {"email", "name"}:
            raise UnfitError(Reason("field.invalid-name", field=f"{key:.80}"))
        check_value(key, value)
    return {
        "email": email,
        "domain": domain_of(email),
        "name": name,
        "fields": {key: value for key, value in written.fields.items() if value != ""} or None,
        "standing": written.standing,
        "changed_at": now_ms(),
    }


def _order(q: str) -> tuple[tuple[ColumnElement[Any], ...], tuple[ColumnElement[bool], ...]]:
    """Return by what contacts are put in order where ``q`` is searched, and the condition for it."""
    asked = address_search.read(q.strip())
    if asked.domain:
        return (table.c.id,), (table.c.domain == asked.domain,)
    if asked.start:
        return (ADDRESS, table.c.id), (_begins(ADDRESS, asked.start),)
    return (table.c.id,), ()


def _begins(address: ColumnElement[str], start: str) -> ColumnElement[bool]:
    """Whether an address begins so: a range of bytes, which an index holds ready."""
    return and_(address >= start, address < start + _LAST)


def _beyond(
    keys: tuple[ColumnElement[Any], ...], place: tuple[Any, ...], *, falling: bool
) -> ColumnElement[bool]:
    """The condition that a row comes after a place.

    SQLite can start in the middle of an index of expressions only by a single value.
    """
    if falling:
        return and_(keys[0] <= place[0], tuple_(*keys) < tuple_(*place))
    return and_(keys[0] >= place[0], tuple_(*keys) > tuple_(*place))


def _read(connection: Connection, statement: Select[Any]) -> list[Contact]:
    return [
        Contact(
            row.id,
            row.list_id,
            row.email,
            row.name,
            row.fields or {},
            Standing(row.standing),
            row.standing_reason,
            row.import_id,
            row.created_at,
            row.changed_at,
        )
        for row in connection.execute(statement)
    ]
