"""Reports are recorded, each once, beside the state of their recipients: what was sent stays sent (P2).

Many are recorded together: what SQL costs is shared by all reports of a transaction, which is most of what
recording one costs.

All functions take an open write transaction.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from mailing.addresses.address_search import small
from mailing.bounces import following, matching, received
from mailing.bounces.causes import BounceClass
from mailing.bounces.following import COMPLAINED
from mailing.bounces.reading import READ_MOST, Kind
from mailing.bounces.received import Change
from mailing.core.clock import now_ms
from mailing.core.statements import run, run_many
from mailing.domains import reports
from mailing.suppression import subjects

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from mailing.bounces.causes import Cause
    from mailing.bounces.following import Rule
    from mailing.bounces.matching import Incoming, Matched, Noted
    from mailing.bounces.reading import Failure, Report
    from mailing.bounces.tokens import Tokens
    from mailing.suppression.leave_tokens import Leaver
    from mailing.suppression.store import Entry

RAW_MOST = 64 * 1024  # bytes of a report that are kept
AT_ONCE = 500  # reports of one statement: 7,000 values, of which both databases take four times as many
_ROW = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_KEEP = (
    "INSERT INTO reports (digest, received_at, source, kind, campaign_id, recipient_id, matched_by, cause, "
    "status, diagnostic, named, reporter, sender, subject) VALUES %s "
    "ON CONFLICT (digest) DO NOTHING RETURNING digest, id"
)
_KNOWN = "SELECT digest, id FROM reports WHERE digest IN (%s)"
_TEXT = "INSERT INTO report_texts (report_id, received_at, size, raw) VALUES (?, ?, ?, ?)"
_BOUNCE = "UPDATE recipients SET bounced = ?, bounced_at = ? WHERE id = ?"
_COMPLAIN = "UPDATE recipients SET complained_at = ? WHERE id = ?"
_UNSUBSCRIBED = "UPDATE reports SET kind = ?, campaign_id = ?, recipient_id = ?, matched_by = ? WHERE id = ?"
_STILL_THERE = "SELECT email FROM recipients WHERE id = ? AND campaign_id = ?"
_COUNT = (
    "INSERT INTO bounce_tallies (campaign_id, what, n) VALUES (?, ?, ?) "
    "ON CONFLICT (campaign_id, what) DO UPDATE SET n = bounce_tallies.n + excluded.n"
)
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_KNOWN_BY = re.compile(
    rb"^(message-id|date|from|subject):([^\n]*(?:\n[ \t][^\n]*)*)", re.IGNORECASE | re.MULTILINE
)
_SEVERITY = (BounceClass.POLICY, BounceClass.SOFT, BounceClass.HARD)


class _Judged(NamedTuple):
    """A report before it is recorded."""

    digest: str
    incoming: Incoming
    matched: Matched | None
    failure: Failure | None

    @property
    def cause(self) -> Cause | None:
        bounced = self.failure and self.incoming.report.kind is Kind.BOUNCED
        return self.failure.cause if self.failure and bounced else None

    @property
    def forgotten(self) -> bool:
        """Whether it is about somebody who was forgotten: nothing that names them is kept."""
        return self.matched is not None and subjects.is_label(self.matched.email)


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


def record(
    connection: Connection, incoming: Sequence[Incoming], known: Tokens, rules: Mapping[str, Rule]
) -> Sequence[Recorded]:
    """Record at most ``AT_ONCE`` reports, each once, and find out what follows; in their order."""
    now = now_ms()
    judged = [
        _Judged(it.key, it, matched, _meant(it.report, matched))
        for it, matched in zip(incoming, matching.match(connection, incoming, known), strict=True)
    ]
    ids, new = _keep(connection, judged, now)
    first: dict[str, _Judged] = {}
    for it in judged:
        first.setdefault(it.digest, it)
    counted = _note(connection, [it for name, it in first.items() if name in new], now)
    done: list[Recorded] = []
    leavers: list[tuple[int, int, str]] = []
    for it in judged:
        fresh = it.digest in new and first[it.digest] is it
        if not fresh:
            done.append(Recorded(ids[it.digest], it.incoming.report.kind, new=False))
            continue
        what, entry, report_id = counted.get(it.digest), None, ids[it.digest]
        if it.incoming.report.aggregate:
            reports.keep(connection, it.incoming.report.aggregate)
        if it.matched and not it.forgotten:
            source = f"report {report_id}"
            if it.incoming.report.kind is Kind.UNSUBSCRIBED:
                entry = following.left(it.matched.email, source)
                leavers.append((it.matched.id, it.matched.campaign_id, it.matched.email))
            elif what:
                entry = following.due(connection, it.matched.email, what, source, rules[what])
        done.append(
            Recorded(
                report_id,
                it.incoming.report.kind,
                new=True,
                matched=it.matched,
                cause=it.cause,
                counted=bool(what),
                entry=entry,
                at=now,
            )
        )
    received.left(connection, leavers, now)
    return done


def unsubscribed(connection: Connection, recorded: Recorded, who: Leaver) -> Recorded:
    """Note that an email was no report: somebody unsubscribed by it. It stands at them, if they are there."""
    row = run(connection, _STILL_THERE, (who.recipient_id, who.campaign_id)).first()
    its = (
        (who.campaign_id, who.recipient_id, "token") if row and small(row.email) == small(who.email) else None
    )
    values = (Kind.UNSUBSCRIBED.value, *(its or (None, None, "")), recorded.id)
    run(connection, _UNSUBSCRIBED, values)
    return replace(recorded, kind=Kind.UNSUBSCRIBED, left=True)


def _keep(connection: Connection, judged: Sequence[_Judged], now: int) -> tuple[dict[str, int], set[str]]:
    """Keep reports and how they begin; return their ids by digest, and which had not come before."""
    rows = {it.digest: _row(it, now) for it in reversed(judged)}  # the first of the same goes before
    if not rows:
        return {}, set()
    raws = {it.digest: it.incoming.raw for it in judged if not it.forgotten}
    in_order = [rows[it] for it in dict.fromkeys(it.digest for it in judged)]
    values = tuple(value for row in in_order for value in row)
    found = run(connection, _KEEP % ", ".join([_ROW] * len(in_order)), values)
    ids = {row.digest: row.id for row in found}
    new = set(ids)
    texts: list[tuple[object, ...]] = [
        (ids[name], now, len(raws[name]), raws[name][:RAW_MOST]) for name in ids if name in raws
    ]
    run_many(connection, _TEXT, texts)
    if known := tuple(rows.keys() - new):
        there = run(connection, _KNOWN % ", ".join("?" * len(known)), known)
        ids.update({row.digest: row.id for row in there})
    return ids, new


def _row(it: _Judged, now: int) -> tuple[object, ...]:
    report, matched = it.incoming.report, it.matched
    return (
        it.digest,
        now,
        it.incoming.source,
        report.kind.value,
        matched and matched.campaign_id,
        matched and matched.id,
        matched.by if matched else "",
        it.cause and it.cause.value,
        *(("",) * 6 if it.forgotten else _words(report, it.failure)),
    )


def _note(connection: Connection, judged: Sequence[_Judged], now: int) -> dict[str, str]:
    """Note reports at their recipients and count them; return for what each counts that changes something.

    A dead mailbox goes before any other cause, and else the first one stays.
    """
    meant = [(it, it.matched) for it in judged if it.matched and (it.cause or _complains(it))]
    held = matching.hold(connection, {matched.id for _it, matched in meant})
    bounced: dict[int, Cause] = {}
    complained: set[int] = set()
    counts: Counter[tuple[int, str]] = Counter()
    counted: dict[str, str] = {}
    changes: list[Change] = []
    for it, matched in meant:
        noted = held.get(matched.id)
        what = _changes(it, noted) if noted and noted.attempted else None
        if noted is None or what is None:
            continue
        before = noted.bounced.bounce_class.value if it.cause and noted.bounced else ""
        changes.append(Change(matched.id, matched.campaign_id, noted.state, what, before))
        if it.cause:
            if before:
                counts[matched.campaign_id, before] -= 1
            bounced[matched.id] = it.cause
            held[matched.id] = noted._replace(bounced=it.cause)
        else:
            complained.add(matched.id)
            held[matched.id] = noted._replace(complained=True)
        counts[matched.campaign_id, what] += 1
        counted[it.digest] = what
    run_many(connection, _BOUNCE, [(cause.value, now, id_) for id_, cause in sorted(bounced.items())])
    run_many(connection, _COMPLAIN, [(now, id_) for id_ in sorted(complained)])
    run_many(connection, _COUNT, [(*key, n) for key, n in sorted(counts.items()) if n])
    received.came_back(connection, changes)
    return counted


def _complains(it: _Judged) -> bool:
    return it.incoming.report.kind is Kind.COMPLAINED


def _changes(it: _Judged, noted: Noted) -> str | None:
    """Return for what a report counts; None if it changes nothing at its recipient."""
    if it.cause is None:
        return None if noted.complained else COMPLAINED
    of, before = it.cause.bounce_class, noted.bounced
    if before and _SEVERITY.index(of) <= _SEVERITY.index(before.bounce_class):
        return None
    return of.value


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
    end = _HEAD_END.search(data)
    head, body = (data[: end.start()], data[end.end() :]) if end else (b"", data)
    fields: dict[bytes, bytes] = {}
    for field in _KNOWN_BY.finditer(head):
        fields.setdefault(field[1].lower(), b"".join(field[2].split()))
    own = b"\0".join(b"%b:%b" % it for it in sorted(fields.items()))
    return sha256(own + b"\0" + b"\n".join(body.split())).hexdigest()
