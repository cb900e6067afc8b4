"""One mailbox: is this an address that can be used, what is wrong with it, and whose name goes with it.

Pure. ``email-validator`` judges every address, except that a strict pattern lets the plain ones (nearly
all of a real list) through without it. Before that, ``clean`` and ``unwrap`` take away what came along
from mail programs, word processors and web pages.

Limits: 64 bytes before the @ and 254 in all (RFC 5321 section 4.5.3.1, RFC 3696 erratum 1690), and
``NAME_MAX`` characters in a name.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote

from email_validator import EmailNotValidError, validate_email

NAME_MAX = 200
LOCAL_MAX = 64
ADDRESS_MAX = 254
UNREADABLE = "\ufffd"

_ATOM = r"[A-Za-z0-9_+'&=/%~-]"
_WORD = r"[\w.'-]"
# What this accepts, email-validator accepts too: a test proves it. It leaves out A-labels and reserved
# domains; the lengths are checked beside it.
_PLAIN = re.compile(
    rf"(?:([^\W\d_]{_WORD}*(?: {_WORD}+)*) ?<)?"
    rf"([A-Za-z0-9_]{_ATOM}*(?:\.{_ATOM}+)*)"
    r"@((?:[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*\.)+(?!(?i:arpa|invalid|local|localhost|onion)\b)[A-Za-z]+)"
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

_OPENING = '"«»\u2039\u203a\u2018\u2019\u201a•‣▪◦·\u2013\u2014(< '
_CLOSING = "\"'`«»\u2039\u203a\u2018\u2019.)> "
_JOINERS = re.compile("[\u200c\u200d]")
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


def clean(text: str) -> str:
    """Drop what cannot be seen, turn odd spaces and quotes into plain ones, mark control characters."""
    if _ODD.search(text):
        text = text.translate(_CLEAN)
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def read_plain(text: str) -> tuple[str, str] | None:
    """Return address and name if ``text`` is a plain address or ``Name <address>``, else nothing."""
    match = _PLAIN.fullmatch(text) if len(text) <= _PLAIN_MAX else None
    if not match:
        return None
    name, local, domain = match.groups()
    if len(local) > LOCAL_MAX or len(domain) > _PLAIN_DOMAIN_MAX:
        return None
    return f"{local}@{domain.lower()}", name or ""


def judge(text: str) -> str:
    """Return the address in ``text`` as it will be used. Raises ``ValueError`` with the reason if none is."""
    word = unwrap(text)
    if (plain := read_plain(word)) and not plain[1]:
        return plain[0]
    if len(word) > ADDRESS_MAX and "@" in word:
        raise ValueError(f"It has {len(word)} characters. An address has at most {ADDRESS_MAX}.")
    for fault, reason in _FAULTS:
        if fault.search(word):
            raise ValueError(reason)
    local = word.rpartition("@")[0]
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


def domain_of(email: str) -> str:
    """Return what stands behind the last ``@``."""
    return email.rpartition("@")[2]


def unwrap(word: str) -> str:
    """Return an address without what came along with it: ``mailto:``, quotes, bullets, a final dot."""
    if (joined := _JOINERS.sub("", word)).isascii():  # a joiner means something in some scripts only
        word = joined
    word = word.lstrip(_OPENING)
    if word[:7].lower() == "mailto:":  # RFC 6068
        word = clean(unquote(word[7:].partition("?")[0])).lstrip(_OPENING)
    bare = word.rstrip(_CLOSING)
    if bare[:1] in {"'", "`"} and bare[0] in word[len(bare) :]:
        bare = bare[1:]
    return bare


def read_name(phrase: str) -> str:
    """Return the name as it will be shown. Raises ``ValueError`` with the reason if it is too long."""
    name = " ".join(clean(phrase.replace(UNREADABLE, "")).split())
    if len(name) > NAME_MAX:
        raise ValueError(f"The name has {len(name)} characters. Shorten it to {NAME_MAX}.")
    while len(name) > 1 and name[0] == name[-1] and name[0] in "'\"":
        name = name[1:-1].strip()
    return name
