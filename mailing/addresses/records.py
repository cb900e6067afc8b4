"""Address books as text: vCard (RFC 6350 and 2426), LDIF (RFC 2849), and lines of ``Name: Ann Lee``.

Pure. ``take`` finds the records among the lines of a list and leaves blank lines in their place, so that
all other lines keep their numbers.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import a2b_qp
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailing.addresses import columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LINES_MAX = 2_000  # lines of one record: more means that its end is missing

_HINT = re.compile(r"^[ \t]*(?:BEGIN:VCARD|[^\W\d_][\w .;-]{0,40}::?[ \t]*\S)", re.IGNORECASE | re.MULTILINE)
_PROPERTY = re.compile(
    r"\s*(?:[\w-]+\.)?(N|FN|EMAIL|NICKNAME|ORG|TITLE)((?:;[^:]*)?):(.*)", re.IGNORECASE | re.DOTALL
)
_ENDS_CARD = re.compile(r"\s*(?:END|BEGIN):", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"([^\W\d_][\w .;-]{0,40}?)[ \t]*(::?)[ \t]*(.*)", re.DOTALL)
_RDN = re.compile(r"\s*([A-Za-z][A-Za-z0-9.-]{0,30})\s*=\s*(.*)", re.DOTALL)
_CHARSET = re.compile(r"charset=\"?([\w-]{1,40})", re.IGNORECASE)
_DIRECTORY = frozenset("mail email e emailaddress cn uid ou o dc c l st".split())  # noqa: SIM905
_DIRECTORY_MAIL = ("mail", "email", "emailaddress", "e")


@dataclass(frozen=True, slots=True)
class Record:
    """What an address book says of one person. ``line`` is its first, ``emails`` are all that it has."""

    line: int
    emails: Sequence[str]
    name: str
    fields: Mapping[str, str]


def take(lines: list[str]) -> tuple[list[Record], list[str]]:
    """Return the records that stand in ``lines``, and the lines with those taken out."""
    found: list[Record] = []
    rest, at = list(lines), 0
    while at < len(lines):
        line = lines[at].strip()
        record, end = None, at + 1
        if line[:11].upper() == "BEGIN:VCARD":
            record, end = _card(lines, at)
        elif ":" in line:
            record, end = _block(lines, at)
        if record:
            found.append(record)
            rest[at:end] = [""] * (end - at)
        at = end
    return found, rest


def may_be_in(text: str) -> bool:
    """Tell quickly whether it is worth to look for records."""
    return ":" in text and bool(_HINT.search(text))


def distinguished(line: str) -> tuple[str, str] | None:
    """Return address and name of a distinguished name (RFC 4514): ``mail=ann@example.org,ou=people``."""
    parts = [_RDN.fullmatch(part) for part in re.split(r"(?<!\\)[,+]", line)]
    values = {part[1].lower(): part[2].strip() for part in parts if part}
    if not all(parts) or not values.keys() <= _DIRECTORY:
        return None
    email = next((values[key] for key in _DIRECTORY_MAIL if key in values), "")
    return (email, values.get("cn", "").replace("\\", "")) if email else None


def _card(lines: Sequence[str], start: int) -> tuple[Record, int]:
    """Read a vCard, whose lines may be folded or softly broken (quoted-printable)."""
    emails: list[tuple[bool, str]] = []
    said: dict[str, str] = {}
    at, last = start + 1, min(len(lines), start + LINES_MAX)
    while at < last and not _ENDS_CARD.match(lines[at]):
        if ":" not in lines[at] and "@" in lines[at]:  # the end is missing, the list goes on
            break
        line, at = _unfolded(lines, at, last)
        if found := _PROPERTY.fullmatch(line):
            key, parameters, value = found[1].upper(), found[2], _decoded(found[2], found[3])
            if key == "EMAIL":
                emails.append(("PREF" in parameters.upper(), _unescaped(value)))
            elif key == "N":
                said.setdefault("N", _spoken(value))
            else:
                said.setdefault(key, _unescaped(value))
    at += at < last and lines[at].strip()[:4].upper() == "END:"
    emails.sort(key=lambda one: not one[0])
    fields = {key.lower(): said[key] for key in ("ORG", "TITLE", "NICKNAME") if said.get(key)}
    name = said.get("FN") or said.get("N", "")
    return Record(start + 1, [email for _, email in emails if email], name, fields), at


def _unfolded(lines: Sequence[str], at: int, last: int) -> tuple[str, int]:
    """Return the logical line that begins at ``at``, and where the next one begins."""
    parts = [lines[at]]
    soft = "QUOTED-PRINTABLE" in lines[at].partition(":")[0].upper()
    at += 1
    while at < last:
        if soft and parts[-1].endswith("="):
            parts[-1] = parts[-1][:-1]
            parts.append(lines[at].lstrip())
        elif lines[at][:1] in {" ", "\t"} and lines[at].strip():
            parts.append(lines[at][1:])
        else:
            break
        at += 1
    return "".join(parts), at


def _decoded(parameters: str, value: str) -> str:
    if "QUOTED-PRINTABLE" not in parameters.upper():
        return value
    charset = _CHARSET.search(parameters)
    try:
        return a2b_qp(value.encode()).decode(charset[1] if charset else "utf-8")
    except (LookupError, ValueError):
        return value


def _unescaped(value: str) -> str:
    return re.sub(r"\\(.)", lambda sign: " " if sign[1] in "nN" else sign[1], value).strip()


def _spoken(value: str) -> str:
    """Return the parts of ``N`` (family; given; more; prefixes; suffixes) in the order of speech."""
    family, given, more, *_ = [*map(_unescaped, re.split(r"(?<!\\);", value)), "", "", ""]
    return " ".join(filter(None, (given, more, family)))


def _block(lines: Sequence[str], start: int) -> tuple[Record | None, int]:
    """Read consecutive lines of ``attribute: value`` if they tell both an address and a name."""
    said: dict[str, str] = {}
    emails: list[str] = []
    at, last = start, min(len(lines), start + LINES_MAX)
    while at < last and lines[at].strip() and not _ENDS_CARD.match(lines[at]):
        line, after = _unfolded(lines, at, last)
        found = _ATTRIBUTE.fullmatch(line.strip())
        key = found[1].partition(";")[0].lower() if found else ""
        if not found or (said and key in {"dn", next(iter(said))}):
            break
        value = _base64(found[3]) if found[2] == "::" else found[3]
        if value and columns.means_email(key):
            emails.append(value)
        said.setdefault(key, value)
        at = after
    keys, values = list(said), list(said.values())
    assigned = columns.assign(keys) if emails else None
    if not assigned or not ("dn" in said or any(map(columns.means_name, keys))):
        return None, max(at, start + 1)
    fields = {name: values[place] for place, name in assigned.fields if name != "dn" and values[place]}
    return Record(start + 1, emails, assigned.name(values), fields), at


def _base64(text: str) -> str:
    try:
        return b64decode(text).decode()
    except ValueError:
        return text
