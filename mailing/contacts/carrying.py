"""An import carried out: the rows of its file become contacts of its list, a piece in each transaction.

What a piece stored, what was found in it and how far it read are one transaction, in which the import is
still held: so two workers at one import never store a row twice, and one that goes on begins where the
other ended.
"""

from __future__ import annotations

import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING, TypeAlias, cast

from sqlalchemy.exc import DBAPIError

from mailing.addresses.mailbox import domain_of
from mailing.contacts import imports, lists, notes, storing, worth_a_look
from mailing.contacts.lists import CONTACTS_MAX
from mailing.contacts.notes import KEPT_MAX, WORTH_A_LOOK, Note, NoteKind
from mailing.contacts.storing import Arrival
from mailing.contacts.tables import imports as table
from mailing.core import clock
from mailing.core.reasons import Reason, ReasonError, UnfitError
from mailing.core.states import Standing
from mailing.core.strides import STORED, Stride
from mailing.uploads import plans, reading, rows

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from sqlalchemy import Connection

    from mailing.contacts.imports import Import
    from mailing.contacts.storing import Stored
    from mailing.core.database import Database

Row: TypeAlias = "tuple[int, Sequence[object]]"

ROWS_MAX = 1_000_000
COPIED = 5_000  # rows that PostgreSQL takes at once: its transaction blocks only those who change this list
GATHER_S = 0.25  # how long rows are gathered at most, so that the progress shown is a second old at most
# pause between two pieces, in which others get the lock: they look for it every half millisecond
REST_S = 0.002


class LostError(Exception):
    """The import was canceled, or another worker holds it: this worker's current piece is not stored."""


def carry_out(
    database: Database, import_id: int, tell: Callable[[int], object] = lambda _read: None, holder: str = ""
) -> None:
    """Carry an import out, or what is left of it; returns once it has ended, or is another's.

    ``tell`` is told after each piece how many rows are read. ``holder`` is the word that ``imports.take``
    gave; without one, it is taken here. A file that cannot be read fails the import with the reason.
    Blocking, for a minute where the file is long.
    """
    if not holder:
        with database.write() as connection:
            holder = imports.take(connection, import_id)
    with database.read() as connection:
        found = imports.get(connection, import_id)
    if not holder or found is None:
        return
    try:
        _Carrying(database, found, holder).run(tell)
        with database.write() as connection:
            imports.finish(connection, import_id, holder)
    except LostError:
        pass
    except ReasonError as error:
        with database.write() as connection:
            imports.fail(connection, import_id, holder, error.reason)
    except BaseException:
        with suppress(DBAPIError), database.write() as connection:
            imports.let_go(connection, import_id, holder)
        raise


@dataclass(slots=True)
class _Piece:
    """Rows that are read and not stored yet: contacts by their addresses in small letters, and notes."""

    rows: int = 0
    line: int = 0  # of the last row
    arrivals: dict[str, Arrival] = field(default_factory=dict)
    repeated: list[Arrival] = field(default_factory=list)
    refused: list[Note] = field(default_factory=list)
    noted: list[Note] = field(default_factory=list)


class _Carrying:
    """One import on its way into its list."""

    def __init__(self, database: Database, found: Import, holder: str) -> None:
        assert found.list_id is not None
        self._database, self._import, self._holder = database, found, holder
        self._list_id, self._read = found.list_id, found.read
        self._stride = Stride(least=STORED) if database.sqlite else None
        self._plan = plans.load(found.plan)
        self._contact = rows.reader(self._plan)
        self._counted = {
            NoteKind.REFUSED: found.refused,
            NoteKind.DUPLICATE: found.duplicates,
            NoteKind.NOTED: found.noted,
            NoteKind.SUGGESTED: found.noted,
        }  # how many of each were found so far
        with database.read() as connection:
            self._number = notes.next_number(connection, found.id)

    def run(self, tell: Callable[[int], object]) -> None:
        """Store all rows that are not stored yet. Raises ``LostError``, and ``ReasonError`` if it cannot."""
        with (
            imports.opened(self._database, self._import.id) as file,
            closing(cast("Generator[Row]", reading.rows(file, self._plan))) as given,  # before its file
        ):
            found, full = islice(given, self._read, None), False
            while not full and (piece := self._gather(found)).rows:
                full = self._is_too_much(piece)
                self._store(piece)
                tell(self._read)
                time.sleep(REST_S)

    def _gather(self, found: Iterator[Row]) -> _Piece:
        piece, until = _Piece(), clock.steady_s() + GATHER_S
        for line, cells in islice(found, self._stride.rows if self._stride else COPIED):
            self._take(piece, line, cells)
            if clock.steady_s() > until:
                break
        return piece

    def _take(self, piece: _Piece, line: int, cells: Sequence[object]) -> None:
        piece.rows, piece.line = piece.rows + 1, line
        try:
            email, name, fields, standing, said, remarks = self._contact(cells)
        except UnfitError as fault:
            piece.refused.append(Note(NoteKind.REFUSED, line, rows.shown(cells), fault.reason))
            return
        arrival = Arrival(line, email, name, fields, standing, said)
        first = piece.arrivals.setdefault(email.encode().lower().decode(), arrival)
        if first is not arrival:
            storing.join(first, arrival)
            piece.repeated.append(arrival)
        piece.noted += [Note(NoteKind.NOTED, line, email, remark) for remark in remarks]

    def _is_too_much(self, piece: _Piece) -> bool:
        """Whether nothing is read behind this piece; then a last refusal says so."""
        if self._read + piece.rows > ROWS_MAX:
            reason = Reason("list.too-many-addresses", most=ROWS_MAX)
        elif self._counted[NoteKind.REFUSED] + len(piece.refused) > KEPT_MAX[NoteKind.REFUSED]:
            reason = Reason("list.too-many-refused", most=KEPT_MAX[NoteKind.REFUSED])
        else:
            return False
        piece.refused.append(Note(NoteKind.REFUSED, piece.line, "", reason))
        return True

    def _store(self, piece: _Piece) -> None:
        database = self._database
        with self._stride.write(database) if self._stride else database.write() as connection:
            self._hold(connection)
            held = lists.change(connection, self._list_id)
            room = CONTACTS_MAX - held.total
            stored = storing.store(connection, held.id, self._import.id, piece.arrivals, room)
            found = [*_found(piece, stored)]
            counts = {
                "read": piece.rows,
                "accepted": stored.accepted,
                "duplicates": len(piece.repeated) + len(stored.repeated) + len(stored.present),
                "updated": stored.updated,
                "refused": len(piece.refused) + len(stored.left_out),
                "noted": sum(note.kind in WORTH_A_LOOK for note in found),
                "set_aside": stored.set_aside,
            }
            kept = [note for note in found if self._keeps(note)]
            self._number = notes.store(connection, self._import.id, kept, self._number)
            if stored.accepted or stored.updated or stored.repeated:
                fields = dict.fromkeys(
                    chain.from_iterable(one.fields or () for one in piece.arrivals.values())
                )
                lists.count(connection, held, total=stored.accepted, active=stored.active, fields=fields)
            self._hold(connection, tries=0, **{name: table.c[name] + n for name, n in counts.items()})
        self._read += piece.rows

    def _hold(self, connection: Connection, **values: object) -> None:
        """Hold the import until the transaction ends. Raises ``LostError`` if it is another's, or over."""
        if not imports.keep(connection, self._import.id, self._holder, **values):
            raise LostError

    def _keeps(self, note: Note) -> bool:
        """Count a note; return whether it is kept, too."""
        self._counted[note.kind] += 1
        return self._counted[note.kind] <= KEPT_MAX[note.kind]


def _found(piece: _Piece, stored: Stored) -> Iterator[Note]:
    """Yield all notes on a piece."""
    yield from piece.refused
    full = Reason("saved-list.full", most=CONTACTS_MAX)
    yield from (Note(NoteKind.REFUSED, one.line, one.email, full) for one in stored.left_out)
    again = {"import.repeated": [*piece.repeated, *stored.repeated], "import.present": stored.present}
    for code, some in again.items():
        yield from (Note(NoteKind.DUPLICATE, one.line, one.email, Reason(code)) for one in some)
    yield from piece.noted
    known = {id(one) for one in (*stored.repeated, *stored.present, *stored.left_out)}
    for one in piece.arrivals.values():
        if one.standing is Standing.ACTIVE and id(one) not in known:
            yield from worth_a_look.look(one, domain_of(one.email))
