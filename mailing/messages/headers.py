"""The header lines of an email: From, To, Date and Subject, folded, and encoded where ASCII ends.

Pure. No value can end a header line: line breaks are refused wherever they come from.
"""

from __future__ import annotations

import re
from base64 import b64encode
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, cast

from email_validator import EmailNotValidError, validate_email

from mailing.core.reasons import Reason
from mailing.messages.address_faults import reason_of
from mailing.messages.marks import ComposeError, cut
from mailing.messages.templates import read, render
from mailing.messages.values import CONTROL, FieldError, encodable

if TYPE_CHECKING:
    from mailing.messages.templates import Piece, Template
    from mailing.messages.values import Values

HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*")
_FROM = re.compile(r'(?:(?:"((?:[^"\\]|\\.)*)"|([^"<>,;]*)) *)?<([^<> ]+@[^<> ]+)>|([^<>,; "]+@[^<>,; "]+)')
_FROM_MAX = 500
_ATOMS = re.compile(r"[A-Za-z0-9'_-]+(?: [A-Za-z0-9'_-]+)*")
_UNFIT_ADDRESS = re.compile('[\x00-\x1f\x7f<>]| (?![^"]*")')  # a blank only within quotation marks
_FOLD = re.compile(r".{1,66}(?= [^ ]|\Z)")
_FOLDABLE = re.compile(rf"(?:{_FOLD.pattern})*+")  # tries no other folds, so a long text costs its length
_LINE_MAX = 76
_PHRASE_MAX = 66
_WORD_BYTES = 39  # 64 characters as an encoded word, so that "Subject: " fits before it


def read_from(text: str) -> tuple[bytes, str]:
    """Return the From line and the envelope address. A host name without dots is let through.

    Raises ``ComposeError``, also for a merge field: From is the same for everybody.
    """
    if any(not isinstance(token, str) for token in cut("from", text[: _FROM_MAX + 1])):
        raise ComposeError("from", Reason("from.merge-field"))
    shape = _FROM.fullmatch(text.strip()) if len(text) <= _FROM_MAX else None
    if CONTROL.search(text) or not encodable(text) or not shape:
        raise ComposeError("from", Reason("from.invalid"))
    quoted, plain, inner, bare = shape.groups()
    local, _, domain = (inner or bare).rpartition("@")
    private = HOST.fullmatch(domain)  # localhost and .local are the operator's own affair
    try:
        judged = validate_email(
            f"{local}@example.org" if private else f"{local}@{domain}",
            check_deliverability=False,
            test_environment=True,
        )
    except EmailNotValidError as error:
        unusable = Reason("from.unusable", address=f"{local}@{domain}", reason=reason_of(error))
        raise ComposeError("from", unusable) from None
    address = f"{local}@{domain.lower() if private else judged.ascii_domain}"
    name = re.sub(r"\\(.)", r"\1", quoted) if quoted else (plain or "").strip()
    return write_mailbox("From", name, address), address


def read_subject(source: str) -> tuple[Template, Piece]:
    """Return the subject's template, and its line or what fills it for one recipient.

    Raises ``ComposeError``.
    """
    if CONTROL.search(source):
        raise ComposeError("subject", Reason("subject.line-break"))
    template = read("subject", source)
    if not template.fields and all(isinstance(segment, str) for segment in template.segments):
        return template, write_text("Subject", "".join(cast("list[str]", template.segments)))

    def fill(values: Values) -> bytes:
        text = render(template.segments, values)
        if CONTROL.search(text):
            texts = ((name, values.get(name)) for name in sorted(template.fields))
            culprit = next(name for name, text in texts if isinstance(text, str) and CONTROL.search(text))
            raise FieldError(culprit, Reason("message.line-break-in-subject"))
        return write_text("Subject", text)

    return template, fill


def write_text(header: str, text: str) -> bytes:
    """Return a header of text for people, folded, in encoded words (RFC 2047) where ASCII is not enough."""
    if text.isascii() and text.isprintable() and "=?" not in text and text == text.strip():
        if len(header) + 2 + len(text) <= _LINE_MAX:
            return f"{header}: {text}\r\n".encode()
        if _FOLDABLE.fullmatch(text):
            folded = "\r\n".join(_FOLD.findall(text))
            return f"{header}: {folded}\r\n".encode()
    return f"{header}: {_encoded_words(text, room=_LINE_MAX - len(header) - 2)}\r\n".encode()


def _encoded_words(text: str, room: int = _LINE_MAX) -> str:
    """Return encoded words, each on its line; ``room`` is that of the first line."""
    data, start, words = text.encode(), 0, []
    size = min(_WORD_BYTES, max(room - len("=?utf-8?b??="), 8) // 4 * 3)
    while start < len(data):
        end = min(start + size, len(data))
        size = _WORD_BYTES
        while end < len(data) and data[end] & 0xC0 == 0x80:  # noqa: PLR2004  # within a character of UTF-8
            end -= 1
        words.append(f"=?utf-8?b?{b64encode(data[start:end]).decode()}?=")
        start = end
    return "\r\n ".join(words)


def write_mailbox(header: str, name: str, email: str) -> bytes:
    """Return a header line that holds one mailbox (RFC 5322 section 3.4). Raises ``FieldError``."""
    if CONTROL.search(name) or _UNFIT_ADDRESS.search(email):
        field = "name" if CONTROL.search(name) else "email"
        raise FieldError(field, Reason("message.invalid-in-header"))
    email = write_address(email)
    if not name:
        return f"{header}: {email}\r\n".encode()
    phrase = name if _ATOMS.fullmatch(name) and len(name) <= _PHRASE_MAX else _phrase(name)
    gap = " " if len(header) + len(phrase) + len(email) + 5 <= _LINE_MAX else "\r\n "
    return f"{header}: {phrase}{gap}<{email}>\r\n".encode()


def _phrase(name: str) -> str:
    """Return a name in quotation marks, or as encoded words where it needs them (RFC 5322 section 3.2.5)."""
    phrase = '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'
    if phrase.isascii() and phrase.isprintable() and "=?" not in phrase and len(phrase) <= _PHRASE_MAX:
        return phrase
    return _encoded_words(name)


def write_address(email: str) -> str:
    """Return an address as headers and envelopes hold it.

    A local part with dots where none may be, as in ``a..b@docomo.ne.jp``, stands in quotation marks
    (RFC 5321 section 4.1.2): to the receiver it is the same.
    """
    if email[0] == '"' or (email[0] != "." and ".." not in email and ".@" not in email):
        return email
    local, _, domain = email.rpartition("@")
    return f'"{local}"@{domain}'


def write_date(time_ms: int) -> bytes:
    """Return the Date line of a time in milliseconds since 1970, UTC."""
    return _date_line(time_ms // 1000)


@lru_cache(maxsize=16)
def _date_line(seconds: int) -> bytes:
    return f"Date: {format_datetime(datetime.fromtimestamp(seconds, UTC))}\r\n".encode()
