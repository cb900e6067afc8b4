"""The events of each provider, out of any JSON: what is not understood is left out. Pure, nothing raises.

Only what is final is taken: while a provider tries again, an email has not come back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing.bounces.causes import BounceClass
from mailing.bounces.reading import Kind
from mailing.feedback import amazon
from mailing.feedback.events import Event, at, known_by, listed, moment, text
from mailing.feedback.providers import Provider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Told = tuple[Kind, BounceClass | None]

_HARD: Told = (Kind.BOUNCED, BounceClass.HARD)
_SOFT: Told = (Kind.BOUNCED, BounceClass.SOFT)
_BLOCKED: Told = (Kind.BOUNCED, BounceClass.POLICY)
_BOUNCED: Told = (Kind.BOUNCED, None)  # by the server's words alone
_COMPLAINED: Told = (Kind.COMPLAINED, None)
_LEFT: Told = (Kind.UNSUBSCRIBED, None)
_REPLIED: Told = (Kind.REPLIED, None)

_SENDGRID: Mapping[str, Told] = {
    "bounce": _HARD,
    "bounce blocked": _BLOCKED,
    "dropped bounced address": _HARD,
    "dropped invalid": _HARD,
    "dropped spam reporting address": _COMPLAINED,
    "dropped unsubscribed address": _LEFT,
    "spamreport": _COMPLAINED,
    "unsubscribe": _LEFT,
    "group_unsubscribe": _LEFT,
}
_MAILGUN: Mapping[str, Told] = {
    "failed bounce": _HARD,
    "failed suppress-bounce": _HARD,
    "failed suppress-complaint": _COMPLAINED,
    "failed suppress-unsubscribe": _LEFT,
    "failed espblock": _BLOCKED,
    "failed": _BOUNCED,
    "complained": _COMPLAINED,
    "unsubscribed": _LEFT,
}
_POSTMARK: Mapping[str, Told] = {
    "hardbounce": _HARD,
    "bademailaddress": _HARD,
    "blocked": _BLOCKED,
    "spamnotification": _BLOCKED,
    "virusnotification": _BLOCKED,
    "dmarcpolicy": _BLOCKED,
    "autoresponder": _REPLIED,
    "challengeverification": _REPLIED,
    "addresschange": _REPLIED,
    "unsubscribe": _LEFT,
    "spamcomplaint": _COMPLAINED,
    "softbounce": _SOFT,
    "dnserror": _SOFT,
    "undeliverable": _SOFT,
    "unknown": _SOFT,
}
_BREVO: Mapping[str, Told] = {
    "hardbounce": _HARD,
    "invalidemail": _HARD,
    "invalid": _HARD,
    "softbounce": _SOFT,
    "error": _SOFT,
    "blocked": _BLOCKED,
    "spam": _COMPLAINED,
    "complaint": _COMPLAINED,
    "unsubscribed": _LEFT,
    "unsubscribe": _LEFT,
}
_SPARKPOST: Mapping[str, Told] = {
    "10": _HARD,
    "30": _HARD,
    **dict.fromkeys(("20", "21", "22", "24", "40", "70", "1"), _SOFT),
    **dict.fromkeys(("23", "25", "50", "51", "52", "53", "54"), _BLOCKED),
    **dict.fromkeys(("60", "100"), _REPLIED),
    "90": _LEFT,
}


def read(provider: Provider, document: object) -> list[Event]:
    """Return the events in a document that was proven to be of the provider."""
    return [it for it in _READERS[provider](document) if it.address]


def _sendgrid(document: object) -> Iterator[Event]:
    for it in listed(document):
        name, kind, why = text(it, "event"), text(it, "type"), text(it, "reason").strip()
        detail = {"bounce": kind if kind == "blocked" else "", "dropped": why.lower()}.get(name, "")
        if told := _SENDGRID.get(f"{name} {detail}".strip()):
            when, address = at(it, "timestamp"), text(it, "email")
            ids = name, address, str(when)[:40], text(it, "sg_message_id")
            key = text(it, "sg_event_id") or known_by(*ids)
            yield Event(key, told[0], address, it, told[1], text(it, "status"), why, moment(when))


def _mailgun(document: object) -> Iterator[Event]:
    it, signed = at(document, "event-data"), text(document, "signature", "token")
    name, reason = text(it, "event"), text(it, "reason")
    if name == "failed" and text(it, "severity") != "permanent":
        return
    told = _MAILGUN.get(f"{name} {reason}") or _MAILGUN.get(name)
    if told:
        status = at(it, "delivery-status")
        words = f"{text(status, 'code')} {text(status, 'message') or text(status, 'description')}".strip()
        code, when = text(status, "enhanced-code"), moment(at(it, "timestamp"))
        # the token is what is signed: a second event cannot be told with it
        yield Event(signed, told[0], text(it, "recipient"), it, told[1], code, words, when)


def _postmark(document: object) -> Iterator[Event]:
    for it in listed(document):
        record, kind = text(it, "RecordType"), text(it, "Type").lower()
        address = text(it, "Email") or text(it, "Recipient")
        when = at(it, "BouncedAt") or at(it, "ChangedAt")
        told = _POSTMARK.get(kind) if record in {"Bounce", "SpamComplaint"} else None
        if record == "SubscriptionChange" and _asked_to_leave(it):
            told = _LEFT
        if told:
            key = known_by(record, text(it, "ID"), text(it, "MessageID"), address, str(when)[:40])
            words = text(it, "Details") or text(it, "Description")
            yield Event(key, told[0], address, it, told[1], "", words, moment(when))


def _asked_to_leave(it: object) -> bool:
    """Whether a person did it: what bounces and complaints bring about is told by themselves."""
    return (
        at(it, "SuppressSending") is True
        and text(it, "SuppressionReason") == "ManualSuppression"
        and text(it, "Origin") == "Recipient"
    )


def _brevo(document: object) -> Iterator[Event]:
    for it in listed(document):
        name = text(it, "event")
        if told := _BREVO.get(name.lower().replace("_", "").replace("-", "")):
            address, when = text(it, "email"), at(it, "ts_event") or at(it, "ts") or at(it, "date")
            key = known_by(name, address, text(it, "message-id"), str(when)[:40])
            yield Event(key, told[0], address, it, told[1], "", text(it, "reason"), moment(when))


def _sparkpost(document: object) -> Iterator[Event]:
    for each in listed(document):
        kinds = at(each, "msys")
        for it in kinds.values() if isinstance(kinds, dict) else ():
            name, told = text(it, "type"), None
            if name in {"bounce", "out_of_band"}:
                told = _SPARKPOST.get(text(it, "bounce_class"), _BOUNCED)
            elif name == "policy_rejection":
                told = _BLOCKED
            elif name == "spam_complaint":
                told = _COMPLAINED
            elif name in {"list_unsubscribe", "link_unsubscribe"}:
                told = _LEFT
            if told:
                address, when = text(it, "rcpt_to"), at(it, "timestamp")
                key = text(it, "event_id") or known_by(name, address, text(it, "message_id"), str(when)[:40])
                words = text(it, "raw_reason") or text(it, "reason")
                yield Event(key, told[0], address, it, told[1], "", words, moment(when))


_READERS: Mapping[Provider, Callable[[object], Iterator[Event]]] = {
    Provider.SES: amazon.events,
    Provider.SENDGRID: _sendgrid,
    Provider.MAILGUN: _mailgun,
    Provider.POSTMARK: _postmark,
    Provider.BREVO: _brevo,
    Provider.SPARKPOST: _sparkpost,
}
