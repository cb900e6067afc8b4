"""The header of foreign mail (RFC 5322, 2045, 2047, 2231): its fields, and what stands in them.

Pure, and nothing here raises. What cannot be read is returned as it came, and ``note`` takes the
reason. How much is read has limits, so that the time is bounded whatever a header holds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from mailing.core.reasons import Reason
from mailing.foreign import text as foreign_text
from mailing.foreign.text import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mailing.foreign.text import Note

FIELDS_MOST = 1_000
FIELD_MOST = 64 * 1024  # bytes read of one field
HEAD_MOST = 1024 * 1024  # bytes read of one header
ADDRESSES_MOST = 100  # of one field
PARAMETERS_MOST = 100

_FIELD = re.compile(rb"([!-9;-~]{1,200})[ \t]*:")
_LINE = re.compile(rb"\n")
_UNFOLDED = re.compile(rb"\n(?![ \t])")
_BLANK = re.compile(rb"\r?\n")
_END = re.compile(rb"\n\r?\n")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"?|<[^<>]*>?|\[[^\[\]]*\]?|[(),;:]|\\.|[^"<\[(),;:\\]+|.', re.DOTALL)
_PARAMETER = re.compile(r';\s*([^\s=;"*]+)(\*\d{1,3})?(\*)?\s*=\s*("(?:[^"\\]|\\.)*"?|[^;]*)', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_MESSAGE_ID = re.compile(r"<[^<>\s]+>")


@dataclass(frozen=True, slots=True)
class Fields:
    """One header: lower-case names and raw values in their order. The text begins at ``end``."""

    found: Sequence[tuple[str, bytes]]
    end: int

    def first(self, name: str) -> bytes:
        """Return the value of the first field called ``name``; empty if there is none."""
        return next((value for found, value in self.found if found == name), b"")

    def count(self, name: str) -> int:
        """Return how many fields are called ``name``."""
        return sum(found == name for found, _value in self.found)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A name and an address; either may be empty."""

    name: str
    address: str

    def __str__(self) -> str:
        if self.name and self.address:
            return f"{self.name} <{self.address}>"
        return self.name or self.address


def split(data: bytes, start: int, stop: int, note: Note) -> Fields:
    """Return the header that begins at ``start``, not beyond ``stop``."""
    found: list[tuple[str, bytes]] = []
    at, left = start, HEAD_MOST
    if data.startswith((b"From ", b">From "), start, stop):  # the first line of an mbox
        at = _after(_LINE, data, at, stop)
    while at < stop and left > 0 and len(found) < FIELDS_MOST:
        field = _FIELD.match(data, at, stop)
        if not field:
            return Fields(found, _text(data, at, stop, note if found else None))
        at = _after(_UNFOLDED, data, field.end(), stop)
        name, size = field[1].decode("ascii"), at - field.end()
        if size > FIELD_MOST:
            note(Reason("foreign-mail.field-too-long", name=name, n=size, most=FIELD_MOST))
        found.append((name.lower(), data[field.end() : min(at, field.end() + FIELD_MOST)]))
        left -= len(found[-1][1])
    if at < stop and not _BLANK.match(data, at, stop):
        note(Reason("foreign-mail.header-too-long", n=len(found)))
        return Fields(found, _after(_END, data, at - 1, stop))
    return Fields(found, _text(data, at, stop, None))


def _after(pattern: re.Pattern[bytes], data: bytes, at: int, stop: int) -> int:
    found = pattern.search(data, at, stop)
    return found.end() if found else stop


def _text(data: bytes, at: int, stop: int, note: Note | None) -> int:
    """Return where the text begins if its header ends at ``at``: an empty line is not of it."""
    blank = _BLANK.match(data, at, stop)
    if note and at < stop and not blank:
        note(Reason("foreign-mail.no-header-field"))
    return blank.end() if blank else at


def plain(value: bytes, note: Note, name: str) -> str:
    """Return a raw value on one line. RFC 6532 allows UTF-8; what is not is taken for Latin-1."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = value.decode("latin-1")
        if len(value) < FIELD_MOST:  # a cut may part a character
            note(Reason("foreign-mail.field-not-utf8", name=name))
    return _CONTROLS.sub(" ", text.replace("\r\n", "\n").replace("\n", "")).strip()


def text(value: bytes, note: Note, name: str) -> str:
    """Return the value of an unstructured field such as Subject."""
    return _one_line(foreign_text.words(plain(value, note, name), note))


def message_id(value: bytes, note: Note) -> str:
    """Return the id with its brackets, or what stands in its place."""
    raw = plain(value, note, "Message-ID")
    found = _MESSAGE_ID.search(raw)
    if raw and not found:
        note(Reason("foreign-mail.message-id"))
    return found[0] if found else raw


def mailboxes(value: bytes, note: Note, name: str) -> Sequence[Mailbox]:
    """Return the first ``ADDRESSES_MOST`` mailboxes of a field such as To. Groups count by their members."""
    raw = plain(value, note, name)
    found, count = [], 0
    for pieces in _parted(raw):
        mailbox = _mailbox(pieces) if count < ADDRESSES_MOST else None
        if mailbox != Mailbox("", ""):
            count += 1
            found += [mailbox] if mailbox else []
    if count > ADDRESSES_MOST:
        note(Reason("foreign-mail.field-many-addresses", name=name, n=count, most=ADDRESSES_MOST))
    if raw and not found and not raw.endswith((":;", ": ;")):
        note(Reason("foreign-mail.field-no-address", name=name))
        return [Mailbox(raw, "")]
    return [Mailbox(_one_line(foreign_text.words(it.name, note)), _one_line(it.address)) for it in found]


def _parted(raw: str) -> Iterable[list[str]]:
    """Yield the pieces of each address, comments whole. A group's name before its colon is left out."""
    pieces: list[str] = []
    comment: list[str] = []
    depth = 0
    for match in _TOKEN.finditer(raw):
        piece = match[0]
        if piece == "(" or depth:
            depth += {"(": 1, ")": -1}.get(piece, 0)
            comment.append(piece)
            if not depth:
                pieces.append("".join(comment))
                comment = []
        elif piece in {",", ";"}:
            yield pieces
            pieces = []
        elif piece == ":" and not any("@" in earlier for earlier in pieces):
            pieces = []
        else:
            pieces.append(piece)
    yield [*pieces, "".join(comment)] if comment else pieces


def _mailbox(pieces: Sequence[str]) -> Mailbox:
    comments = [piece[1:].removesuffix(")") for piece in pieces if piece.startswith("(")]
    angles = [piece.strip("<>") for piece in pieces if piece.startswith("<")]
    angle = next((it for it in angles if it), "") if angles else None
    before = [piece for piece in pieces if not piece.startswith(("(", "<"))]
    if angle is None and "@" in "".join(before):
        return Mailbox(" ".join(comments), "".join(before).strip())
    name = " ".join("".join(_unquoted(piece) for piece in before).split())
    return Mailbox(name.rstrip("> ") or " ".join(comments), (angle or "").strip())


def parameters(value: bytes, note: Note, name: str) -> tuple[str, Mapping[str, str]]:
    """Return the value of a field such as Content-Type, lower-case, and its parameters (RFC 2231)."""
    raw = plain(value, note, name)
    head = raw.partition(";")[0].strip().lower()
    whole: dict[str, str] = {}
    pieces: dict[str, dict[int, tuple[bool, str]]] = {}
    for number, match in enumerate(_PARAMETER.finditer(raw)):
        if number >= PARAMETERS_MOST:
            note(Reason("foreign-mail.field-many-parameters", name=name, most=PARAMETERS_MOST))
            break
        key, place, encoded, content = match[1].lower(), match[2], bool(match[3]), _unquoted(match[4].strip())
        if place or encoded:
            pieces.setdefault(key, {}).setdefault(int((place or "*0")[1:]), (encoded, content))
        else:
            whole.setdefault(key, _one_line(foreign_text.words(content, note)))
    return head, {**whole, **{key: _joined(parts, note) for key, parts in pieces.items()}}


def _joined(parts: Mapping[int, tuple[bool, str]], note: Note) -> str:
    """Return the value whose pieces came one by one, perhaps out of order (RFC 2231 section 3)."""
    charset, data = "utf-8", b""
    for place in sorted(parts):
        encoded, content = parts[place]
        if encoded and place == min(parts) and content.count("'") >= 2:  # noqa: PLR2004 - charset'language'text
            charset, _language, content = content.split("'", 2)
        raw = content.encode("utf-8", "replace")
        data += unquote_to_bytes(raw) if encoded else raw
    return _one_line(foreign_text.decode(data, charset or "utf-8", note))


def _unquoted(piece: str) -> str:
    if not piece.startswith('"'):
        return piece
    inner = piece[1:-1] if len(piece) > 1 and piece.endswith('"') else piece[1:]
    return _ESCAPE.sub(r"\1", inner)


def _one_line(text: str) -> str:
    return " ".join(_CONTROLS.sub(" ", text).split())


def kind(value: bytes, default: str, note: Note) -> tuple[str, Mapping[str, str]]:
    """Return a Content-Type as ``text/plain`` with its parameters; ``default`` where there is none."""
    if not value.strip():
        return default, {}
    head, given = parameters(value, note, "Content-Type")
    if re.fullmatch(r"[^\s/()<>@,;:\\\"\[\]?=]+/[^\s/()<>@,;:\\\"\[\]?=]+", head):
        return head, given
    note(Reason("foreign-mail.content-type", quoted=quote(head)))
    return "text/plain", given
