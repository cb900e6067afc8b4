"""The account of every email: claims made durable before the dot, results recorded after it.

All functions take an open write transaction, so that a worker commits many results and its next
claims together (group commit). Every change is a conditional UPDATE: repeating it, or doing it in
two processes at once, is harmless. Each change of a recipient's state moves the campaign's tallies
in the same transaction, so the ledger balances at every instant (P2).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import exists, func, insert, select, text, update

from mailing.models import attempts, campaigns, now_ms, recipients, tallies
from mailing.states import RESULT_STATES, AttemptResult, CampaignState, RecipientState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

SHARDS = 16
PACE_SECONDS = 5

_WAITING = (RecipientState.QUEUED, RecipientState.SENDING, RecipientState.DEFERRED)


@dataclass(frozen=True, slots=True)
class Claim:
    """One recipient that one worker alone may mail now. ``worker_id`` with ``attempt`` is its fence."""

    worker_id: int
    recipient_id: int
    campaign_id: int
    attempt: int
    email: str
    name: str
    fields: Mapping[str, str] | None
    first_tried_at: int
    claimed_at: int


@dataclass(frozen=True, slots=True)
class Result:
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

    @property
    def state(self) -> RecipientState:
        """The state this leaves the recipient in."""
        return RESULT_STATES[self.result]


def tally(
    connection: Connection, campaign_id: int, shard: int, changes: Mapping[RecipientState, int]
) -> None:
    """Move a campaign's counters by ``changes``."""
    rows = [
        {"campaign": campaign_id, "state": state, "shard": shard % SHARDS, "n": n}
        for state, n in sorted(changes.items())  # one order everywhere, so that no two writers deadlock
        if n
    ]
    if rows:
        connection.execute(_TALLY, rows)


def counts(connection: Connection, campaign_id: int) -> dict[RecipientState, int]:
    """Return how many recipients are in each state, zeros included."""
    statement = (
        select(tallies.c.state, func.sum(tallies.c.n))
        .where(tallies.c.campaign_id == campaign_id)
        .group_by(tallies.c.state)
    )
    found = {RecipientState(state): int(n) for state, n in connection.execute(statement)}
    return {state: found.get(state, 0) for state in RecipientState}


def claim(
    connection: Connection, worker_id: int, campaign_id: int, *, after: int, last: int, limit: int
) -> list[Claim]:
    """Claim up to ``limit`` queued recipients with ``after`` < id <= ``last``, in the order of their ids.

    The rows are ``sending`` from the commit on: the intent is durable before any dot. Fewer than
    ``limit`` means that the range holds no more, or that the campaign is not sending.
    """
    now = now_ms()
    statement = _CLAIM_SKIPPING if connection.dialect.name == "postgresql" else _CLAIM
    values = {
        "campaign": campaign_id,
        "after": after,
        "last": last,
        "limit": limit,
        "worker": worker_id,
        "now": now,
    }
    rows = sorted(connection.execute(statement, values).all(), key=lambda row: row.id)
    tally(
        connection,
        campaign_id,
        worker_id,
        {RecipientState.QUEUED: -len(rows), RecipientState.SENDING: len(rows)},
    )
    return [
        Claim(
            worker_id,
            row.id,
            campaign_id,
            row.attempts,
            row.email,
            row.name,
            row.fields,
            row.first_tried_at,
            now,
        )
        for row in rows
    ]


class StaleResultError(Exception):
    """Some results are no longer this worker's to record: undo the transaction, then settle one by one."""


def settle(connection: Connection, results: Sequence[Result], *, at_once: bool = False) -> list[Result]:
    """Record results, each once; return those that were news.

    A result for a claim that has become ``unknown`` meanwhile (the lease ended before the reply came)
    is late but true, and is recorded too. One that was recorded before is passed over.

    ``at_once`` is the quick way for when all are expected to be news; it raises ``StaleResultError`` if
    one is not.
    """
    if at_once:
        rows = [_move(result, RecipientState.SENDING) for result in results]
        if rows and connection.execute(_MOVE, rows).rowcount != len(rows):
            raise StaleResultError(str(StaleResultError.__doc__))
        fresh = [(result, RecipientState.SENDING) for result in results]
    else:
        fresh = [
            (result, before)
            for result in results
            for before in (RecipientState.SENDING, RecipientState.UNKNOWN)
            if result.state is not before and connection.execute(_MOVE, _move(result, before)).rowcount == 1
        ]
    if fresh:
        record(connection, fresh)
    return [result for result, _ in fresh]


def release(connection: Connection, claims: Iterable[Claim]) -> None:
    """Hand back claims whose dot certainly never left. They wait again.

    Where the lease has ended meanwhile, this ends the doubt: ``unknown`` becomes ``queued``.
    """
    for claim in claims:
        values = {
            "id": claim.recipient_id,
            "worker": claim.worker_id,
            "attempt": claim.attempt,
            "at": now_ms(),
        }
        for before, statement in _RELEASE.items():
            if connection.execute(statement, values).rowcount:
                moved = {before: -1, RecipientState.QUEUED: 1}
                tally(connection, claim.campaign_id, claim.worker_id, moved)


def release_strays(connection: Connection, worker_id: int, held: Iterable[int]) -> int:
    """Hand back what this worker owns in the database but does not hold; return how many.

    Such claims come from a commit that succeeded although its acknowledgement was lost.
    """
    statement = select(
        recipients.c.id, recipients.c.campaign_id, recipients.c.attempts, recipients.c.claimed_at
    ).where(recipients.c.worker_id == worker_id, recipients.c.state == RecipientState.SENDING)
    known = set(held)
    strays = [
        Claim(worker_id, row.id, row.campaign_id, row.attempts, "", "", None, row.claimed_at, row.claimed_at)
        for row in connection.execute(statement)
        if row.id not in known
    ]
    release(connection, strays)
    return len(strays)


def finish(connection: Connection, campaign_id: int) -> bool:
    """Finish a campaign in which nobody waits any more; return whether this call did.

    It looks, locks, and looks again: while it waits for the lock, a person may queue somebody.
    """
    idle = (
        campaigns.c.id == campaign_id,
        campaigns.c.state.in_((CampaignState.SENDING, CampaignState.PAUSED)),
        ~exists().where(recipients.c.campaign_id == campaign_id, recipients.c.state.in_(_WAITING)),
    )
    if not connection.execute(select(campaigns.c.id).where(*idle).with_for_update(key_share=True)).first():
        return False
    statement = update(campaigns).where(*idle).values(state=CampaignState.FINISHED, finished_at=now_ms())
    return connection.execute(statement).rowcount == 1


def reopen(connection: Connection, campaign_id: int) -> bool:
    """Send on in a finished campaign, where somebody waits after all; return whether this call did.

    It finished because the worker that held them was thought dead.
    """
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


# Statements of the sending itself are text: they run for every few emails, and building them from
# expressions took more time than the database did.
# Without the fence around the sub-select PostgreSQL may run it again, and update more than the limit.
_CLAIM, _CLAIM_SKIPPING = (
    text(
        f"WITH picked AS MATERIALIZED ("  # noqa: S608 - no value is formatted in
        "SELECT id FROM recipients "
        "WHERE campaign_id = :campaign AND id > :after AND id <= :last AND state = 'queued' "
        "AND EXISTS (SELECT 1 FROM campaigns WHERE id = :campaign AND state = 'sending') "
        f"ORDER BY id LIMIT :limit {lock}) "
        "UPDATE recipients SET state = 'sending', worker_id = :worker, claimed_at = :now, "
        "changed_at = :now, attempts = attempts + 1, first_tried_at = coalesce(first_tried_at, :now) "
        "WHERE id IN (SELECT id FROM picked) AND state = 'queued' "
        "RETURNING id, attempts, email, name, fields, first_tried_at"
    ).columns(fields=recipients.c.fields.type)
    for lock in ("", "FOR UPDATE SKIP LOCKED")
)
_MOVE = text(
    "UPDATE recipients SET state = :state, due_at = :due_at, changed_at = :at, worker_id = NULL "
    "WHERE id = :id AND worker_id = :worker AND attempts = :attempt AND state = :before"
)
_RELEASE = {
    RecipientState.SENDING: text(
        "UPDATE recipients SET state = 'queued', changed_at = :at, worker_id = NULL, "
        "attempts = attempts - 1 "  # there was no attempt
        "WHERE id = :id AND worker_id = :worker AND attempts = :attempt AND state = 'sending'"
    ),
    RecipientState.UNKNOWN: text(
        "UPDATE recipients SET state = 'queued', changed_at = :at, worker_id = NULL "
        "WHERE id = :id AND worker_id = :worker AND attempts = :attempt AND state = 'unknown'"
    ),
}
_TALLY = text(
    "INSERT INTO tallies (campaign_id, state, shard, n) VALUES (:campaign, :state, :shard, :n) "
    "ON CONFLICT (campaign_id, state, shard) DO UPDATE SET n = tallies.n + excluded.n"
)
_PACE = text(
    "INSERT INTO paces (campaign_id, slot, shard, n) VALUES (:campaign, :slot, :shard, :n) "
    "ON CONFLICT (campaign_id, slot, shard) DO UPDATE SET n = paces.n + excluded.n"
)


def _move(result: Result, before: RecipientState) -> dict[str, object]:
    return {
        "id": result.claim.recipient_id,
        "worker": result.claim.worker_id,
        "attempt": result.claim.attempt,
        "before": before.value,
        "state": result.state.value,
        "due_at": result.due_at,
        "at": result.ended_at,
    }


def record(connection: Connection, moves: Sequence[tuple[Result, RecipientState]]) -> None:
    """Append each result to the log, and move the tallies and the pace from the state it had before."""
    shard = moves[0][0].claim.worker_id
    changes: defaultdict[int, Counter[RecipientState]] = defaultdict(Counter)
    ended: Counter[tuple[int, int]] = Counter()
    for result, before in moves:
        campaign_id = result.claim.campaign_id
        changes[campaign_id][before] -= 1
        changes[campaign_id][result.state] += 1
        ended[campaign_id, result.ended_at // 1000 // PACE_SECONDS * PACE_SECONDS] += 1
    connection.execute(insert(attempts), [_row(result) for result, _ in moves])
    for campaign_id in sorted(changes):
        tally(connection, campaign_id, shard, changes[campaign_id])
    connection.execute(
        _PACE,
        [
            {"campaign": campaign_id, "slot": slot, "shard": shard % SHARDS, "n": n}
            for (campaign_id, slot), n in sorted(ended.items())
        ],
    )


def _row(result: Result) -> dict[str, object]:
    return {
        "campaign_id": result.claim.campaign_id,
        "recipient_id": result.claim.recipient_id,
        "number": result.claim.attempt,
        "worker_id": result.claim.worker_id,
        "server": result.server,
        "started_at": result.started_at,
        "ended_at": result.ended_at,
        "result": result.result.value,
        "code": result.code,
        "enhanced": result.enhanced,
        "reply": result.reply,
    }
