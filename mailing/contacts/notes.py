"""What was found while a file was read: refused lines, repeated addresses, and what is worth a look.

An address that was probably mistyped comes with the one that was meant; ``correct`` changes the contact.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select, update

from mailing.addresses.mailbox import domain_of
from mailing.contacts import lists
from mailing.contacts.contacts import weightier
from mailing.contacts.tables import contacts, imports
from mailing.contacts.tables import import_notes as table
from mailing.core import reasons
from mailing.core.clock import now_ms
from mailing.core.statements import run_many
from mailing.core.states import Standing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from mailing.core.reasons import Words


class NoteKind(StrEnum):
    """What a note says of a line."""

    REFUSED = "refused"
    DUPLICATE = "duplicate"
    NOTED = "noted"  # worth a look
    SUGGESTED = "suggested"  # worth a look: another address was probably meant


WORTH_A_LOOK = frozenset({NoteKind.NOTED, NoteKind.SUGGESTED})
KEPT_MAX = {  # of each kind; more are counted only
    NoteKind.REFUSED: 100_000,
    NoteKind.DUPLICATE: 10_000,
    NoteKind.NOTED: 10_000,
    NoteKind.SUGGESTED: 10_000,
}


@dataclass(frozen=True, slots=True)
class Typo:
    """A domain that was probably mistyped, the one that was ``meant``, and in how many suggestions."""

    domain: str
    meant: str
    n: int


@dataclass(frozen=True, slots=True)
class Note:
    """A note on a line of a file; on the whole of it, a domain for one, the line is 0.

    ``suggestion`` is the address that was probably meant. ``number`` is its key.
    """

    kind: NoteKind
    line: int
    text: str
    reason: Words
    suggestion: str = ""
    number: int = 0


_INSERT = (
    "INSERT INTO import_notes (import_id, number, kind, line, text, reason, reason_code, suggestion) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)


def next_number(connection: Connection, import_id: int) -> int:
    """Return the number of the next note."""
    last = select(func.max(table.c.number)).where(table.c.import_id == import_id)
    found = connection.execute(last).scalar()
    return 0 if found is None else int(found) + 1


def store(connection: Connection, import_id: int, notes: Sequence[Note], first: int) -> int:
    """Store notes, numbered from ``first``; return the number after them."""
    rows: list[tuple[object, ...]] = [
        (
            import_id,
            number,
            note.kind.value,
            note.line,
            note.text,
            str(note.reason),
            reasons.dump(note.reason),
            note.suggestion,
        )
        for number, note in enumerate(notes, first)
    ]
    run_many(connection, _INSERT, rows)
    return first + len(rows)


def read(
    connection: Connection, import_id: int, kind: NoteKind, limit: int = 50, *, after: int = -1
) -> Sequence[Note]:
    """Return notes of one kind in the order of their numbers, those above ``after``."""
    columns = (table.c.kind, table.c.line, table.c.text, table.c.reason, table.c.reason_code)
    statement = (
        select(*columns, table.c.suggestion, table.c.number)
        .where(table.c.import_id == import_id, table.c.kind == kind, table.c.number > after)
        .order_by(table.c.number)
        .limit(limit)
    )
    rows = [reasons.in_row(row._asdict(), "reason") for row in connection.execute(statement)]
    return [Note(**(row | {"kind": NoteKind(row["kind"])})) for row in rows]


def count(connection: Connection, import_id: int, kind: NoteKind) -> int:
    """Return how many notes of a kind are kept; of those that were counted some may not be."""
    mine = (table.c.import_id == import_id, table.c.kind == kind)
    return int(connection.execute(select(func.count()).where(*mine)).scalar_one())


def typos(connection: Connection, import_id: int, limit: int = 50) -> Sequence[Typo]:
    """Return the domains of suggestions, the most frequent first."""
    mine = (table.c.import_id == import_id, table.c.kind == NoteKind.SUGGESTED)
    rows = connection.execute(select(table.c.text, table.c.suggestion).where(*mine))
    found = Counter((domain_of(row.text), domain_of(row.suggestion)) for row in rows)
    return [Typo(*domains, n) for domains, n in found.most_common(limit)]


def correct(
    connection: Connection,
    import_id: int,
    limit: int,
    number: int | None = None,
    *,
    domain: str = "",
    meant: str = "",
) -> tuple[int, int]:
    """Give contacts the addresses that were suggested for them: one, or up to ``limit`` of them.

    With ``domain`` and ``meant`` only those at that domain whose suggestion is at this one.

    Returns how many suggestions were taken up, and how many contacts changed: one that is gone or has another
    address by now stays so, and one whose right address is in the list already gives way to that one, whose
    standing becomes the weightier. Raises ``ListError`` if the list is gone.
    """
    list_id = connection.execute(select(imports.c.list_id).where(imports.c.id == import_id)).scalar()
    if list_id is None:
        return 0, 0
    held = lists.change(connection, list_id)
    wanted = [table.c.import_id == import_id, table.c.kind == NoteKind.SUGGESTED]
    if number is not None:
        wanted.append(table.c.number == number)
    if domain:
        wanted.append(func.lower(table.c.text).endswith(f"@{domain}".lower(), autoescape=True))
        wanted.append(func.lower(table.c.suggestion).endswith(f"@{meant}".lower(), autoescape=True))
    chosen = select(table.c.number, table.c.text, table.c.suggestion).where(*wanted)
    found = connection.execute(chosen.order_by(table.c.number).limit(limit)).all()
    changed = total = active = 0
    for note in found:
        one, more, live = _correct(connection, list_id, note.text, note.suggestion)
        changed, total, active = changed + one, total + more, active + live
    numbers = [note.number for note in found]
    connection.execute(delete(table).where(table.c.import_id == import_id, table.c.number.in_(numbers)))
    if changed:
        lists.count(connection, held, total=total, active=active)
    return len(found), changed


def _correct(connection: Connection, list_id: int, wrong: str, right: str) -> tuple[int, int, int]:
    """Return how many contacts changed, and how many there are more in all, and active."""
    here, address = contacts.c.list_id == list_id, func.lower(contacts.c.email)
    chosen = select(contacts.c.id, contacts.c.standing, address.label("address"))
    emails = (wrong.encode().lower().decode(), right.encode().lower().decode())
    rows = {row.address: row for row in connection.execute(chosen.where(here, address.in_(emails)))}
    mistyped, present = rows.get(emails[0]), rows.get(emails[1])
    if mistyped is None:
        return 0, 0, 0
    if present is None:
        own = update(contacts).where(contacts.c.id == mistyped.id)
        connection.execute(own.values(email=right, domain=domain_of(right), changed_at=now_ms()))
        return 1, 0, 0
    before = [Standing(mistyped.standing), Standing(present.standing)]
    kept = weightier(*before)
    connection.execute(delete(contacts).where(contacts.c.id == mistyped.id))
    if kept is not before[1]:
        own = update(contacts).where(contacts.c.id == present.id)
        connection.execute(own.values(standing=kept, changed_at=now_ms()))
    return 1, -1, (kept is Standing.ACTIVE) - before.count(Standing.ACTIVE)
