"""What a row means: a contact with its address, name, merge fields and standing, or why it is none.

Pure. ``reader`` makes of a plan the function that reads each of its rows: a million of them in a few
seconds, so plain rows take a short way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import orjson

from mailing.addresses.columns import distinct
from mailing.addresses.findings import Findings, shorten
from mailing.addresses.freetext import read_line
from mailing.addresses.mailbox import clean, oddity, read_name, read_plain
from mailing.addresses.rows import check_value, rejoined
from mailing.addresses.tables import written
from mailing.core.reasons import Reason, UnfitError
from mailing.core.states import Standing
from mailing.messages.field_names import field_name, usable
from mailing.messages.values import VALUE_MAX
from mailing.uploads import standings
from mailing.uploads.cells import FaultyRow, composed, text, value
from mailing.uploads.plans import NAMED, PARTS, Plan, Role, check

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mailing.addresses.findings import Fields
    from mailing.messages.values import Value

FIELDS_MAX = 1_000  # of one contact
_KEYS_MAX = 1_000  # kinds of objects whose keys are remembered
_TOLD = 5  # cells that are shown in a note


class Contact(NamedTuple):
    """What a row says. ``why`` is the file's own word for a standing that is not active."""

    email: str
    name: str
    fields: Fields | None
    standing: Standing
    why: str
    notes: tuple[Reason, ...]


def reader(plan: Plan) -> Callable[[Sequence[object]], Contact]:
    """Return what reads the cells of a row. It raises ``UnfitError`` for a row that is no contact.

    Raises ``UnfitError`` if the plan does not say where the addresses are.
    """
    check(plan)
    return _Reader(plan).read


def shown(cells: Sequence[object]) -> str:
    """Return a row as one short line, to stand beside the reason why it is refused."""
    return shorten(written([text(cell) for cell in cells]))


class _Reader:
    """A plan, taken apart for the cells of its rows, and what was learned from the rows so far."""

    def __init__(self, plan: Plan) -> None:
        places: dict[Role, list[int]] = {role: [] for role in Role}
        for place, column in enumerate(plan.columns):
            places[column.role].append(place)
        self._width = len(plan.columns)
        self._email = places[Role.EMAIL][0]
        self._name = next(iter(places[Role.NAME]), None)
        order = reversed(PARTS) if plan.family_first else PARTS
        self._parts = [place for role in order for place in places[role]]
        self._fields = [(at, column.field) for at, column in enumerate(plan.columns) if column.role in NAMED]
        self._objects = [(place, field_name(plan.columns[place].header)) for place in places[Role.FIELDS]]
        self._standings = [
            (place, standings.of_header(plan.columns[place].header)) for place in places[Role.STANDING]
        ]
        self._everyone = standings.of_word(plan.standing)
        self._taken = plan.fields
        self._keys: dict[tuple[str, ...], Sequence[str]] = {}
        self._known = Findings()  # the domains that were judged

    def read(self, cells: Sequence[object]) -> Contact:
        if isinstance(cells, FaultyRow):
            raise UnfitError(cells.reason)
        notes: list[Reason] = []
        if len(cells) != self._width:
            cells = self._fitted(cells, notes)
        email, name = self._address(cells[self._email], notes)
        name = read_name(self._called(cells)) or name
        if name and name.lower() == email.lower():
            name = ""
        fields = self._values(cells, notes)
        standing, why = self._everyone
        for place, judge in self._standings:
            if standing is Standing.ACTIVE:
                standing, why = judge(cells[place])
        return Contact(email, name, fields or None, standing, why, tuple(notes))

    def _fitted(self, cells: Sequence[object], notes: list[Reason]) -> Sequence[object]:
        """Return as many cells as there are columns; what is too many is told, unless it was the name's."""
        missing = self._width - len(cells)
        if missing > 0:
            return [*cells, *[""] * missing]
        if self._name is not None and all(isinstance(cell, str) for cell in cells):
            cells = rejoined([text(cell) for cell in cells], self._email, self._name, -missing)
        if more := [said for cell in cells[self._width :] if (said := text(cell).strip())]:
            notes.append(Reason("note.more-cells", cells=tuple(map(shorten, more[:_TOLD]))))
        return cells[: self._width]

    def _address(self, cell: object, notes: list[Reason]) -> tuple[str, str]:
        """Return the first address of a cell, and the name beside it."""
        said = (cell if isinstance(cell, str) else text(cell)).strip()
        if plain := read_plain(said):
            return plain
        if not said:
            raise UnfitError(Reason("row.no-address"))
        inner = Findings(self._known.domains)
        read_line(inner, 1, clean(" ".join(said.split())))
        if not inner.entries:
            raise UnfitError(inner.refused[0].reason if inner.refused else Reason("row.no-address"))
        if others := [entry.email for entry in inner.entries[1:]]:
            notes.append(Reason("note.more-addresses", who=tuple(others[:_TOLD])))
        email = inner.entries[0].email
        if odd := oddity(email):
            notes.append(odd)
        return email, inner.entries[0].name

    def _called(self, cells: Sequence[object]) -> str:
        if self._name is not None and (whole := text(cells[self._name]).strip()):
            return whole
        return " ".join([said for place in self._parts if (said := text(cells[place]).strip())])

    def _values(self, cells: Sequence[object], notes: list[Reason]) -> dict[str, Value]:
        fields: dict[str, Value] = {}
        inside: list[str] = []
        for place, key in self._fields:
            cell = cells[place]
            if isinstance(cell, str):
                cell = cell.strip()
                if not cell:
                    continue
                if cell.isascii() and "\0" not in cell and len(cell) <= VALUE_MAX:
                    fields[key] = cell
                    continue
            _put(fields, key, cell, inside)
        for place, key in self._objects:
            given = _object(cells[place])
            if isinstance(given, dict):
                if len(given) > FIELDS_MAX:
                    raise UnfitError(Reason("row.too-many-fields", most=FIELDS_MAX))
                for name, each in zip(self._named(tuple(given)), given.values(), strict=True):
                    _put(fields, name, each, inside)
            else:
                _put(fields, self._named((key,))[0], given, inside)
        if inside:
            notes.append(Reason("note.nested", fields=tuple(inside[:_TOLD])))
        return fields

    def _named(self, keys: tuple[str, ...]) -> Sequence[str]:
        """Return the merge fields of an object's keys, beside those of the columns."""
        found = self._keys.get(keys)
        if found is None:
            names = [key if usable(key) else field_name(key) for key in keys]
            found = distinct([*self._taken, *names])[len(self._taken) :]
            if len(self._keys) < _KEYS_MAX:
                self._keys[keys] = found
        return found


def _put(fields: dict[str, Value], key: str, cell: object, inside: list[str]) -> None:
    """Keep a cell that is not empty as the value of a field. Raises ``UnfitError`` if it cannot be kept."""
    given = value(cell)
    if isinstance(given, str) and not (given := composed(given.strip())):
        return
    if isinstance(cell, dict | list):
        inside.append(key)
    check_value(key, given)
    fields[key] = given


def _object(cell: object) -> object:
    """Return the object that a cell is, or holds as JSON; the cell itself if that is none."""
    if isinstance(cell, str) and cell.lstrip()[:1] == "{":
        try:
            return orjson.loads(cell)
        except orjson.JSONDecodeError:
            return cell
    return cell
