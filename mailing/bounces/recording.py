"""Reports are recorded, each once, beside the state of their recipients: what was sent stays sent (P2).

Whose it is says a token of ours, wherever it stands in the report; or, where there is none, a Message-ID of
ours that the report returns, whose mark nobody else can make (``messages.message_ids``), if the report names
the recipient's address too: what people forward says nothing of another person.

All functions take an open write transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from mailing.bounces import following, received, tokens
from mailing.bounces.causes import BounceClass, Cause
from mailing.bounces.following import COMPLAINED
from mailing.bounces.reading import READ_MOST, Kind
from mailing.bounces.received import Whom
from mailing.core.clock import now_ms
from mailing.core.statements import run
from mailing.domains import reports
from mailing.foreign import headers
from mailing.messages import message_ids
from mailing.suppression import subjects

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from mailing.bounces.following import Rule
    from mailing.bounces.reading import Failure, Report
    from mailing.bounces.tokens import Tokens
    from mailing.core.reasons import Reason
    from mailing.suppression.store import Entry

RAW_MOST = 64 * 1024  # bytes of a report that are kept
RETURNS_MS = 10 * 86_400_000  # how long after it was sent an email comes back, at most
CLOCKS_MS = 300_000  # a provider's clock may differ
_FIND = (
    "SELECT recipients.id, recipients.campaign_id, recipients.email, recipients.state, recipients.bounced, "
    "campaigns.token "
    "FROM recipients JOIN campaigns ON campaigns.id = recipients.campaign_id WHERE recipients.id = ?"
)
_LAST = (  # a provider that tries for days tells of the email, whatever was sent since
    _FIND.replace("recipients.id = ?", "lower(recipients.email) = lower(?)")
    + " AND recipients.attempts > 0 AND recipients.state = 'sent' AND recipients.changed_at <= ? "
    "AND recipients.changed_at > ? AND campaigns.rehearses IS NULL "
    "ORDER BY recipients.changed_at DESC, recipients.id DESC LIMIT 1"
)
_KEEP = (
    "INSERT INTO reports (digest, received_at, source, kind, campaign_id, recipient_id, matched_by, cause, "
    "status, diagnostic, named, reporter, sender, subject) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (digest) DO NOTHING RETURNING id"
)
_KNOWN = "SELECT id FROM reports WHERE digest = ?"
_TEXT = "INSERT INTO report_texts (report_id, received_at, size, raw) VALUES (?, ?, ?, ?)"
_BOUNCE = (
    "UPDATE recipients SET bounced = ?, bounced_at = ? WHERE id = ? AND coalesce(bounced, '') = ? "
    "AND attempts > 0 RETURNING state"
)
_COMPLAIN = (
    "UPDATE recipients SET complained_at = ? WHERE id = ? AND complained_at IS NULL AND attempts > 0 "
    "RETURNING state"
)
_COUNT = (
    "INSERT INTO bounce_tallies (campaign_id, what, n) VALUES (?, ?, ?) "
    "ON CONFLICT (campaign_id, what) DO UPDATE SET n = bounce_tallies.n + excluded.n"
)
_SEVERITY = (BounceClass.POLICY, BounceClass.SOFT, BounceClass.HARD)


class Incoming(NamedTuple):
    """A report that was read. ``to`` is to whom its envelope was addressed; empty where nobody knows.

    ``key`` is what it is known by when it comes again; empty: by what it says. Where a provider has ``sworn``
    to it, an address alone is believed: it is about the last email sent to it by the time ``at`` (ms since
    1970; None: now).
    """

    report: Report
    raw: bytes
    source: str
    to: str = ""
    key: str = ""
    sworn: bool = False
    at: int | None = None


class Matched(NamedTuple):
    """A recipient of ours, and by what it was found: ``token``, ``message-id`` or ``address``."""

    id: int
    campaign_id: int
    email: str
    state: str
    bounced: Cause | None
    by: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a report. ``new``: it had not come before; ``counted``: its recipient changed by it.

    ``entry`` is the suppression that is due by it, and to be kept in the same transaction.
    """

    id: int
    kind: Kind
    new: bool
    matched: Matched | None = None
    cause: Cause | None = None
    counted: bool = False
    entry: Entry | None = None
    at: int = 0
    left: bool = False  # it was no report, but somebody who unsubscribes

    @property
    def suppressed(self) -> bool:
        """Whether nobody mails the address any more because of it."""
        return self.entry is not None


def record(connection: Connection, incoming: Incoming, known: Tokens, rules: Mapping[str, Rule]) -> Recorded:
    """Record a report, once, and find out what follows from it."""
    report = incoming.report
    matched = match(connection, incoming, known)
    failure = _meant(report, matched)
    cause = failure.cause if failure and report.kind is Kind.BOUNCED else None
    now, forgotten = now_ms(), matched is not None and subjects.is_label(matched.email)
    row = (
        incoming.key or digest(incoming.raw),
        now,
        incoming.source,
        report.kind.value,
        matched and matched.campaign_id,
        matched and matched.id,
        matched.by if matched else "",
        cause and cause.value,
        *(("",) * 6 if forgotten else _words(report, failure)),
    )
    report_id = run(connection, _KEEP, row).scalar()
    if report_id is None:
        return Recorded(int(run(connection, _KNOWN, row[:1]).scalar_one()), report.kind, new=False)
    raw = incoming.raw
    if not forgotten:
        run(connection, _TEXT, (report_id, now, len(raw), raw[:RAW_MOST]))
    if report.aggregate:
        reports.keep(connection, report.aggregate)
    what = _note(connection, matched, report.kind, cause, now) if matched else None
    entry = None
    if matched and report.kind is Kind.UNSUBSCRIBED and not forgotten:
        entry = following.left(matched.email, f"report {report_id}")
    elif matched and what and not forgotten:
        entry = following.due(connection, matched.email, what, f"report {report_id}", rules[what])
    return Recorded(
        report_id,
        report.kind,
        new=True,
        matched=matched,
        cause=cause,
        counted=bool(what),
        entry=entry,
        at=now,
    )


def _note(connection: Connection, matched: Matched, kind: Kind, cause: Cause | None, now: int) -> str | None:
    """Note it at the recipient and count it; return what it counts for, or None if it changes nothing.

    A dead mailbox goes before any other cause, and else the first one stays.
    """
    if kind is Kind.COMPLAINED:
        state = run(connection, _COMPLAIN, (now, matched.id)).scalar()
        if state is None:
            return None
        run(connection, _COUNT, (matched.campaign_id, COMPLAINED, 1))
        received.came_back(connection, Whom(matched.id, matched.campaign_id, state), COMPLAINED)
        return COMPLAINED
    if kind is not Kind.BOUNCED or cause is None:
        return None
    before, of = matched.bounced, cause.bounce_class
    if before and _SEVERITY.index(of) <= _SEVERITY.index(before.bounce_class):
        return None
    values = (cause.value, now, matched.id, before.value if before else "")
    state = run(connection, _BOUNCE, values).scalar()
    if state is None:
        return None
    instead_of = before.bounce_class.value if before else ""
    if instead_of:
        run(connection, _COUNT, (matched.campaign_id, instead_of, -1))
    run(connection, _COUNT, (matched.campaign_id, of.value, 1))
    received.came_back(connection, Whom(matched.id, matched.campaign_id, state), of.value, instead_of)
    return of.value


def match(connection: Connection, incoming: Incoming, known: Tokens) -> Matched | None:
    """Return the recipient of ours that a report is about; None if it proves none."""
    for token in tokens.find(incoming.to.encode(), incoming.raw[:READ_MOST]):
        row = run(connection, _FIND, (token.recipient_id,)).first()
        if row and known.proves(token, row.token):
            return _matched(row, "token")
    named = incoming.report.addresses
    for marked in filter(None, map(message_ids.read, incoming.report.message_ids)):
        row = run(connection, _FIND, (marked.recipient_id,)).first()
        if row and row.email.lower() in named and message_ids.proves(known.key, marked, row.token):
            return _matched(row, "message-id")
    if incoming.sworn:
        by = (incoming.at or now_ms()) + CLOCKS_MS
        for address in sorted(named)[:1]:
            if row := run(connection, _LAST, (address, by, by - RETURNS_MS)).first():
                return _matched(row, "address")
    return None


def _matched(row: Any, by: str) -> Matched:
    bounced = Cause(row.bounced) if row.bounced else None
    return Matched(row.id, row.campaign_id, row.email, row.state, bounced, by)


def _meant(report: Report, matched: Matched | None) -> Failure | None:
    """Return what a report says of the recipient, or the mildest of all where it names others only."""
    if not report.failures:
        return None
    if matched:
        email = matched.email.lower()
        for it in report.failures:
            if email in {it.recipient.lower(), it.original.lower()}:
                return it
    return min(report.failures, key=lambda it: _SEVERITY.index(it.cause.bounce_class))


def _words(report: Report, failure: Failure | None) -> tuple[str, ...]:
    said = (failure.status, failure.diagnostic, failure.recipient) if failure else ("", "", "")
    return tuple(_storable(it) for it in (*said, report.reporter, report.sender, report.subject))


def _storable(text: str) -> str:
    """Return a text that every database takes."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def digest(raw: bytes) -> str:
    """Return what a report is known by again: who wrote it and what, but not the way that it came."""
    data = raw[:READ_MOST]
    fields = headers.split(data, 0, len(data), _forget)
    own = b"\0".join(
        b"".join(fields.first(name).split()) for name in ("message-id", "date", "from", "subject")
    )
    body = b"\n".join(data[fields.end :].split())
    return sha256(own + b"\0" + body).hexdigest()


def _forget(_fault: Reason) -> None:
    """Nobody asks what is wrong with a report's own characters."""
