"""What people paste, or a program posts, becomes clean recipients. What cannot be used says why.

Pure: text in, records out. This room takes a list apart and finds its duplicates; ``mailboxes`` judges
each address. Nothing is lost in silence: whatever is not blank becomes an entry, a duplicate or a refusal.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mailing.mailboxes import clean, judge, read_name, read_plain, unwrap

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TEXT_MAX = 200


@dataclass(frozen=True, slots=True)
class Entry:
    """One recipient. ``line`` counts from 1; ``fields`` are merge fields beyond name and email."""

    line: int
    email: str
    name: str = ""
    fields: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Duplicate:
    """An address that an earlier line has already given; it was merged into that one."""

    line: int
    email: str
    of_line: int


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth a look about an address that was kept."""

    line: int
    email: str
    note: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Text that is no usable address: at most ``TEXT_MAX`` characters of it, and why in plain words."""

    line: int
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class ParsedList:
    """All that was found in a list, in its order."""

    entries: tuple[Entry, ...] = ()
    duplicates: tuple[Duplicate, ...] = ()
    noted: tuple[Note, ...] = ()
    refused: tuple[Refusal, ...] = ()


_BULLETS = re.compile(r"(?:\s*(?:[*+-]\s+|[•‣▪◦·\u2013\u2014]|\(?\d{1,6}(?:\.\s+|\))))+")
_SEPARATORS = re.compile(r"[,;\t]")
_GAP = re.compile(r"(?<!@) (?!@)")
_COMMENT = re.compile(r"\([^()@]*+\)")
_UNQUOTED = r"(?P<angle><[^<>]*+>)|(?P<comment>\([^()@]*+\))|(?P<stop>[,;\t])"
# Each alternative consumes what it looked at, so a hostile line costs no more than its length.
_LEXER = re.compile(
    rf'(?P<quoted>"(?:[^"\\]|\\.)*+")|(?P<unclosed>".*+)|{_UNQUOTED}|(?P<plain>[<(]|[^"<(,;\t]++)'
)
_LEXER_WITHOUT_QUOTES = re.compile(rf"{_UNQUOTED}|(?P<plain>[<(]|[^<(,;\t]++)")
_IGNORED = "\"'`.()<>*+- "
_SPELT_AT = re.compile(r"(\S+?)\s*(?:\sat\s|\(at\)|\[at\])\s*(\S+)", re.IGNORECASE)
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def parse_pasted(text: str) -> ParsedList:
    """Read a pasted list: addresses, or ``Name <address>``, apart by lines, ``,`` ``;`` tabs or spaces.

    Takes any text and raises nothing. Domains come back in lower case and as A-labels (RFC 5890), local
    parts exactly as written, names in Unicode's composed form (NFC).
    """
    found = _Findings()
    lines = clean(text.replace("\r\n", "\n").replace("\r", "\n")).split("\n")
    for number, padded in enumerate(lines, 1):
        line = padded.strip()
        if not line:
            continue
        if plain := read_plain(line):
            found.add(number, *plain)
        else:
            _read_line(found, number, line)
    return found.listed()


def parse_rows(rows: Sequence[Mapping[str, object]]) -> ParsedList:
    """Read rows with ``email``, perhaps ``name``, and merge fields; ``line`` is the row's number from 1.

    A merge field's name is a letter or ``_``, then letters, digits or ``_``. Its value is a string, a
    number or true or false; ``None`` means absent. A row that breaks these rules is refused.
    """
    found = _Findings()
    for number, row in enumerate(rows, 1):
        try:
            email, name, fields = _read_row(row)
        except ValueError as fault:
            given = row.get("email") if isinstance(row, Mapping) else row
            found.refuse(number, given if isinstance(given, str) else ascii(given), str(fault))
        else:
            found.add(number, email, name, fields)
    return found.listed()


@dataclass(slots=True)
class _Findings:
    """What was found so far, and where each address stands."""

    entries: list[Entry] = field(default_factory=list)
    duplicates: list[Duplicate] = field(default_factory=list)
    noted: list[Note] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)
    caseless: dict[str, int] = field(default_factory=dict)

    def add(self, line: int, email: str, name: str, fields: dict[str, str] | None = None) -> None:
        place = self.places.setdefault(email, len(self.entries))
        if place < len(self.entries):
            earlier = self.entries[place]
            if name and not earlier.name:
                self.entries[place] = replace(earlier, name=name)
            self.duplicates.append(Duplicate(line, email, earlier.line))
            return
        first = self.caseless.setdefault(email.lower(), place)
        if first < place:
            other = self.entries[first].line
            note = f"differs from line {other} only in the case of the local part; kept"
            self.noted.append(Note(line, email, note))
        self.entries.append(Entry(line, email, name, fields))

    def refuse(self, line: int, text: str, reason: str) -> None:
        shown = clean(text[: 2 * TEXT_MAX]).strip()
        if len(shown) > TEXT_MAX:
            shown = shown[: TEXT_MAX - 1] + "…"
        self.refused.append(Refusal(line, shown, reason))

    def judge(self, line: int, text: str, word: str, phrase: str = "") -> None:
        """Take ``word`` as an address that ``phrase`` names, or refuse ``text``, which holds both."""
        try:
            email = judge(word)
            name = read_name(phrase)
        except ValueError as fault:
            self.refuse(line, text, str(fault))
            return
        itself = name.lower() in {email.lower(), word.strip().lower()}
        self.add(line, email, "" if itself else name)

    def listed(self) -> ParsedList:
        return ParsedList(tuple(self.entries), tuple(self.duplicates), tuple(self.noted), tuple(self.refused))


def _read_line(found: _Findings, number: int, line: str) -> None:
    if bullets := _BULLETS.match(line):
        line = line[bullets.end() :]
    phrase: list[tuple[str, str]] = []
    for kind, text in _lex(line):
        if kind == "stop":
            _read_bare(found, number, phrase)
            phrase = []
        elif kind == "angle":
            _read_angle(found, number, phrase, text)
            phrase = []
        else:
            phrase.append((kind, text))
    _read_bare(found, number, phrase)


def _lex(line: str) -> Iterator[tuple[str, str]]:
    for match in _LEXER.finditer(line):
        kind, text = match.lastgroup or "", match.group()
        if kind == "unclosed":
            yield from (
                (again.lastgroup or "", again.group()) for again in _LEXER_WITHOUT_QUOTES.finditer(text)
            )
        else:
            yield kind, text


def _read_angle(found: _Findings, number: int, phrase: list[tuple[str, str]], angle: str) -> None:
    """Read ``<address>`` and the phrase before it, which may end in its name."""
    inner = angle[1:-1]
    if inner.lstrip()[:7].lower() == "mailto:":
        inner = inner.partition("?")[0]
    if inner.count("@") > 1 and re.search(r"[\s,;]", inner):
        _read_bare(found, number, [*phrase, ("plain", f" {inner}")])
        return
    for last in range(len(phrase) - 1, -1, -1):
        kind, text = phrase[last]
        if kind == "plain" and "@" in text:  # an address that only a space parts from what follows
            end = text.rindex("@")
            end += len(text[end:].split(" ", 1)[0])
            before = [*phrase[:last], (kind, text[:end])]
            if unwrap(_join(before)).lower() != unwrap(inner).lower():
                _read_bare(found, number, before)
            phrase = [(kind, text[end:]), *phrase[last + 1 :]]
            break
    whole = _join(phrase) + angle
    if not inner.strip():
        found.refuse(number, whole, "There is no address between < and >.")
        return
    described = any(kind == "comment" for kind, _ in phrase)  # says what the address is for, not who it is
    name = "" if described else "".join(_unquoted(kind, text) for kind, text in phrase)
    found.judge(number, whole, inner, name)


def _read_bare(found: _Findings, number: int, phrase: list[tuple[str, str]]) -> None:
    """Read what stands between separators without ``< >``: addresses, or words that are none."""
    text = _join(phrase)
    if '"@' in text:
        found.refuse(
            number, text, "A quoted part before the @ is not accepted. Leave the quotation marks out."
        )
        return
    plain = _COMMENT.sub(" ", text)
    if "@" not in plain:
        _refuse_words(found, number, text.split())
        return
    for piece in _SEPARATORS.split(plain):
        lost: list[str] = []
        for word in _GAP.split(" ".join(piece.split())):
            if "@" in word:
                _refuse_words(found, number, lost)
                lost = []
                found.judge(number, word, word)
            else:
                lost.append(word)
        _refuse_words(found, number, lost)


def _refuse_words(found: _Findings, number: int, words: list[str]) -> None:
    text = " ".join(words)
    if not text.strip(_IGNORED):
        return
    if "\uff20" in text:
        reason = "It has the wide at-sign. Type the plain @ instead."
    elif len(text) <= TEXT_MAX and (spelt := _SPELT_AT.fullmatch(text)):
        reason = f"There is no @ in it. Write it like {spelt[1]}@{spelt[2]}."
    else:
        reason = (
            "There is no @ in it. Write name@example.org, or a name like this: Ann Lee <ann@example.org>."
        )
    found.refuse(number, text, reason)


def _join(phrase: list[tuple[str, str]]) -> str:
    return "".join(text for _, text in phrase).strip()


def _unquoted(kind: str, text: str) -> str:
    if kind == "quoted":
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return text.replace("<", " ").replace(">", " ")


def _read_row(row: object) -> tuple[str, str, dict[str, str] | None]:
    """Return email, name and merge fields of one row. Raises ``ValueError`` with the reason."""
    if not isinstance(row, Mapping):
        raise ValueError('The row is no object. Write it like {"email": "ann@example.org", "name": "Ann"}.')  # noqa: TRY004
    email, name = row.get("email"), row.get("name")
    if not isinstance(email, str):
        raise ValueError('The row has no "email" that is a string.')  # noqa: TRY004
    if name is not None and not isinstance(name, str):
        raise ValueError('"name" is no string.')
    if name and _UNFIT.search(name):
        raise ValueError("There is a line break or control character in the name. Take it out.")
    address = judge(clean(email))
    fields: dict[str, str] = {}
    for key, value in row.items():
        if key in {"email", "name"} or value is None:
            continue
        if not isinstance(key, str) or not _FIELD.fullmatch(key):
            raise ValueError(f"{key!a:.80} is no field name. Use letters, digits and _, not a digit first.")
        if not isinstance(value, str | int | float):
            raise ValueError(f"The field {key:.80} is no string, number, true or false.")  # noqa: TRY004
        fields[key] = str(value)
        if _UNSTORABLE.search(fields[key]):
            raise ValueError(f"There is a character in the field {key:.80} that is no text. Take it out.")
    return address, read_name(clean(name or "")), fields or None
