"""What a list was found to hold: recipients, repeated ones merged, remarks, refusals, columns.

Pure. Two rows with the same address are one recipient. The row with the most values wins, the first of
equals; only what it leaves empty is filled from the others, in their order.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailing.addresses.mailbox import Domains, clean, judge, oddity, read_name
from mailing.core.reasons import Reason, UnfitError
from mailing.messages.values import Value

if TYPE_CHECKING:
    from collections.abc import Sequence

TEXT_MAX = 200  # characters shown of a refused line
ENTRIES_MAX = 1_000_000
REFUSED_MAX = 100_000

Fields = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Entry:
    """One recipient. ``line`` counts from 1; ``fields`` are merge fields beyond name and email."""

    line: int
    email: str
    name: str = ""
    fields: Fields | None = None


@dataclass(frozen=True, slots=True)
class Duplicate:
    """An address that an earlier line has already given; they were merged into one recipient.

    ``of_line`` is 0 where the list had the address before these lines were added to it.

    ``note`` says what that one took from this line, if it took anything.
    """

    line: int
    email: str
    of_line: int
    note: Reason | None = field(default=None, compare=False)

    @property
    def said(self) -> Reason:
        """What a person is told of it."""
        return self.note or Reason("note.duplicate", n=self.of_line)


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth a look about an address that was kept."""

    line: int
    email: str
    note: Reason


@dataclass(frozen=True, slots=True)
class Refusal:
    """Text that is no usable address: at most ``TEXT_MAX`` characters of it, and why."""

    line: int
    text: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Column:
    """What a column of a table became: the address, the name, or the merge field ``field``."""

    line: int
    header: str
    field: str


@dataclass(frozen=True, slots=True)
class ParsedList:
    """All that was found in a list, in its order. ``entries`` can be read again and again."""

    entries: Collection[Entry] = ()
    duplicates: tuple[Duplicate, ...] = ()
    noted: tuple[Note, ...] = ()
    refused: tuple[Refusal, ...] = ()
    columns: tuple[Column, ...] = ()


class Full(Exception):  # noqa: N818 - the end of reading, not a malfunction
    """The list has come to a limit: the rest is not read, and the last refusal says so."""


@dataclass(slots=True)
class Findings:
    """What was found so far, and where each address stands. Its methods raise ``Full`` at a limit."""

    domains: Domains = field(default_factory=Domains)
    entries: list[Entry] = field(default_factory=list)
    repeated: list[Entry] = field(default_factory=list)
    noted: list[Note] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    columns: dict[str, Column] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)
    caseless: dict[str, int] = field(default_factory=dict)

    def add(self, line: int, email: str, name: str, fields: Fields | None = None) -> None:
        """Take a recipient, or keep it to be merged into the one that has its address."""
        place = self.places.setdefault(email, len(self.entries))
        if place < len(self.entries):
            self.repeated.append(Entry(line, email, name, fields))
            return
        if place == ENTRIES_MAX:
            self._end(line, email, Reason("list.too-many-addresses", most=ENTRIES_MAX))
        first = self.caseless.setdefault(email.lower(), place)
        if first < place:
            self.note(line, email, Reason("note.differs-in-case", n=self.entries[first].line))
        self.entries.append(Entry(line, email, name, fields))

    def note(self, line: int, email: str, note: Reason) -> None:
        """Remark something about an address."""
        self.noted.append(Note(line, email, note))

    def refuse(self, line: int, text: str, reason: Reason) -> None:
        """Say why ``text`` is not taken."""
        self.refused.append(Refusal(line, shorten(text), reason))
        if len(self.refused) == REFUSED_MAX:
            self._end(line, text, Reason("list.too-many-refused", most=REFUSED_MAX))

    def judge(self, line: int, text: str, word: str, phrase: str = "") -> str:
        """Take ``word`` as an address that ``phrase`` names, or refuse ``text``, which holds both.

        Returns the address, empty if it was refused.
        """
        try:
            email = judge(word, self.domains)
            name = read_name(phrase)
        except UnfitError as fault:
            self.refuse(line, text, fault.reason)
            return ""
        itself = name.lower() in {email.lower(), word.strip().lower()}
        self.take(line, email, "" if itself else name)
        return email

    def take(self, line: int, email: str, name: str, fields: Fields | None = None) -> None:
        """Take a recipient whose address was judged, and remark what is odd about it."""
        if email not in self.places and (odd := oddity(email)):
            self.note(line, email, odd)
        self.add(line, email, name, fields)

    def listed(self) -> ParsedList:
        """Merge the repeated and return it all."""
        repeats: dict[int, list[Entry]] = {}
        for again in self.repeated:
            repeats.setdefault(self.places[again.email], []).append(again)
        notes: dict[int, Reason] = {}
        for place, others in repeats.items():
            self.entries[place], said = merge(self.entries[place], others)
            notes |= said
        duplicates = [
            Duplicate(
                again.line, again.email, self.entries[self.places[again.email]].line, notes.get(id(again))
            )
            for again in self.repeated
        ]
        return ParsedList(
            tuple(self.entries),
            tuple(duplicates),
            tuple(self.noted),
            tuple(self.refused),
            tuple(self.columns.values()),
        )

    def _end(self, line: int, text: str, reason: Reason) -> None:
        self.refused.append(Refusal(line, shorten(text), reason))
        raise Full


def shorten(text: str) -> str:
    """Return what of a text is shown beside a reason."""
    shown = clean(text[: 2 * TEXT_MAX]).strip()
    return shown if len(shown) <= TEXT_MAX else shown[: TEXT_MAX - 1] + "…"


def merge(first: Entry, others: Sequence[Entry]) -> tuple[Entry, dict[int, Reason]]:
    """Return the one recipient of rows with one address, and what was taken from which, by ``id``."""
    rows = [first, *others]
    fullest = max(rows, key=_said)
    name, fields = fullest.name, dict(fullest.fields or {})
    notes = {id(fullest): Reason("note.duplicate-counts", n=first.line)}
    for row in rows:
        given = [] if row is fullest else _fill(fields, row.fields or {})
        if row.name and not name:
            name, given = row.name, ["name", *given]
        if given:
            notes[id(row)] = Reason("note.duplicate-adds", n=first.line, fields=tuple(given))
    return Entry(first.line, first.email, name, fields or None), notes


def _fill(fields: dict[str, Value], others: Fields) -> list[str]:
    """Fill the empty ones of ``fields``; return their names."""
    given = []
    for key, value in others.items():
        if fields.get(key, "") == "":
            fields[key] = value
            if value != "":
                given.append(key)
    return given


def _said(entry: Entry) -> int:
    """Return how many of its values are not empty: false and 0 are values, too."""
    return bool(entry.name) + sum(value != "" for value in (entry.fields or {}).values())
