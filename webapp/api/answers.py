"""What programs get, made of what was read. Times are in UTC, null while the thing has not happened."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

from mailing.core import reasons
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason
from mailing.core.states import WRITING, RecipientState
from webapp.ui import formats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailing.accounts import audit
    from mailing.addresses.parsing import ParsedList, Refusal
    from mailing.campaigns import queries
    from mailing.core.states import CampaignState
    from mailing.ledger.rates import Speed
    from mailing.ledger.rests import Rest
    from mailing.recipients import listing, undertakings
    from mailing.recipients.search import Page
    from mailing.reports.log import email_log
    from webapp.openapi.shapes.campaigns import (
        Bounce,
        Campaign,
        CreatedCampaign,
        LastAttempt,
        Recipient,
        RecipientPage,
        Wait,
    )
    from webapp.openapi.shapes.common import SkippedLine
    from webapp.openapi.shapes.log import AuditEntry, LogEntry

NOTED_NAMED = 1_000  # notes in one answer
REFUSED_NAMED = 10_000  # refused lines in one answer, so that 20 MB of junk do not come back tenfold


def created(campaign_id: int, state: CampaignState, parsed: ParsedList) -> CreatedCampaign:
    """Return the answer to a posted campaign.

    It remarks what the draft's page remarks: notes on addresses that were kept, and on rows that gave
    something to one with the same address.
    """
    answer: CreatedCampaign = {
        "id": campaign_id,
        "state": state,
        "total": len(parsed.entries),
        "duplicates": len(parsed.duplicates),
        "refused": [],
    }
    notes = [
        *((note.line, note.email, note.note) for note in parsed.noted),
        *((again.line, again.email, again.said) for again in parsed.duplicates if again.note),
    ]
    first = sorted(notes, key=itemgetter(0, 1))[:NOTED_NAMED]
    if first:
        answer["notes"] = [
            {"line": line, "email": email, "note": str(note), "code": note.code}
            for line, email, note in first
        ]
    if len(notes) > len(first):
        answer["notes_more"] = len(notes) - len(first)
    if fields := {column.header: column.field for column in parsed.columns if column.header != column.field}:
        answer["fields"] = fields
    answer.update(refused(parsed.refused))  # type: ignore[typeddict-item]
    return answer


def refused(lines: Sequence[Refusal]) -> dict[str, Any]:
    """Return the skipped lines; ``refused_more`` says how many the answer leaves out, if it does."""
    named: list[SkippedLine] = [
        {"line": r.line, "text": r.text, "reason": str(r.reason), "code": r.reason.code}
        for r in lines[:REFUSED_NAMED]
    ]
    more = len(lines) - len(named)
    return {"refused": named, "refused_more": more} if more else {"refused": named}


def campaign(
    read: queries.Campaign, speed: Speed, under_way: Sequence[undertakings.Undertaking] = ()
) -> Campaign:
    """Return a campaign and its ledger, with the decisions that are still being carried out."""
    retry = read.retry
    return {
        "id": read.id,
        "state": read.state,
        "condition": read.condition,  # type: ignore[typeddict-item]
        "from": read.sender_from,
        "subject": read.subject,
        "topic": read.topic,
        "transactional": read.transactional,
        "senders": None if read.senders is None else list(read.senders),
        "limits": dict(read.limits or {}),
        "priority": read.priority,
        "send_at": _time(read.send_at),
        "time_zone": read.time_zone,
        "hours": {"from": its.begin, "to": its.end} if (its := read.schedule.hours) else None,
        "late_seconds": round(read.late_ms / 1000, 1),
        "give_up_hours": read.give_up_hours,
        "rehearses": read.rehearses,
        "version": read.version,
        "breaker": read.breaker.dump() if read.breaker else None,  # type: ignore[typeddict-item]
        "canary": read.canary,
        "canary_until": _time(read.canary_until),
        "total": read.total,
        "counts": {state.value: read.counts[state] for state in RecipientState},  # type: ignore[misc]
        "rate_per_minute": round(speed.per_minute, 1),
        "rate_seconds": round(speed.ms / 1000, 1),
        "next_try_at": _time(retry.at if retry else None),
        "given_up_at": _time(retry.given_up_at if retry else None),
        "created_at": formats.iso(read.created_at),
        "started_at": _time(read.started_at),
        "finished_at": _time(read.finished_at),
        "paused_reason": str(read.paused_reason),
        "paused_reason_code": reasons.code(read.paused_reason),
        "waits": _waits(read.rest) or _outside(read),
        "actions": [action for action in read.actions if action not in WRITING],
        "under_way": [
            {"action": each.action, "affected": each.moved, "expected": each.expected} for each in under_way
        ],
    }


def _waits(rest: Rest | None) -> Wait | None:
    if rest is None:
        return None
    return {
        "reason": str(rest.reason),
        "code": reasons.code(rest.reason),
        "since": formats.iso(rest.since),
        "until": formats.iso(rest.until),
    }


def _outside(read: queries.Campaign) -> Wait | None:
    if read.opens_at is None:
        return None
    closed = read.schedule.closed_at(now_ms()) or read.opens_at
    reason = Reason("schedule.outside-hours", hours=read.hours, zone=read.time_zone)
    since = max(closed, read.started_at or closed)
    return {
        "reason": str(reason),
        "code": reason.code,
        "since": formats.iso(since),
        "until": formats.iso(read.opens_at),
    }


def recipients(page: Page[listing.RecipientRow]) -> RecipientPage:
    """Return a page of recipients."""
    return {"recipients": [recipient(row) for row in page.rows], "next": page.next}


def recipient(row: listing.RecipientRow) -> Recipient:
    """Return a recipient with the last attempt."""
    last: LastAttempt = {
        "started_at": formats.iso(row.started_at),
        "ended_at": _time(row.ended_at),
        "server": row.server,
        "code": row.code,
        "enhanced": row.enhanced,
        "reply": str(row.reply or ""),
        "reason_code": reasons.code(row.reply or ""),
    }
    return {
        "id": row.id,
        "email": row.email,
        "name": row.name,
        "state": row.state,
        "attempts": row.attempts,
        "worker": row.worker,
        "due_at": _time(row.due_at),
        "changed_at": formats.iso(row.changed_at),
        "bounced": _bounce(row),
        "complained_at": _time(row.complained_at),
        "last_attempt": None if row.started_at is None else last,
    }


def _bounce(row: listing.RecipientRow) -> Bounce | None:
    if row.bounced is None:
        return None
    its = row.bounced.bounce_class
    return {"cause": row.bounced, "bounce_class": its, "at": formats.iso(row.bounced_at)}


def log_entry(row: email_log.LogRow) -> LogEntry:
    """Return one attempt."""
    return {
        "id": row.id,
        "campaign": row.campaign_id,
        "rehearses": row.rehearses,
        "recipient": row.recipient_id,
        "email": row.email,
        "number": row.number,
        "version": row.version,
        "result": row.result,
        "started_at": formats.iso(row.started_at),
        "ended_at": formats.iso(row.ended_at),
        "server": row.server,
        "worker": row.worker,
        "connection": row.connection,
        "tls": row.tls,
        "took_ms": row.took_ms,
        "connect_ms": row.connect_ms,
        "envelope_ms": row.envelope_ms,
        "dot_ms": row.dot_ms,
        "code": row.code,
        "enhanced": row.enhanced,
        "reply": str(row.reply),
        "reason_code": reasons.code(row.reply),
    }


def audit_entry(row: audit.Entry) -> AuditEntry:
    """Return a row of the audit log."""
    return {
        "id": row.id,
        "at": formats.iso(row.at),
        "by": row.actor_kind,  # type: ignore[typeddict-item]
        "by_id": row.actor_id,
        "by_name": row.actor_name,
        "from": row.address,
        "action": row.action,
        "about": row.subject,
        "details": dict(row.details),
    }


def _time(ms: int | None) -> str | None:
    return formats.iso(ms) or None
