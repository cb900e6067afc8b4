"""What people paste, or a program posts, becomes clean recipients. What cannot be used says why.

Pure: text in, records out. ``email-validator`` judges every address, except that a strict pattern lets
the plain ones (nearly all of a real list) through without it. Nothing is lost in silence: whatever is
not blank becomes an entry, a duplicate or a refusal.

Limits: 64 bytes before the @ and 254 in all (RFC 5321 section 4.5.3.1, RFC 3696 erratum 1690), and
``NAME_MAX`` characters in a name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import unquote

from email_validator import EmailNotValidError, validate_email

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NAME_MAX = 200
TEXT_MAX = 200
LOCAL_MAX = 64
ADDRESS_MAX = 254
UNREADABLE = "\ufffd"


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


_ATOM = r"[A-Za-z0-9_+'&=/%~-]"
_WORD = r"[\w.'-]"
# What this accepts, email-validator accepts too: a test proves it. It leaves out A-labels and reserved
# domains; the lengths are checked beside it.
_PLAIN = re.compile(
    rf"(?:([^\W\d_]{_WORD}*+(?: {_WORD}++)*+) ?<)?"
    rf"([A-Za-z0-9_]{_ATOM}*+(?:\.{_ATOM}++)*+)"
    r"@((?:[A-Za-z0-9]++(?:-[A-Za-z0-9]++)*+\.)++(?!(?i:arpa|invalid|local|localhost|onion)\b)[A-Za-z]++)"
    r"(?(1)>)"
)
_PLAIN_MAX = 200
_PLAIN_DOMAIN_MAX = 63  # so no label can be longer than DNS allows

_ODD = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\xa0\xad\u061c\u1680\u180e\u2000-\u200b\u200e\u200f\u201c-\u201f"
    "\u2028-\u202f\u205f-\u2064\u2066-\u206f\u3000\ufeff\uff02\ud800-\udfff]"
)


def _replacement(character: str) -> str:
    category = unicodedata.category(character)
    if category[0] == "Z" or character in "\x0b\x0c\x85":
        return " "
    if category[0] == "P":
        return '"'
    return "" if category == "Cf" else UNREADABLE


_CLEAN = {code: _replacement(chr(code)) for code in range(0x10000) if _ODD.match(chr(code))}

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
_OPENING = '"«»\u2039\u203a\u2018\u2019\u201a•‣▪◦·\u2013\u2014(< '
_CLOSING = "\"'`«»\u2039\u203a\u2018\u2019.)> "
_IGNORED = "\"'`.()<>*+- "
_FAULTS = tuple(  # said in words that tell more than the judge's
    (re.compile(pattern), reason)
    for pattern, reason in (
        (r"\A[^@]*\Z", "There is no @ in it. Write it like name@example.org."),
        (r"\s", "There is a space in it. Write the address without spaces."),
        (UNREADABLE, "There is an unreadable character in it. Type the address again."),
        (r"@.*@", "It has more than one @. Write one address with one @."),
        (r"\A@", "There is nothing before the @. Write it like name@example.org."),
        (r"@\Z", "There is nothing after the @. Write it like name@example.org."),
        (r"@\[", "An IP address in brackets is not accepted. Write the name of the mail domain."),
        (r"@[^.\u3002\uff0e\uff61]+\Z", "The part after the @ has no dot. Write it like name@example.org."),
    )
)
_SPELT_AT = re.compile(r"(\S+?)\s*(?:\sat\s|\(at\)|\[at\])\s*(\S+)", re.IGNORECASE)
_JOINERS = re.compile("[\u200c\u200d]")
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def parse_pasted(text: str) -> ParsedList:
    """Read a pasted list: addresses, or ``Name <address>``, apart by lines, ``,`` ``;`` tabs or spaces.

    Takes any text and raises nothing. Domains come back in lower case and as A-labels (RFC 5890), local
    parts exactly as written, names in Unicode's composed form (NFC).
    """
    found = _Findings()
    add, plain = found.add, _PLAIN.fullmatch
    lines = _clean(text.replace("\r\n", "\n").replace("\r", "\n")).split("\n")
    for number, padded in enumerate(lines, 1):
        line = padded.strip()
        if not line:
            continue
        if len(line) <= _PLAIN_MAX and (match := plain(line)):
            name, local, domain = match.groups()
            if len(local) <= LOCAL_MAX and len(domain) <= _PLAIN_DOMAIN_MAX:
                add(number, f"{local}@{domain.lower()}", name or "")
                continue
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
        shown = _clean(text[: 2 * TEXT_MAX]).strip()
        if len(shown) > TEXT_MAX:
            shown = shown[: TEXT_MAX - 1] + "…"
        self.refused.append(Refusal(line, shown, reason))

    def judge(self, line: int, text: str, word: str, phrase: str = "") -> None:
        """Take ``word`` as an address that ``phrase`` names, or refuse ``text``, which holds both."""
        try:
            email = _judge(word)
            name = _name(phrase)
        except ValueError as fault:
            self.refuse(line, text, str(fault))
            return
        itself = name.lower() in {email.lower(), word.strip().lower()}
        self.add(line, email, "" if itself else name)

    def listed(self) -> ParsedList:
        return ParsedList(tuple(self.entries), tuple(self.duplicates), tuple(self.noted), tuple(self.refused))


def _clean(text: str) -> str:
    """Drop what cannot be seen, turn odd spaces and quotes into plain ones, mark control characters."""
    if _ODD.search(text):
        text = text.translate(_CLEAN)
    return text if text.isascii() else unicodedata.normalize("NFC", text)


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
            if _unwrap(_join(before)).lower() != _unwrap(inner).lower():
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


def _name(phrase: str) -> str:
    """Return the name as it will be shown. Raises ``ValueError`` with the reason if it is too long."""
    name = " ".join(_clean(phrase.replace(UNREADABLE, "")).split())
    if len(name) > NAME_MAX:
        raise ValueError(f"The name has {len(name)} characters. Shorten it to {NAME_MAX}.")
    while len(name) > 1 and name[0] == name[-1] and name[0] in "'\"":
        name = name[1:-1].strip()
    return name


def _unwrap(word: str) -> str:
    """Return an address without what came along with it: ``mailto:``, quotes, bullets, a final dot."""
    if (joined := _JOINERS.sub("", word)).isascii():  # a joiner means something in some scripts only
        word = joined
    word = word.lstrip(_OPENING)
    if word[:7].lower() == "mailto:":  # RFC 6068
        word = _clean(unquote(word[7:].partition("?")[0])).lstrip(_OPENING)
    bare = word.rstrip(_CLOSING)
    if bare[:1] in {"'", "`"} and bare[0] in word[len(bare) :]:
        bare = bare[1:]
    return bare


def _judge(text: str) -> str:
    """Return the address in ``text`` as it will be used. Raises ``ValueError`` with the reason if none is."""
    word = _unwrap(text)
    match = _PLAIN.fullmatch(word) if len(word) <= _PLAIN_MAX else None
    local, _, domain = word.rpartition("@")
    if match and match[1] is None and len(local) <= LOCAL_MAX and len(domain) <= _PLAIN_DOMAIN_MAX:
        return f"{local}@{domain.lower()}"
    if len(word) > ADDRESS_MAX and "@" in word:
        raise ValueError(f"It has {len(word)} characters. An address has at most {ADDRESS_MAX}.")
    for fault, reason in _FAULTS:
        if fault.search(word):
            raise ValueError(reason)
    if (size := len(local.encode())) > LOCAL_MAX:
        raise ValueError(f"There are {size} bytes before the @. At most {LOCAL_MAX} are allowed.")
    try:
        judged = validate_email(
            word,
            allow_smtputf8=True,
            allow_empty_local=False,
            allow_quoted_local=False,
            allow_domain_literal=False,
            allow_display_name=False,
            globally_deliverable=True,
            check_deliverability=False,
            test_environment=True,  # lets the reserved domain .test through, nothing else
        )
    except EmailNotValidError as refusal:
        raise ValueError(str(refusal)) from None
    return f"{local}@{judged.ascii_domain}"


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
    address = _judge(_clean(email))
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
    return address, _name(_clean(name or "")), fields or None
