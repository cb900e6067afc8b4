"""What is good and what is not about a message before it is sent, as far as it shows itself.

Pure. The message is looked at as one recipient gets it; its merge fields against the whole list. What has to
be asked of DNS and web servers is in ``internet``.
"""

from __future__ import annotations

import re
import unicodedata
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mailing.campaigns import readiness
from mailing.core.reasons import Reason
from mailing.foreign import anatomy, headers
from mailing.internet.findings import Finding, Light
from mailing.writing import fallbacks, sanitizing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailing.foreign.anatomy import Anatomy, Link
    from mailing.foreign.mail import ForeignMail
    from mailing.lists.shapes import Shapes
    from mailing.messages.compose import Message

CLIPPED, NEARLY = 100_000, 90_000  # bytes of HTML; Gmail shows about 102 KB
SUBJECT_MOST = 70  # characters that most programs show
MANY = 5_000  # emails a day from which on providers demand a way to unsubscribe
HIDDEN_MOST = 30  # letters and digits
PICTURE_ALONE = 50  # letters and digits beside an image that are next to none
_SHOUTS = 8  # letters from which capitals alone are loud
_LINK_WORDS = 100
_UNSUBSCRIBE = re.compile(
    r"unsubscri|opt[ -]?out|list-unsubscribe|(?:email|mail|subscription) (?:preferences|settings)"
    r"|h[uủ][yỷ] (?:đăng|dang) (?:ký|ky|kí)|bỏ đăng ký|ngừng nhận|abmelden|abbestellen|désabonn|desinscri"
    r"|désinscri|darse de baja|cancelar (?:la )?suscrip|disiscri|退订|配信停止",
    re.IGNORECASE,
)
_URL = re.compile(r"https?://[^\s<>\"')\]]+", re.IGNORECASE)
_DOMAIN = re.compile(r"(?:https?://)?((?:[\w-]+\.)+[a-z]{2,24})(?:[/?#]\S*)?", re.IGNORECASE)
_ODD = frozenset({"danger.drawing", "danger.style-sheet"})  # not shown by many, and feared by nobody
_REPLIES = re.compile(r"(?:re|fw|fwd)\s*:", re.IGNORECASE)
_SHORT = frozenset(
    {
        *("bit.ly", "buff.ly", "cutt.ly", "goo.gl", "is.gd", "ow.ly"),
        *("rb.gy", "rebrand.ly", "t.co", "t.ly", "tiny.cc", "tinyurl.com"),
    }
)


def findings(
    message: Message, total: int, shapes: Shapes, mail: ForeignMail | None, name: str = ""
) -> tuple[Finding, ...]:
    """Return what was found in a message for ``total`` recipients.

    ``mail`` is the message as one of them gets it, whose name is ``name``; none where it cannot be composed.
    """
    found = [*_fields(message, total, shapes)]
    if mail is not None:
        body = anatomy.read(mail.html)
        found += [
            _subject(mail.subject),
            *_display_name(mail, name),
            *([] if readiness.blank(message) else _parts(mail)),
            *_html(mail, body),
            *_unsubscribe(message, mail, total),
            *(_traits(mail, body) or [_good("traits")]),
        ]
    return tuple(found)


def links(mail: ForeignMail) -> tuple[str, ...]:
    """Return the web links of a message, each once; none that may unsubscribe whoever opens it."""
    written = [(link.href, link.words) for link in anatomy.read(mail.html).links if _URL.match(link.href)]
    written += [(url.rstrip(".,;:!?"), "") for url in _URL.findall(mail.text)]
    barred = {href for href, words in written if _UNSUBSCRIBE.search(f"{href} {words}")}
    return tuple(dict.fromkeys(href for href, _words in written if href not in barred))


def _good(code: str, **values: int) -> Finding:
    return Finding(Light.GREEN, Reason(f"preflight.{code}-fine", **values))


def _fault(light: Light, code: str, **values: str | int | tuple[str, ...]) -> Finding:
    return Finding(light, Reason(f"preflight.{code}", **values), Reason(f"preflight.{code}-todo"))


def _fields(message: Message, total: int, shapes: Shapes) -> Iterator[Finding]:
    faults = readiness.faults(message, total, shapes)
    told = {fault.values.get("field") for fault in faults}
    yield from (Finding(Light.RED, fault) for fault in faults)
    blank = [
        (field, shapes.lacking(field, total).n)
        for field in fallbacks.lacking(message)
        if field in shapes.fields
    ]
    for field, n in blank:
        if n and (mark := f"{{{{ {field} }}}}") not in told:
            yield _fault(Light.AMBER, "blank", field=mark, n=n)
    if not faults and not any(n for _field, n in blank):
        yield _good("fields")


def _subject(subject: str) -> Finding:
    if not subject.strip():
        return _fault(Light.RED, "no-subject")
    if len(subject) > SUBJECT_MOST:
        return _fault(Light.AMBER, "long-subject", n=len(subject), most=SUBJECT_MOST)
    return _good("subject", n=len(subject))


def _display_name(mail: ForeignMail, name: str) -> Iterator[Finding]:
    mailboxes = headers.mailboxes(mail.root.fields.first("from"), lambda _fault: None, "From")
    shown = mailboxes[0].name if mailboxes else ""
    faults = []
    if any(unicodedata.category(sign) == "So" for sign in shown):
        faults.append(_fault(Light.AMBER, "emoji-name", name=shown))
    if name and len(name) > 2 and name.casefold() in shown.casefold():  # noqa: PLR2004 - initials are anybody's
        faults.append(_fault(Light.AMBER, "recipient-name", name=shown))
    if "@" in shown and shown.strip().casefold() != mailboxes[0].address.casefold():
        faults.append(_fault(Light.RED, "address-name", name=shown))
    yield from faults or [_good("sender")]


def _parts(mail: ForeignMail) -> Iterator[Finding]:
    if not mail.text.strip() and not mail.html.strip():
        yield _fault(Light.RED, "empty")
    elif not mail.text.strip():
        yield _fault(Light.AMBER, "no-text")
    else:
        yield _good("text")


def _html(mail: ForeignMail, body: Anatomy) -> Iterator[Finding]:
    if not mail.html.strip():
        return
    size = len(mail.html.encode())
    kilobytes = -(-size // 1000)
    if size > CLIPPED:
        yield _fault(Light.RED, "clipped", n=kilobytes)
    elif size > NEARLY:
        yield _fault(Light.AMBER, "nearly-clipped", n=kilobytes)
    else:
        yield _good("size", n=kilobytes)
    dangers = sanitizing.findings(mail.html[: anatomy.READ_MOST])
    yield from (Finding(Light.AMBER if it.code in _ODD else Light.RED, it) for it in dangers)
    if not dangers:
        yield _good("active")
    if body.without_alt:
        yield _fault(Light.AMBER, "no-alt", n=body.without_alt)
    elif body.images:
        yield _good("alt", n=body.images)
    if body.hidden > HIDDEN_MOST:
        yield _fault(Light.AMBER, "hidden", n=body.hidden)
    else:
        yield _good("hidden")


def _unsubscribe(message: Message, mail: ForeignMail, total: int) -> Iterator[Finding]:
    about = message.list_fields
    if about and about.purpose.transactional:
        yield _good("transactional")
        return
    button = mail.root.fields.first("list-unsubscribe")
    if button or _UNSUBSCRIBE.search(f"{mail.text}\n{mail.html}"):
        yield _good("unsubscribe")
    else:
        yield _fault(Light.RED if total > MANY else Light.AMBER, "no-unsubscribe")
    if about and not mail.root.fields.first("list-unsubscribe-post"):
        yield _fault(Light.AMBER, "no-one-click")


def _traits(mail: ForeignMail, body: Anatomy) -> list[Finding]:
    subject = mail.subject
    hosts = [host for link in body.links if (host := _host(link.href))]
    traits = {
        "shouting": subject.isupper() and sum(map(str.isalpha, subject)) >= _SHOUTS,
        "exclamation": subject.count("!") > 1,
        "pretended-reply": bool(_REPLIES.match(subject.strip())),
        "picture": bool(body.images) and body.visible < PICTURE_ALONE,
        "short-link": any(host in _SHORT for host in hosts),
        "bare-address": any(map(_is_address, hosts)),
        "other-link": any(map(_misleads, body.links)),
    }
    return [_fault(Light.AMBER, code) for code, found in traits.items() if found]


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower() if _URL.match(url) else ""
    except ValueError:
        return ""


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _misleads(link: Link) -> bool:
    """Whether a link shows the name of another host than the one that it leads to."""
    words, host = link.words.strip(), _host(link.href)
    shown = _DOMAIN.fullmatch(words) if len(words) <= _LINK_WORDS else None
    if not shown or not host:
        return False
    named = shown[1].lower()
    return not any(one == other or one.endswith(f".{other}") for one, other in ((named, host), (host, named)))
