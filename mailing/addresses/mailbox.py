"""One mailbox: is this an address that can be used, what is wrong with it, and whose name goes with it.

Pure. A strict pattern lets the plain addresses (nearly all of a real list) through. Of the others
``email-validator`` judges the domain, each one once, and the local part is taken as a mail server takes it:
also with dots where RFC 5321 has none, and in quotation marks. ``oddity`` remarks those. Before that,
``clean`` and ``unwrap`` remove what mail programs, word processors and web pages add to an address.

Limits: 64 bytes before the @ and 254 in all (RFC 5321 section 4.5.3.1, RFC 3696 erratum 1690),
``NAME_MAX`` characters in a name, and ``DOMAINS_MAX`` domains in one list that need the slow judge.
"""

from __future__ import annotations

import re
import unicodedata
from base64 import b64decode
from binascii import a2b_qp
from dataclasses import dataclass, field
from urllib.parse import unquote

from email_validator import EmailNotValidError, validate_email

from mailing.core.reasons import Reason, UnfitError
from mailing.messages.address_faults import reason_of

NAME_MAX = 200
LOCAL_MAX = 64
DOMAINS_MAX = 20_000
ADDRESS_MAX = 254
UNREADABLE = "\ufffd"
WIDE_AT = "\uff20"

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

_OPENING = '"«»\u2039\u203a\u2018\u2019\u201a•‣▪◦·\u2013\u2014([{< '
_CLOSING = "\"'`«»\u2039\u203a\u2018\u2019.)}> "
_ENCODED_WORD = re.compile(r"=\?([A-Za-z0-9_-]{1,40})(?:\*[A-Za-z0-9-]*+)?\?([bBqQ])\?([!->@-~]{0,400})\?=")
_ENCODED_GAP = re.compile(r"(\?=)\s+(?==\?)")  # nothing stands between two encoded words
_JOINERS = re.compile("[\u200c\u200d]")
_QUOTED_LOCAL = re.compile(r'"((?:[^"\\]|\\.)*+)"')
_QUOTED = re.compile(rf"{_QUOTED_LOCAL.pattern}@[^\s@]+")
_DOTTED = re.compile(r"(?:[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]|[^\x00-\x7f])+")  # atoms and dots, in any order
_FAULTS = tuple(  # told apart from one another, which the judge does not
    (re.compile(pattern), Reason(code))
    for pattern, code in (
        (r"\A[^@]*\Z", "address.no-at"),
        (r"\s", "address.space"),
        (UNREADABLE, "address.unreadable"),
        (r"@.*@", "address.several-at"),
        (r"\A@", "address.nothing-before-at"),
        (r"@\Z", "address.nothing-after-at"),
        (r"@\[", "address.ip-address"),
        (r"@[^.\u3002\uff0e\uff61]+\Z", "address.no-dot"),
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


@dataclass(slots=True)
class Domains:
    """The domains of one list as they were judged: each costs a fraction of a millisecond, but once."""

    judged: dict[str, str | Reason] = field(default_factory=dict)  # as written -> A-labels, or why it is none

    def judge(self, domain: str) -> str:
        """Return the domain in lower case and A-labels (RFC 5890). Raises ``UnfitError``."""
        found = self.judged.get(domain)
        if found is None:
            if len(self.judged) == DOMAINS_MAX:
                raise UnfitError(Reason("list.too-many-domains", most=DOMAINS_MAX))
            found = self.judged[domain] = _judge_domain(domain)
        if isinstance(found, Reason):
            raise UnfitError(found)
        return found


def judge(text: str, domains: Domains | None = None) -> str:
    """Return the address in ``text`` as it will be used. Raises ``UnfitError`` if none is.

    A quoted local part keeps its quotes only where it needs them (RFC 5321 section 4.1.2).
    """
    word = unwrap(text)
    if (plain := read_plain(word)) and not plain[1]:
        return plain[0]
    if len(word) > ADDRESS_MAX and "@" in word:
        raise UnfitError(Reason("address.too-long", n=len(word), most=ADDRESS_MAX))
    local, _, domain = word.rpartition("@")
    quoted = _QUOTED_LOCAL.fullmatch(local)
    for fault, reason in _FAULTS:
        if fault.search(f"x@{domain}" if quoted else word):
            raise UnfitError(reason)
    local = _unquote(quoted[1]) if quoted else local
    _judge_local(local, quoted=bool(quoted))
    email = f"{local}@{(domains or Domains()).judge(domain)}"
    if len(email) > ADDRESS_MAX:
        raise UnfitError(Reason("address.too-long", n=len(email), most=ADDRESS_MAX))
    return email


def oddity(email: str) -> Reason | None:
    """Return what is unusual about an address that ``judge`` took, if anything is."""
    local = email.rpartition("@")[0]
    if local.startswith('"'):
        return Reason("note.quoted-local-part")
    if local[0] == "." or local[-1] == "." or ".." in local:
        return Reason("note.misplaced-dot")
    return None


def _unquote(content: str) -> str:
    """Return a quoted local part with as little quoting as it needs."""
    bare = re.sub(r"\\(.)", r"\1", content)
    return bare if _DOTTED.fullmatch(bare) else '"' + re.sub(r'(["\\])', r"\\\1", bare) + '"'


def _judge_local(local: str, *, quoted: bool) -> None:
    if (size := len(local.encode())) > LOCAL_MAX:
        raise UnfitError(Reason("address.local-part-too-long", n=size, most=LOCAL_MAX))
    if quoted and local == '""':
        raise UnfitError(Reason("address.nothing-before-at"))
    if quoted and local.startswith('"'):
        wrong = {sign for sign in local if sign in "<>" or not (sign.isprintable() or sign == " ")}
    else:
        wrong = {sign for sign in local if not (_DOTTED.fullmatch(sign) and sign.isprintable())}
    if unicodedata.category(local[0])[0] == "M":  # it would join with what stands before the address
        wrong.add(local[0])
    if wrong:
        signs = ", ".join(repr(sign) if sign.isprintable() else ascii(sign) for sign in sorted(wrong))
        raise UnfitError(Reason("address.local-part-characters", signs=signs))


def _judge_domain(domain: str) -> str | Reason:
    try:
        judged = validate_email(
            f"x@{domain}",
            allow_domain_literal=False,
            allow_display_name=False,
            globally_deliverable=True,
            check_deliverability=False,
            test_environment=True,  # lets the reserved domain .test through, nothing else
        )
    except EmailNotValidError as refusal:
        return reason_of(refusal)
    return judged.ascii_domain


def domain_of(email: str) -> str:
    """Return what stands behind the last ``@``."""
    return email.rpartition("@")[2]


def unwrap(word: str) -> str:
    """Return an address without what came along with it: ``mailto:``, quotes, bullets, a final dot."""
    if not word.isascii():
        word = word.replace(WIDE_AT, "@")
        if (joined := _JOINERS.sub("", word)).isascii():  # a joiner means something in some scripts only
            word = joined
    if word.lstrip(_OPENING)[:7].lower() == "mailto:":  # RFC 6068
        word = clean(unquote(word.lstrip(_OPENING)[7:].partition("?")[0]))
    if _QUOTED.fullmatch(bare := word.strip("<> .")):
        return bare
    word = word.lstrip(_OPENING)
    bare = word.rstrip(_CLOSING if "@[" in word else f"{_CLOSING}]")
    if bare[:1] in {"'", "`"} and bare[0] in word[len(bare) :]:
        bare = bare[1:]
    return bare


def read_name(phrase: str) -> str:
    """Return the name as it will be shown. Raises ``UnfitError`` if it is too long.

    Encoded words (RFC 2047) are read.
    """
    if "=?" in phrase:
        phrase = _ENCODED_GAP.sub(r"\1", phrase)
        phrase = _ENCODED_WORD.sub(_decode_word, phrase)
    name = " ".join(clean(phrase).replace(UNREADABLE, "").split())
    if len(name) > NAME_MAX:
        raise UnfitError(Reason("name.too-long", n=len(name), most=NAME_MAX))
    while len(name) > 1 and name[0] == name[-1] and name[0] in "'\"":
        name = name[1:-1].strip()
    return name


def _decode_word(match: re.Match[str]) -> str:
    """Return an encoded word as text, or as it was if its charset is unknown or its bytes do not fit."""
    charset, encoding, text = match.groups()
    try:
        data = b64decode(text) if encoding in "bB" else a2b_qp(text.encode(), header=True)
        return data.decode(charset)
    except (LookupError, ValueError):  # no such charset; no such bytes; no base64
        return match[0]
