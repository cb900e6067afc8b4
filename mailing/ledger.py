"""The account of every email: claims made durable before the dot, results recorded after it.

All functions take an open write transaction, so that a worker commits many results and its next
claims together (group commit). Every change is a conditional UPDATE: repeating it, or doing it in
two processes at once, is harmless. Each change of a recipient's state moves the campaign's tallies
in the same transaction, so the ledger balances at every instant (P2).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from sqlalchemy import exists, func, select, update

from mailing.mailboxes import domain_of
from mailing.models import campaigns, decisions, now_ms, recipients, tallies
from mailing.rates import SLOT_MS, SLOT_S
from mailing.states import RESULT_STATES, AttemptResult, CampaignState, RecipientState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection, CursorResult

    from mailing.rulebook import Ruling
    from mailing.values import Value

SHARDS = 16

_WAITING = (RecipientState.QUEUED, RecipientState.SENDING, RecipientState.DEFERRED)


class Claim(NamedTuple):
    """One recipient that one worker alone may mail now. ``worker_id`` with ``attempt`` is its fence."""

    worker_id: int
    campaign_id: int
    claimed_at: int
    recipient_id: int
    attempt: int
    email: str
    name: str
    fields: Mapping[str, Value] | None
    first_tried_at: int


class Trace(NamedTuple):
    """How an attempt went on the wire: which of the worker's connections, its TLS version, and times in ms.

    ``connect_ms`` is there only where the attempt opened the connection.
    """

    connection: int | None = None
    tls: str = ""
    connect_ms: int | None = None
    envelope_ms: int | None = None
    dot_ms: int | None = None


class Result(NamedTuple):
    """How one attempt ended. Times in ms since 1970; ``due_at`` only for a deferred one."""

    claim: Claim
    result: AttemptResult
    server: str
    started_at: int
    ended_at: int
    code: int | None
    enhanced: str
    reply: str
    due_at: int | None = None
    trace: Trace = Trace()
    ruling: Ruling | None = None

    @property
    def state(self) -> RecipientState:
        """The state this leaves the recipient in."""
        return RESULT_STATES[self.result]


def tally(
    connection: Connection, campaign_id: int, shard: int, changes: Mapping[RecipientState, int]
) -> None:
    """Move a campaign's counters by ``changes``."""
    _run_many(
        connection,
        _TALLY,
        # one order everywhere, so that no two writers deadlock
        [(campaign_id, state.value, shard % SHARDS, n) for state, n in sorted(changes.items()) if n],
    )


def counts(connection: Connection, campaign_id: int) -> dict[RecipientState, int]:
    """Return how many recipients are in each state, zeros included."""
    return counts_of(connection, [campaign_id])[campaign_id]


def counts_of(connection: Connection, campaign_ids: Sequence[int]) -> dict[int, dict[RecipientState, int]]:
    """Return by campaign how many recipients are in each state, zeros included. One query."""
    found = {id_: dict.fromkeys(RecipientState, 0) for id_ in campaign_ids}
    statement = (
        select(tallies.c.campaign_id, tallies.c.state, func.sum(tallies.c.n))
        .where(tallies.c.campaign_id.in_(campaign_ids))
        .group_by(tallies.c.campaign_id, tallies.c.state)
    )
    for id_, state, n in connection.execute(statement) if found else ():
        found[id_][RecipientState(state)] = int(n)
    return found


def claim(
    connection: Connection, worker_id: int, campaign_id: int, *, after: int, last: int, limit: int
) -> list[Claim]:
    """Claim up to ``limit`` queued recipients with ``after`` < id <= ``last``, in the order of their ids.

    The rows are ``sending`` from the commit on: the intent is durable before any dot. Fewer than
    ``limit`` means that the range holds no more, or that the campaign is not sending.
    """
    now = now_ms()
    postgres = connection.dialect.name == "postgresql"
    values = (campaign_id, after, last, campaign_id, limit, worker_id, now, now, now)
    rows = _run(connection, _CLAIM_SKIPPING if postgres else _CLAIM, values).all()
    claims = [Claim(worker_id, campaign_id, now, *row) for row in sorted(map(tuple, rows), key=_ID)]
    if not postgres:
        claims = [
            claim._replace(fields=orjson.loads(claim.fields)) if claim.fields else claim  # type: ignore[arg-type]
            for claim in claims
        ]
    tally(
        connection,
        campaign_id,
        worker_id,
        {RecipientState.QUEUED: -len(claims), RecipientState.SENDING: len(claims)},
    )
    return claims


class StaleResultError(Exception):
    """Some results are no longer this worker's to record: undo the transaction, then settle one by one."""


def settle(connection: Connection, results: Sequence[Result], *, at_once: bool = False) -> list[Result]:
    """Record results, each once; return those that were news.

    A result for a claim that has become ``unknown`` meanwhile (the lease ended before the reply came)
    is late but true, and is recorded too. Where a person has already decided about that recipient it only
    goes into the log (P6). One that was recorded before is passed over.

    ``at_once`` is the quick way for when all are expected to be news; it raises ``StaleResultError`` if
    one is not.
    """
    if at_once:
        rows = [_move(result, RecipientState.SENDING) for result in results]
        if _run_many(connection, _MOVE, rows) != len(rows):
            raise StaleResultError(str(StaleResultError.__doc__))
        fresh = [(result, RecipientState.SENDING) for result in results]
    else:
        fresh = [
            (result, before)
            for result in results
            for before in (RecipientState.SENDING, RecipientState.UNKNOWN)
            if result.state is not before and _run(connection, _MOVE, _move(result, before)).rowcount == 1
        ]
    late = [] if at_once else _overtaken(connection, results, fresh)
    if fresh or late:
        record(connection, [*fresh, *((result, None) for result in late)])
    return [result for result, _ in fresh]


def _overtaken(
    connection: Connection, results: Sequence[Result], fresh: Sequence[tuple[Result, RecipientState]]
) -> list[Result]:
    """Return the late results of unknown recipients about whom a person has decided, each once."""
    moved = {id(result) for result, _ in fresh}
    return [
        result
        for result in results
        if id(result) not in moved and _run(connection, _OVERTAKEN, _attempt(result)).first()
    ]


def release(connection: Connection, claims: Iterable[Claim]) -> set[int]:
    """Hand back claims whose dot certainly never left. They wait again.

    Where the lease has ended meanwhile, this ends the doubt: ``unknown`` becomes ``queued``. Returns the
    campaigns in which it did, for ``reopen``.
    """
    doubtful = set()
    for claim in claims:
        values = (now_ms(), claim.recipient_id, claim.worker_id, claim.attempt)
        for before, statement in _RELEASE.items():
            if _run(connection, statement, values).rowcount:
                moved = {before: -1, RecipientState.QUEUED: 1}
                tally(connection, claim.campaign_id, claim.worker_id, moved)
                if before is RecipientState.UNKNOWN:
                    doubtful.add(claim.campaign_id)
    return doubtful


def forgive(connection: Connection, claim: Claim) -> None:
    """Let the hours until a recipient is given up count anew: the try was in vain by the sender's fault."""
    _run(connection, _FORGIVE, (claim.recipient_id, claim.attempt))


def release_strays(connection: Connection, worker_id: int, held: Iterable[int]) -> int:
    """Hand back what this worker owns in the database but does not hold; return how many.

    Such claims come from a commit that succeeded although its acknowledgement was lost.
    """
    statement = select(
        recipients.c.id, recipients.c.campaign_id, recipients.c.attempts, recipients.c.claimed_at
    ).where(recipients.c.worker_id == worker_id, recipients.c.state == RecipientState.SENDING)
    known = set(held)
    strays = [
        Claim(worker_id, row.campaign_id, row.claimed_at, row.id, row.attempts, "", "", None, row.claimed_at)
        for row in connection.execute(statement)
        if row.id not in known
    ]
    release(connection, strays)
    return len(strays)


def finish(connection: Connection, campaign_id: int) -> bool:
    """Finish a campaign in which nobody waits any more, nor will by a decision; return whether this call did.

    It looks, locks, and looks again: while it waits for the lock, a person may queue somebody.
    """
    idle = (
        campaigns.c.id == campaign_id,
        campaigns.c.state.in_((CampaignState.SENDING, CampaignState.PAUSED)),
        ~exists().where(recipients.c.campaign_id == campaign_id, recipients.c.state.in_(_WAITING)),
        ~exists().where(decisions.c.campaign_id == campaign_id, decisions.c.finished_at.is_(None)),
    )
    if not connection.execute(select(campaigns.c.id).where(*idle).with_for_update(key_share=True)).first():
        return False
    statement = update(campaigns).where(*idle).values(state=CampaignState.FINISHED, finished_at=now_ms())
    return connection.execute(statement).rowcount == 1


def reopen(connection: Connection, campaign_id: int) -> bool:
    """Send on in a finished campaign, where somebody waits after all; return whether this call did.

    It finished because the worker that held them was thought dead. If it is finishing just now, whoever does
    it cannot see them, so this waits until that is done.
    """
    own = select(campaigns.c.id).where(campaigns.c.id == campaign_id)
    connection.execute(own.with_for_update(key_share=True))
    statement = (
        update(campaigns)
        .where(campaigns.c.id == campaign_id, campaigns.c.state == CampaignState.FINISHED)
        .values(state=CampaignState.SENDING, finished_at=None)
    )
    return connection.execute(statement).rowcount == 1


def pause(connection: Connection, campaign_id: int, reason: str) -> bool:
    """Pause a sending campaign because of its sender's fault; return whether this call did."""
    statement = (
        update(campaigns)
        .where(campaigns.c.id == campaign_id, campaigns.c.state == CampaignState.SENDING)
        .values(state=CampaignState.PAUSED, paused_reason=reason)
    )
    return connection.execute(statement).rowcount == 1


# Statements of the sending itself are text, and their values tuples: they run for every few emails, and
# SQLAlchemy's expressions took more time than the database did. psycopg writes its marks as %s.
# Without the fence around the sub-select PostgreSQL may run it again, and update more than the limit.
_CLAIM, _CLAIM_SKIPPING = (
    "WITH picked AS MATERIALIZED ("  # noqa: S608 - no value is formatted in
    "SELECT id FROM recipients WHERE campaign_id = ? AND id > ? AND id <= ? AND state = 'queued' "
    "AND EXISTS (SELECT 1 FROM campaigns WHERE id = ? AND state = 'sending') "
    f"ORDER BY id LIMIT ? {lock}) "
    "UPDATE recipients SET state = 'sending', worker_id = ?, claimed_at = ?, "
    "changed_at = ?, attempts = attempts + 1, first_tried_at = coalesce(first_tried_at, ?) "
    "WHERE id IN (SELECT id FROM picked) AND state = 'queued' "
    "RETURNING id, attempts, email, name, fields, first_tried_at"
    for lock in ("", "FOR UPDATE SKIP LOCKED")
)
_ID = itemgetter(0)
_MOVE = (
    "UPDATE recipients SET state = ?, due_at = ?, changed_at = ?, worker_id = NULL "
    "WHERE id = ? AND worker_id = ? AND attempts = ? AND state = ?"
)
_OVERTAKEN = (
    "SELECT 1 FROM attempts WHERE recipient_id = ? AND number = ? AND worker_id = ? AND result = 'unknown' "
    "AND NOT EXISTS (SELECT 1 FROM attempts "
    "WHERE recipient_id = ? AND number = ? AND worker_id = ? AND result = ?)"
)
_RELEASE = {
    RecipientState.SENDING: "UPDATE recipients SET state = 'queued', changed_at = ?, worker_id = NULL, "
    "first_tried_at = CASE attempts WHEN 1 THEN NULL ELSE first_tried_at END, "
    "attempts = attempts - 1 "  # there was no attempt
    "WHERE id = ? AND worker_id = ? AND attempts = ? AND state = 'sending'",
    RecipientState.UNKNOWN: "UPDATE recipients SET state = 'queued', changed_at = ?, worker_id = NULL "
    "WHERE id = ? AND worker_id = ? AND attempts = ? AND state = 'unknown'",
}
_FORGIVE = "UPDATE recipients SET first_tried_at = NULL WHERE id = ? AND attempts = ? AND state = 'queued'"
_TALLY = (
    "INSERT INTO tallies (campaign_id, state, shard, n) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (campaign_id, state, shard) DO UPDATE SET n = tallies.n + excluded.n"
)
_PACE = (
    "INSERT INTO paces (campaign_id, slot, result, shard, n) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (campaign_id, slot, result, shard) DO UPDATE SET n = paces.n + excluded.n"
)
_GROUP = (
    "INSERT INTO reply_groups (campaign_id, result, code, enhanced, shard, n, sample) "
    "VALUES (?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (campaign_id, result, code, enhanced, shard) "
    "DO UPDATE SET n = reply_groups.n + excluded.n"
)
_LOG = (
    "INSERT INTO attempts (campaign_id, recipient_id, number, domain, worker_id, server, connection, tls, "
    "connect_ms, envelope_ms, dot_ms, started_at, ended_at, result, code, enhanced, reply) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


def _run(connection: Connection, statement: str, values: tuple[object, ...]) -> CursorResult[Any]:
    return connection.exec_driver_sql(_marked(connection, statement), values)


def _run_many(connection: Connection, statement: str, rows: list[tuple[object, ...]]) -> int:
    """Run the statement for each row; return how many rows it changed in all."""
    return connection.exec_driver_sql(_marked(connection, statement), rows).rowcount if rows else 0


def _marked(connection: Connection, statement: str) -> str:
    return statement.replace("?", "%s") if connection.dialect.name == "postgresql" else statement


def _move(result: Result, before: RecipientState) -> tuple[object, ...]:
    claim = result.claim
    fence = (claim.recipient_id, claim.worker_id, claim.attempt, before.value)
    return (result.state.value, result.due_at, result.ended_at, *fence)


def _attempt(result: Result) -> tuple[object, ...]:
    attempt = (result.claim.recipient_id, result.claim.attempt, result.claim.worker_id)
    return (*attempt, *attempt, result.result.value)


def record(connection: Connection, moves: Sequence[tuple[Result, RecipientState | None]]) -> None:
    """Append each result to the log, and move what is counted, from the state that each had before.

    None before: it changed nobody's state.
    """
    shard = moves[0][0].claim.worker_id % SHARDS
    changes: defaultdict[int, Counter[RecipientState]] = defaultdict(Counter)
    paces: Counter[tuple[int, int, str]] = Counter()
    groups: Counter[tuple[int, str, int, str]] = Counter()
    samples: dict[tuple[int, str, int, str], str] = {}
    for result, before in moves:
        campaign_id, kind = result.claim.campaign_id, result.result.value
        if before is not None:
            changes[campaign_id][before] -= 1
            changes[campaign_id][result.state] += 1
        paces[campaign_id, result.ended_at // SLOT_MS * SLOT_S, kind] += 1
        if result.result is not AttemptResult.SENT:
            group = (campaign_id, kind, result.code or 0, result.enhanced)
            groups[group] += 1
            samples.setdefault(group, result.reply)
    _run_many(connection, _LOG, [_row(result) for result, _ in moves])
    for campaign_id in sorted(changes):
        tally(connection, campaign_id, shard, changes[campaign_id])
    _run_many(connection, _PACE, [(*pace, shard, n) for pace, n in sorted(paces.items())])
    _run_many(connection, _GROUP, [(*group, shard, n, samples[group]) for group, n in sorted(groups.items())])


def _row(result: Result) -> tuple[object, ...]:
    claim = result.claim
    return (
        claim.campaign_id,
        claim.recipient_id,
        claim.attempt,
        domain_of(claim.email),
        claim.worker_id,
        result.server,
        *result.trace,
        result.started_at,
        result.ended_at,
        result.result.value,
        result.code,
        result.enhanced,
        result.reply,
    )
