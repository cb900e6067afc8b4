"""Saved lists with their contacts, as imports leave them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import insert, update

from mailing.addresses.mailbox import domain_of
from mailing.contacts import lists as saved
from mailing.contacts.tables import contacts, lists
from mailing.core.states import Standing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailing.core.database import Database


class Contact(NamedTuple):
    """A contact of a list."""

    email: str
    name: str = ""
    fields: Mapping[str, Any] | None = None
    standing: Standing = Standing.ACTIVE


def save(db: Database, name: str, *people: Contact | str) -> int:
    """Store a list of contacts; return its id."""
    rows = [Contact(it) if isinstance(it, str) else it for it in people]
    values = {
        "name": name,
        "total": len(rows),
        "active": sum(it.standing is Standing.ACTIVE for it in rows),
        "fields": [*dict.fromkeys(field for it in rows for field in it.fields or {})],
    }
    with db.write() as connection:
        list_id = int(connection.execute(insert(lists).values(values).returning(lists.c.id)).scalar_one())
        if rows:
            each = [{**it._asdict(), "list_id": list_id, "domain": domain_of(it.email)} for it in rows]
            connection.execute(insert(contacts), each)
    return list_id


def change(db: Database, list_id: int) -> None:
    """Count a change of a list's contacts."""
    with db.write() as connection:
        grown = update(lists).where(lists.c.id == list_id)
        connection.execute(grown.values(revision=lists.c.revision + 1))


def remove(db: Database, list_id: int) -> None:
    """Take a list away."""
    with db.write() as connection:
        saved.delete(connection, list_id)
