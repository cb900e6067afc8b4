"""What a provider says of one email, and the report that it becomes. Pure.

The JSON of strangers has any shape: ``text`` and ``moment`` take what they find, and never raise.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

import orjson

from mailing.bounces import causes
from mailing.bounces.causes import BounceClass, Cause
from mailing.bounces.matching import Incoming
from mailing.bounces.reading import DIAGNOSTIC_MOST, IDS_MOST, Failure, Kind, Report
from mailing.messages import message_ids

if TYPE_CHECKING:
    from mailing.feedback.providers import Provider

EVENTS_MOST = 10_000  # of one request
TEXT_MOST = 2_000  # characters of a value
_LATEST_S = 253_402_300_799  # the end of the year 9999
_MS_FROM = 100_000_000_000  # a larger number counts milliseconds


class Event(NamedTuple):
    """What happened to the email of one recipient. Texts are empty where nothing is said.

    ``key`` is what it is known by when it comes again; ``said`` whom the provider means by a bounce, where it
    says so; ``at`` ms since 1970; ``raw`` the event alone.
    """

    key: str
    kind: Kind
    address: str
    raw: object
    said: BounceClass | None = None
    status: str = ""
    diagnostic: str = ""
    at: int | None = None


def incoming(provider: Provider, event: Event) -> Incoming:
    """Return an event as it is recorded."""
    raw = dumped(event.raw)
    bounced = event.kind is Kind.BOUNCED
    cause = settle(event.said, event.status, event.diagnostic) if bounced else Cause.OTHER
    failure = Failure(event.address, cause, event.status[:12], event.diagnostic[:DIAGNOSTIC_MOST])
    ids = [*message_ids.find(raw.decode("utf-8", "replace"), IDS_MOST)]
    report = Report(event.kind, [failure], provider.value, ids)
    key = sha256(f"{provider}:{event.key}".encode("utf-8", "replace")).hexdigest()
    return Incoming(report, raw, provider.value, key, sworn=True, at=event.at)


def settle(said: BounceClass | None, status: str, diagnostic: str) -> Cause:
    """Return why an email came back, by the server's words and the provider's own judgement.

    The milder of both counts, so that nobody is lost by a mistake of one; where words say nothing, the
    provider decides.
    """
    judged = causes.judge(status, diagnostic)
    if said is BounceClass.HARD:
        return Cause.NO_MAILBOX if judged is Cause.OTHER else judged
    if said is BounceClass.SOFT:
        return Cause.OTHER if judged.bounce_class is BounceClass.HARD else judged
    if said is BounceClass.POLICY:
        vague = judged.bounce_class is BounceClass.HARD or judged is Cause.OTHER
        return Cause.POLICY if vague else judged
    return judged


def at(value: object, *path: str) -> object:
    """Return what stands at a path of names within objects; None if nothing does."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def text(value: object, *path: str) -> str:
    """Return the text or number at a path; empty if there is none."""
    found = at(value, *path)
    if isinstance(found, str):
        return found[:TEXT_MOST].replace("\x00", "\ufffd")  # PostgreSQL holds none
    return str(found) if isinstance(found, int) and not isinstance(found, bool) else ""


def listed(value: object) -> list[object]:
    """Return the members of a list, or what is alone as the only one."""
    found = value if isinstance(value, list) else [value]
    return found[:EVENTS_MOST]


def moment(value: object) -> int | None:
    """Return a time in ms since 1970: of seconds, milliseconds, or ISO 8601; None if it is none."""
    if isinstance(value, str) and not value.replace(".", "", 1).isdecimal():
        try:
            found = datetime.fromisoformat(value[:40])
            return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)
        except (ValueError, OverflowError):
            return None
    try:
        number = float(value[:40] if isinstance(value, str) else value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    seconds = number / 1000 if number > _MS_FROM else number
    return int(seconds * 1000) if math.isfinite(seconds) and 0 < seconds < _LATEST_S else None


def dumped(value: object) -> bytes:
    """Return JSON for people."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2)


def known_by(*parts: str) -> str:
    """Return a key of several parts, for events without an id."""
    return sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()
