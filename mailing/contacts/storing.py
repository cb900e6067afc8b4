"""Contacts of a file on their way into a list, many at a time: what is new, and what the list has already.

A contact that was there takes over what the file says of it, and keeps what the file leaves empty. Of several
rows with the same new address the first counts, and the others fill what it leaves empty. A standing only
ever gets weightier: whoever unsubscribed is never made active again by a file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import bindparam, select, update

from mailing.addresses.mailbox import domain_of
from mailing.contacts.contacts import ADDRESS, weightier
from mailing.contacts.tables import contacts as table
from mailing.core.clock import now_ms
from mailing.core.statements import run, run_many
from mailing.core.states import Standing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from mailing.messages.values import Value

AT_ONCE = 500  # addresses that one query looks for
_COLUMNS = (
    "list_id, email, domain, name, fields, standing, standing_reason, import_id, created_at, changed_at"
)


@dataclass(slots=True)
class Arrival:
    """A contact as a file gives it. ``said`` is the file's own word for its standing."""

    line: int
    email: str
    name: str = ""
    fields: Mapping[str, Value] | None = None
    standing: Standing = Standing.ACTIVE
    said: str = ""


@dataclass(slots=True)
class Stored:
    """What became of the arrivals: how many are new, active and set aside, and who else there is."""

    accepted: int = 0
    active: int = 0  # more in the list than before; fewer where standings got weightier
    set_aside: int = 0
    updated: int = 0
    repeated: list[Arrival] = field(default_factory=list)  # the file gave their addresses before
    present: list[Arrival] = field(default_factory=list)  # the list had them, as they are
    left_out: list[Arrival] = field(default_factory=list)  # the list is full


def join(first: Arrival, again: Arrival) -> None:
    """Let a row that comes again fill what the first one of its address leaves empty."""
    first.name = first.name or again.name
    if again.fields:
        first.fields = {**again.fields, **_filled(first.fields)}
    standing = weightier(first.standing, again.standing)
    if standing is not first.standing:
        first.standing, first.said = standing, again.said


def store(
    connection: Connection, list_id: int, import_id: int, arrivals: Mapping[str, Arrival], room: int
) -> Stored:
    """Store contacts, each by its address in small letters, in a list that the transaction holds.

    ``room`` is how many more the list may have.
    """
    stored = Stored()
    if len(arrivals) > room:
        arrivals = _fitting(connection, list_id, arrivals, room, stored)
    last = run(connection, "SELECT max(id) FROM contacts WHERE list_id = ?", (list_id,)).scalar() or 0
    put = _copy if connection.dialect.name == "postgresql" else _insert
    n = put(connection, _rows(list_id, import_id, arrivals.values()))
    known: Sequence[str] = ()
    if n < len(arrivals):
        new = "SELECT lower(email) FROM contacts WHERE list_id = ? AND id > ?"
        fresh = set(run(connection, new, (list_id, last)).scalars())
        known = [address for address in arrivals if address not in fresh]
    away = set(known)
    stored.accepted = n
    active = sum(one.standing is Standing.ACTIVE for at, one in arrivals.items() if at not in away)
    stored.active, stored.set_aside = active, n - active
    for some in _pieces(known):
        _update(connection, list_id, import_id, {address: arrivals[address] for address in some}, stored)
    return stored


def _fitting(
    connection: Connection, list_id: int, arrivals: Mapping[str, Arrival], room: int, stored: Stored
) -> Mapping[str, Arrival]:
    """Return those whom the list has already, and as many others as there is room for."""
    there: set[str] = set()
    for some in _pieces([*arrivals]):
        chosen = select(ADDRESS).where(table.c.list_id == list_id, ADDRESS.in_(some))
        there.update(connection.execute(chosen).scalars())
    new = [address for address in arrivals if address not in there]
    stored.left_out = [arrivals[address] for address in new[room:]]
    out = set(new[room:])
    return {address: one for address, one in arrivals.items() if address not in out}


def _pieces(addresses: Sequence[str]) -> Iterator[Sequence[str]]:
    return (addresses[at : at + AT_ONCE] for at in range(0, len(addresses), AT_ONCE))


def _rows(list_id: int, import_id: int, arrivals: Any) -> Iterator[tuple[object, ...]]:
    now = now_ms()
    for one in arrivals:
        fields = orjson.dumps(one.fields).decode() if one.fields else None
        yield (
            *(list_id, one.email, domain_of(one.email), one.name, fields),
            *(one.standing.value, one.said, import_id, now, now),
        )


def _insert(connection: Connection, rows: Iterator[tuple[object, ...]]) -> int:
    marks = ", ".join("?" * len(_COLUMNS.split(", ")))
    statement = f"INSERT INTO contacts ({_COLUMNS}) VALUES ({marks}) ON CONFLICT DO NOTHING"  # noqa: S608
    return run_many(connection, statement, list(rows))


def _copy(connection: Connection, rows: Iterator[tuple[object, ...]]) -> int:
    """Store by COPY, which knows no conflicts: into a table of its own first."""
    connection.exec_driver_sql(
        f"CREATE TEMPORARY TABLE arrivals ON COMMIT DROP AS SELECT {_COLUMNS} FROM contacts WITH NO DATA"  # noqa: S608
    )
    driver = connection.connection.driver_connection
    assert driver is not None
    with driver.cursor() as cursor, cursor.copy(f"COPY arrivals ({_COLUMNS}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
    return connection.exec_driver_sql(
        f"INSERT INTO contacts ({_COLUMNS}) SELECT {_COLUMNS} FROM arrivals ON CONFLICT DO NOTHING"  # noqa: S608
    ).rowcount


def _update(
    connection: Connection, list_id: int, import_id: int, arrivals: Mapping[str, Arrival], stored: Stored
) -> None:
    """Let contacts that are there take over what arrives."""
    columns = (table.c.id, ADDRESS.label("address"), table.c.name, table.c.fields, table.c.standing)
    chosen = select(*columns, table.c.standing_reason, table.c.import_id)
    rows = connection.execute(chosen.where(table.c.list_id == list_id, ADDRESS.in_(list(arrivals)))).all()
    changes = []
    for row in rows:
        arrival, own = arrivals[row.address], row.import_id == import_id
        was, before = Standing(row.standing), row.fields or {}
        standing = weightier(was, arrival.standing)
        if own:
            name, fields = row.name or arrival.name, {**(arrival.fields or {}), **_filled(before)}
        else:
            name, fields = arrival.name or row.name, {**before, **_filled(arrival.fields)}
        same = (name, fields, standing) == (row.name, before, was)
        if not same:
            changes.append(
                {
                    "row": row.id,
                    "name": name,
                    "fields": fields or None,
                    "standing": standing,
                    "standing_reason": row.standing_reason if standing is was else arrival.said,
                    "changed_at": now_ms(),
                }
            )
        if was is Standing.ACTIVE and standing is not was:
            stored.active -= 1
            stored.set_aside += own
        if own:
            stored.repeated.append(arrival)
        elif same:
            stored.present.append(arrival)
        else:
            stored.updated += 1
    if changes:
        connection.execute(update(table).where(table.c.id == bindparam("row")), changes)


def _filled(fields: Mapping[str, Value] | None) -> dict[str, Value]:
    return {key: value for key, value in (fields or {}).items() if value != ""}
