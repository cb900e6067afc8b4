"""Results: how an attempt ended, recorded once, after the dot.

All functions take an open write transaction. Every change of a recipient's state is a conditional UPDATE
with the claim's fence, and moves the campaign's counters in the same transaction.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

from mailing.bounces import received
from mailing.bounces.received import Sent
from mailing.core import reasons
from mailing.core.statements import run, run_many
from mailing.core.states import RESULT_STATES, AttemptResult, RecipientState
from mailing.ledger import counters, dialogues, domain_tallies
from mailing.ledger.counters import SHARDS, Change
from mailing.ledger.dialogues import Said
from mailing.ledger.rates import SLOT_MS, SLOT_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from mailing.core.reasons import Words
    from mailing.ledger.claims import Claim
    from mailing.ledger.domain_tallies import Moved
    from mailing.smtp.dialogue import Line
    from mailing.smtp.rulebook import Ruling

MINUTE_MS = 60_000
_MOVE = (
    "UPDATE recipients SET state = ?, due_at = ?, changed_at = ?, worker_id = NULL "
    "WHERE id = ? AND worker_id = ? AND attempts = ? AND state = ?"
)
_OVERTAKEN = (
    "SELECT 1 FROM attempts WHERE recipient_id = ? AND number = ? AND worker_id = ? AND result = 'unknown' "
    "AND NOT EXISTS (SELECT 1 FROM attempts "
    "WHERE recipient_id = ? AND number = ? AND worker_id = ? AND result = ?)"
)
_LOG = (
    "INSERT INTO attempts (campaign_id, recipient_id, number, version, domain, worker_id, sender_id, server, "
    "connection, tls, connect_ms, envelope_ms, dot_ms, started_at, ended_at, result, code, enhanced, reply, "
    "reason_code) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_USAGE = (
    "INSERT INTO sender_usage (sender_id, slot, shard, n) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (sender_id, slot, shard) DO UPDATE SET n = sender_usage.n + excluded.n"
)
_PACE = (
    "INSERT INTO paces (campaign_id, slot, result, shard, n) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (campaign_id, slot, result, shard) DO UPDATE SET n = paces.n + excluded.n"
)
_GROUP = (
    "INSERT INTO reply_groups (campaign_id, result, code, enhanced, shard, n, sample, reason_code) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (campaign_id, result, code, enhanced, shard) "
    "DO UPDATE SET n = reply_groups.n + excluded.n"
)


class Trace(NamedTuple):
    """How an attempt went on the wire. ``dialogue`` is what was said, if it was not sent."""

    connection: int | None = None  # the number of the worker's connection
    tls: str = ""  # its version
    connect_ms: int | None = None  # only where the attempt opened the connection
    envelope_ms: int | None = None
    dot_ms: int | None = None
    dialogue: Sequence[Line] = ()


class Result(NamedTuple):
    """How one attempt ended. Times in ms since 1970."""

    claim: Claim
    result: AttemptResult
    server: str  # host:port; empty where none was reached
    started_at: int
    ended_at: int
    code: int | None  # of the reply, RFC 5321; None where none came
    enhanced: str  # enhanced status code, RFC 3463; empty where the reply had none
    reply: Words  # the server's words, or a reason of ours where it said nothing
    due_at: int | None = None  # the next try of one that is deferred
    trace: Trace = Trace()
    ruling: Ruling | None = None  # whom a refusal means, and what follows
    account: str = ""  # of the sender that tried, whose limits are meant
    sender_id: int | None = None  # none: of the demo inbox
    others: bool = False  # whether its campaign has another sender that works
    heals: bool = False  # whether it shows that its sender can send again

    @property
    def state(self) -> RecipientState:
        """The state this leaves the recipient in."""
        return RESULT_STATES[self.result]

    @property
    def used(self) -> bool:
        """Whether it was sent to the server, and so counts for the limits of its sender."""
        return self.trace.connection is not None and self.result is not AttemptResult.RETURNED


class StaleResultError(Exception):
    """Some results are no longer this worker's to record: undo the transaction, then settle one by one."""


def settle(connection: Connection, results: Sequence[Result], *, at_once: bool = False) -> list[Result]:
    """Record results, each once; return those that were not known yet.

    A result for a claim that has become ``unknown`` meanwhile (the lease ended before the reply came)
    is late but true, and is recorded too. Where a person has already decided about that recipient it only
    goes into the log (P6). One that was recorded before is passed over.

    ``at_once`` is a fast path for when all are expected to be new; it raises ``StaleResultError`` if one is
    not.
    """
    if at_once:
        ordered = sorted(results, key=lambda it: it.claim.recipient_id)  # so that no two writers deadlock
        rows = [_move(result, RecipientState.SENDING) for result in ordered]
        if run_many(connection, _MOVE, rows) != len(rows):
            raise StaleResultError(str(StaleResultError.__doc__))
        fresh = [(result, RecipientState.SENDING) for result in results]
    else:
        fresh = [
            (result, before)
            for result in results
            for before in (RecipientState.SENDING, RecipientState.UNKNOWN)
            if result.state is not before and run(connection, _MOVE, _move(result, before)).rowcount == 1
        ]
    late = [] if at_once else _overtaken(connection, results, fresh)
    if fresh or late:
        record(connection, [*fresh, *((result, None) for result in late)])
    return [result for result, _ in fresh]


def record(connection: Connection, moves: Sequence[tuple[Result, RecipientState | None]]) -> None:
    """Append each result to the log, and move what is counted, from the state that each had before.

    None before: it changed nobody's state.
    """
    shard = moves[0][0].claim.worker_id % SHARDS
    changes: defaultdict[int, Counter[Change]] = defaultdict(Counter)
    by_domain: defaultdict[int, list[Moved]] = defaultdict(list)
    paces: Counter[tuple[int, int, str]] = Counter()
    groups: Counter[tuple[int, str, int, str]] = Counter()
    samples: dict[tuple[int, str, int, str], Words] = {}
    usage: Counter[tuple[int, int]] = Counter()
    sent: list[Sent] = []
    for result, before in moves:
        if result.sender_id and result.used:
            usage[result.sender_id, result.ended_at // MINUTE_MS] += 1
        campaign_id, kind = result.claim.campaign_id, result.result.value
        if before is not None:
            changes[campaign_id][before, result.state] += 1
            by_domain[campaign_id].append((result.claim.domain, before, result.state))
            if result.result is AttemptResult.SENT:
                sent.append(_sent(result))
        paces[campaign_id, result.ended_at // SLOT_MS * SLOT_S, kind] += 1
        if result.result is not AttemptResult.SENT:
            group = (campaign_id, kind, result.code or 0, result.enhanced)
            groups[group] += 1
            samples.setdefault(group, result.reply)
    run_many(connection, _LOG, [_row(result) for result, _ in moves])
    dialogues.keep(connection, [_said(result) for result, _ in moves if result.trace.dialogue])
    known = domain_tallies.counted(connection, {it[0] for moved in by_domain.values() for it in moved})
    for campaign_id in sorted(changes):
        counters.move(connection, campaign_id, shard, changes[campaign_id])
        domain_tallies.move(connection, campaign_id, shard, by_domain[campaign_id], known)
    run_many(connection, _USAGE, [(*used, shard, n) for used, n in sorted(usage.items())])
    run_many(connection, _PACE, [(*pace, shard, n) for pace, n in sorted(paces.items())])
    said = {group: (str(words), reasons.dump(words)) for group, words in samples.items()}
    run_many(connection, _GROUP, [(*group, shard, n, *said[group]) for group, n in sorted(groups.items())])
    received.sent(connection, shard, sent, known)


def _overtaken(
    connection: Connection, results: Sequence[Result], fresh: Sequence[tuple[Result, RecipientState]]
) -> list[Result]:
    """Return the late results of unknown recipients about whom a person has decided, each once."""
    moved = {id(result) for result, _ in fresh}
    return [
        result
        for result in results
        if id(result) not in moved and run(connection, _OVERTAKEN, _attempt(result)).first()
    ]


def _move(result: Result, before: RecipientState) -> tuple[object, ...]:
    claim = result.claim
    fence = (claim.recipient_id, claim.worker_id, claim.attempt, before.value)
    return (result.state.value, result.due_at, result.ended_at, *fence)


def _attempt(result: Result) -> tuple[object, ...]:
    attempt = (result.claim.recipient_id, result.claim.attempt, result.claim.worker_id)
    return (*attempt, *attempt, result.result.value)


def _sent(result: Result) -> Sent:
    claim = result.claim
    return Sent(claim.recipient_id, claim.campaign_id, result.sender_id or 0, claim.domain, result.ended_at)


def _said(result: Result) -> Said:
    claim = result.claim
    return Said(claim.recipient_id, claim.attempt, result.result, result.ended_at, result.trace.dialogue)


def _row(result: Result) -> tuple[object, ...]:
    claim = result.claim
    return (
        claim.campaign_id,
        claim.recipient_id,
        claim.attempt,
        claim.version,
        claim.domain,
        claim.worker_id,
        result.sender_id,
        result.server,
        *result.trace[:-1],
        result.started_at,
        result.ended_at,
        result.result.value,
        result.code,
        result.enhanced,
        str(result.reply),
        reasons.dump(result.reply),
    )
