"""What a message in the bounce mailbox is: a report about mail of ours, or anything else. Pure.

Any bytes in, a record out: ``read`` never raises, and its time and memory are bounded by ``READ_MOST``
bytes and by the limits of ``foreign.mail``. The order of looking:

0. an aggregate report of DMARC (RFC 9990), which is no bounce: ``OTHER``, with what it says;
1. a complaint: a feedback report (RFC 5965), whose ``not-spam`` and ``auth-failure`` are none (section 7.3,
   RFC 6591);
2. a receipt of the reader (RFC 8098): somebody's mail program answers;
3. a report about delivery (RFC 3464, RFC 6533): ``failed`` is a bounce, ``delayed`` a delay, all else is
   good news;
4. an automatic reply (RFC 3834) or a challenge;
5. a bounce of no standard, by who writes, the subject and the text (``patterns``).
"""

from __future__ import annotations

import html as markup
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from mailing.bounces import causes, delivery_status, patterns, usual
from mailing.bounces.causes import Cause
from mailing.domains import aggregates
from mailing.foreign import headers, mail

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mailing.core.reasons import Reason
    from mailing.domains.aggregates import Aggregate
    from mailing.foreign.mail import ForeignMail, Part

READ_MOST = 1024 * 1024  # bytes of one report: what it says comes before what it returns
IDS_MOST = 20
DIAGNOSTIC_MOST = 1_000  # characters
PARTS_MOST = 200

_STATUS_KINDS = frozenset({"message/delivery-status", "message/global-delivery-status"})
_FEEDBACK = "message/feedback-report"
_RECEIPTS = frozenset({"message/disposition-notification", "message/global-disposition-notification"})
_TAG = re.compile(r"<(?:br|/p|/div|/tr|/li)\b[^<>]{0,200}>", re.IGNORECASE)
_MARKUP = re.compile(r"<(?![^<>\s@]{1,100}@)[^<>]{0,2000}>")
_MESSAGE_ID = re.compile(
    rb"^[> \t]*message-id:[ \t]*(?:\r?\n[ \t]+)?(<[^<>\s]{3,250}>)", re.IGNORECASE | re.MULTILINE
)
_STATUS = re.compile(r"(?<![\d.])([45]\.\d{1,3}\.\d{1,3})(?![\d.])")
_NOT_FAILED = frozenset({"delayed", "delivered", "relayed", "expanded"})  # RFC 3464 section 2.3.3
_NO_COMPLAINTS = frozenset({"not-spam", "auth-failure"})
_AGGREGATE_SUBJECT = "report domain:"  # RFC 9990 section 3.3.1
_COMPLAINT_SUBJECT = re.compile(r"complaint about message from|^abuse report|spam complaint")


class Kind(StrEnum):
    """What a message is."""

    BOUNCED = "bounced"
    DELAYED = "delayed"
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"  # told by a provider, or by an email to an address for that
    REPLIED = "auto-reply"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Failure:
    """One recipient of a report: the address as it names it, which may be empty, and what was said.

    ``status`` is an enhanced code (RFC 3463) or empty, ``diagnostic`` the server's words.
    """

    recipient: str
    cause: Cause
    status: str = ""
    diagnostic: str = ""
    original: str = ""  # before it was forwarded


@dataclass(frozen=True, slots=True)
class Report:
    """What was read. ``message_ids`` are those of the returned message, with their brackets.

    ``aggregate`` is a report of DMARC, which is about no email of ours in particular.
    """

    kind: Kind
    failures: Sequence[Failure] = ()
    reporter: str = ""
    message_ids: Sequence[str] = ()
    subject: str = ""
    sender: str = ""
    aggregate: Aggregate | None = None

    @property
    def addresses(self) -> frozenset[str]:
        """All addresses that it names as recipients, in small letters."""
        named = (each for it in self.failures for each in (it.recipient, it.original) if each)
        return frozenset(map(str.lower, named))


def read(data: bytes) -> Report:
    """Read a message as it came, from its first header field on."""
    return _usual(data[:READ_MOST]) or _any(data)


def _usual(data: bytes) -> Report | None:
    """Read a report of the standard the short way; None if it is none, or says nothing there."""
    found = usual.read(data)
    if found is None or _COMPLAINT_SUBJECT.search(found.subject.lower()):
        return None
    judged = _delivery(found.status, found.text[: patterns.TEXT_MOST])
    if judged is None:
        return None
    kind, failures, reporter = judged
    ids = _ids_in([data[found.head_end :]])
    return Report(kind, failures, reporter[:255], ids, found.subject[:500], found.sender[:320])


def _any(whole: bytes) -> Report:
    data = whole[:READ_MOST]
    found = mail.read(data)
    parts = list(_all(found.root))
    if aggregate := _aggregate(whole, found.subject, parts):
        said = found.subject[:500], found.sender[:320]
        return Report(Kind.OTHER, (), aggregate.reporter, (), *said, aggregate)
    kind, failures, reporter = _judged(found, parts)
    ids = _returned_ids(data, found.root, parts) if kind is not Kind.REPLIED else ()
    return Report(kind, failures, reporter[:255], ids, found.subject[:500], found.sender[:320])


def _aggregate(whole: bytes, subject: str, parts: Sequence[Part]) -> Aggregate | None:
    """Return the aggregate report of DMARC that a message is. One may be longer than other reports."""
    if _STATUS_KINDS & {part.kind for part in parts}:
        return None
    if len(whole) > READ_MOST and _AGGREGATE_SUBJECT in subject.lower():
        parts = list(_all(mail.read(whole).root))
    return aggregates.find(parts)


def _judged(found: ForeignMail, parts: Sequence[Part]) -> tuple[Kind, Sequence[Failure], str]:
    root = found.root
    kinds = {part.kind for part in parts}
    report_type = headers.parameters(root.fields.first("content-type"), _forget, "Content-Type")[1]
    named_type = report_type.get("report-type", "").lower()
    if _FEEDBACK in kinds or named_type == "feedback-report":
        return _feedback(parts)
    text = _text(found)
    if _COMPLAINT_SUBJECT.search(found.subject.lower()):
        return Kind.COMPLAINED, (), ""
    if kinds & _RECEIPTS or named_type == "disposition-notification":
        return _receipt(found, parts, text)
    status = next((part for part in parts if part.kind in _STATUS_KINDS), None)
    if status is not None:
        read = _delivery(status.body, text)
        if read is not None:
            return read
    plain = _plain(found, text)
    within = _wrapped(parts) if status is None and not _names_anybody(plain) else None
    if within is None or not patterns.daemon(found.sender):
        return plain
    return _delivery(within, "") or plain


def _names_anybody(judged: tuple[Kind, Sequence[Failure], str]) -> bool:
    return any(it.recipient for it in judged[1])


def _wrapped(parts: Sequence[Part]) -> bytes | None:
    """Return the status of a report in a report: gateways pack what they pass on into one of their own."""
    for part in parts:
        for inner in part.parts if part.kind == "message/rfc822" else ():
            pieces = list(_all(inner))
            status = next((it for it in pieces if it.kind in _STATUS_KINDS), None)
            if status is not None:
                return status.body
    return None


def _receipt(found: ForeignMail, parts: Sequence[Part], text: str) -> tuple[Kind, Sequence[Failure], str]:
    """Judge a receipt of the reader: a mailbox whose filter rejects answers with one (RFC 5429 section 2.1).

    Such a mailbox is not dead.
    """
    part = next((part for part in parts if part.kind in _RECEIPTS), None)
    said = patterns.said(text)
    if part is None or not patterns.rejected(found.subject, said) or not patterns.daemon(found.sender):
        return Kind.REPLIED, (), ""
    block = next(iter(delivery_status.read(part.body).blocks), None)
    cause = causes.judge("", said)
    cause = Cause.OTHER if cause.bounce_class is causes.BounceClass.HARD else cause
    person = block.final or block.original if block else ""
    return Kind.BOUNCED, [Failure(person, cause, "", _brief(said))], ""


def _feedback(parts: Sequence[Part]) -> tuple[Kind, Sequence[Failure], str]:
    part = next((part for part in parts if part.kind == _FEEDBACK), None)
    fields = headers.split(part.body + b"\r\n", 0, len(part.body) + 2, _forget) if part else None

    def value(name: str) -> str:
        return headers.plain(fields.first(name), _forget, name) if fields else ""

    what = value("feedback-type").lower() or "abuse"
    if what in _NO_COMPLAINTS:
        return Kind.OTHER, (), value("user-agent")
    address = delivery_status.address
    names = ("original-rcpt-to", "removal-recipient", "final-recipient")
    person = next((it for name in names if (it := address(value(name)))), "")
    return Kind.COMPLAINED, (Failure(person, Cause.OTHER, "", what),), value("reporting-mta")


def _delivery(body: bytes, text: str) -> tuple[Kind, Sequence[Failure], str] | None:
    """Judge a report of the standard; None if it says nothing that can be judged."""
    read = delivery_status.read(body)
    failed = [
        it
        for it in read.blocks
        if it.action == "failed" or (it.action not in _NOT_FAILED and it.status[:1] == "5")
    ]
    said = patterns.said(text)
    if failed:
        failures = [
            Failure(
                it.final or it.original,
                causes.judge(it.status, it.diagnostic, said, it.remote.lower()),
                it.status,
                it.diagnostic[:DIAGNOSTIC_MOST] or _brief(said),
                it.original,
            )
            for it in failed
        ]
        return Kind.BOUNCED, failures, typed_mta(read.reporter)
    delayed = [it for it in read.blocks if it.action == "delayed" or it.status[:1] == "4"]
    if delayed:
        waiting = [
            Failure(it.final, Cause.OTHER, it.status, it.diagnostic[:DIAGNOSTIC_MOST], it.original)
            for it in delayed
        ]
        return Kind.DELAYED, waiting, typed_mta(read.reporter)
    return (Kind.OTHER, (), typed_mta(read.reporter)) if any(it.action for it in read.blocks) else None


def typed_mta(value: str) -> str:
    """Return the name of a server without its type."""
    return delivery_status.typed(value).split(" ")[0]


def _plain(found: ForeignMail, text: str) -> tuple[Kind, Sequence[Failure], str]:
    """Judge a message without a machine's part."""
    fields = found.root.fields

    def value(name: str) -> str:
        return headers.plain(fields.first(name), _forget, name)

    returned_to = value("return-path")
    daemon = patterns.daemon(f"{found.sender} {returned_to}") or bool(value("x-failed-recipients"))
    automatic = value("auto-submitted").lower().startswith("auto-replied") or any(
        fields.count(name) for name in ("x-autoreply", "x-autorespond", "x-autoresponse", "x-mail-autoreply")
    )
    automatic = automatic or value("precedence").lower() in {"auto_reply", "auto-reply"}
    said = patterns.said(text)
    failed = patterns.failed(found.subject, text)
    if patterns.replied(found.subject) or (
        not daemon and (automatic or patterns.challenge(found.subject, text))
    ):
        return Kind.REPLIED, (), ""
    if daemon and not failed and patterns.delayed(found.subject, text):
        return Kind.DELAYED, [Failure(it, Cause.OTHER) for it in patterns.recipients(said, ())], ""
    if not failed:
        return (Kind.REPLIED if automatic else Kind.OTHER), (), ""
    answers = fields.count("in-reply-to") and not daemon
    named = list(dict.fromkeys(_failed_recipients(value("x-failed-recipients"))))
    own = [it.address for name in ("from", "to", "return-path") for it in _mailboxes(found, name)]
    domain = next((it.address.rpartition("@")[2] for it in _mailboxes(found, "from")), "")
    named = named or list(patterns.recipients(said, own, domain))
    if not daemon and (answers or not named):
        return Kind.OTHER, (), ""
    if patterns.delayed(found.subject, text):
        return Kind.DELAYED, [Failure(it, Cause.OTHER) for it in named], ""
    status = _STATUS.search(said)
    code = status[1] if status else ""
    cause = causes.judge(code, said)
    words = _brief(said)
    return Kind.BOUNCED, [Failure(it, cause, code, words) for it in named or [""]], ""


def _mailboxes(found: ForeignMail, name: str) -> Sequence[headers.Mailbox]:
    return headers.mailboxes(found.root.fields.first(name), _forget, name)


def _failed_recipients(value: str) -> Iterator[str]:
    for piece in value.split(",")[: patterns.NAMED_MOST]:
        if address := delivery_status.address(piece.strip()):
            yield address.lower()


def _brief(said: str) -> str:
    """Return the words that tell why, in one line."""
    lines = [" ".join(line.split()) for line in said.split("\n")[:200]]
    telling = [line for line in lines if re.search(r"\b[45]\d\d\b|\b[45]\.\d+\.\d+\b", line)]
    chosen = telling or [line for line in lines if line]
    return " ".join(chosen)[:DIAGNOSTIC_MOST]


def _text(found: ForeignMail) -> str:
    if found.text.strip():
        return found.text[: patterns.TEXT_MOST]
    broken = _TAG.sub("\n", found.html[: 4 * patterns.TEXT_MOST])
    return markup.unescape(_MARKUP.sub(" ", broken))[: patterns.TEXT_MOST]


def _returned_ids(data: bytes, root: Part, parts: Sequence[Part]) -> Sequence[str]:
    """Return the Message-IDs below the report's own header: of what it returns, wherever that stands."""
    return _ids_in([data[root.fields.end :], *(part.body for part in parts[1:] if part.body)])


def _ids_in(places: Sequence[bytes]) -> Sequence[str]:
    found: dict[str, None] = {}
    for place in places:
        for match in _MESSAGE_ID.finditer(place):
            found.setdefault(match[1].decode("utf-8", "replace"))
            if len(found) >= IDS_MOST:
                return [*found]
    return [*found]


def _all(part: Part) -> Iterator[Part]:
    """Yield a message and its parts, but not the parts of what it returns."""
    waiting = [part]
    for _ in range(PARTS_MOST):
        if not waiting:
            return
        part = waiting.pop(0)
        yield part
        if part.kind.startswith("multipart/"):
            waiting[:0] = part.parts


def _forget(_fault: Reason) -> None:
    """Nobody asks what is wrong with a report's own characters."""
