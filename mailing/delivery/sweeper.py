"""What keeps a campaign moving when something died: safe to run twice, at any time, anywhere.

Each function takes an open write transaction and moves no more rows than it is told, so that no sender waits
long for it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from sqlalchemy import exists, func, or_, select, text, update

from mailing.campaigns import canary, lifecycle
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason
from mailing.core.states import AttemptResult, CampaignState, RecipientState
from mailing.core.tables import batches, campaigns, recipients, tallies, workers
from mailing.delivery import turns
from mailing.ledger import claims, counters, domain_tallies, lanes, rests, results
from mailing.ledger.batches import Errand, is_open, lose_those_of, somebody_queued
from mailing.senders import store

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select

CHUNK = 5_000
ANY_PRIORITY = range(10)
VANISHED_AFTER_MS = 10_000  # with an empty queue, a batch untouched for so long has lost its message
FORGOTTEN_AFTER_MS = 600_000  # the same while the queue is busy: then it is probably still waiting there
RESTED_AT_ONCE = 16  # batches of slow lanes that one sweep gives out
CLOCKS_DIFFER_MS = 60_000  # a batch woken later than now was so by a clock that is wrong
LOCK_MS = 1_000  # PostgreSQL only; on SQLite there is the one lock that all wait for
_WAITING = (RecipientState.QUEUED, RecipientState.DEFERRED)
_WOKEN = (RecipientState.DEFERRED, RecipientState.QUEUED)
SILENT_S = 10  # how long a writer may leave its transaction open and idle; shorter than a lease


def be_brief(connection: Connection) -> None:
    """Wait for no lock for long: sweeps that all waited for a frozen writer would leave nobody to end it."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {LOCK_MS}")


def end_silent_writers(connection: Connection) -> int:
    """End the sessions of writers that were frozen or unplugged in a transaction; return how many.

    All they hold is locked, and on PostgreSQL nobody else ends them for sure: its timeouts for this are off
    after a pipeline, in which psycopg runs every ``executemany``. A download may wait as long as it likes:
    it locks nothing. On SQLite nobody can be robbed of the lock.
    """
    if connection.dialect.name != "postgresql":
        return 0
    return len(connection.execute(_END_SILENT, {"seconds": SILENT_S}).all())


def abandon(connection: Connection, rows: int = CHUNK) -> dict[int, int]:
    """Turn up to ``rows`` that ended workers hold into ``unknown`` (P3); return the number per campaign."""
    gone = select(workers.c.id).where(workers.c.ended_at.is_not(None))
    statement = (
        select(
            recipients.c.id,
            recipients.c.campaign_id,
            recipients.c.email,
            recipients.c.domain,
            recipients.c.attempts,
            recipients.c.worker_id,
            recipients.c.claimed_at,
            recipients.c.version,
        )
        .where(recipients.c.worker_id.in_(gone), recipients.c.state == RecipientState.SENDING)
        .order_by(recipients.c.id)
        .limit(rows)
        .with_for_update(skip_locked=True)
    )
    found: Counter[int] = Counter()
    for row in connection.execute(statement).all():
        now = now_ms()
        changed = connection.execute(
            update(recipients)
            .where(
                recipients.c.id == row.id,
                recipients.c.worker_id == row.worker_id,
                recipients.c.attempts == row.attempts,
                recipients.c.state == RecipientState.SENDING,
            )
            .values(state=RecipientState.UNKNOWN, changed_at=now)
        )
        if not changed.rowcount:
            continue
        who = (row.email, row.domain, "", None, now, row.version or 1)
        claim = claims.Claim(row.worker_id, row.campaign_id, row.claimed_at, row.id, row.attempts, *who)
        reply = Reason("attempt.lease-ended")
        lost = results.Result(claim, AttemptResult.UNKNOWN, "", row.claimed_at, now, None, "", reply)
        results.record(connection, [(lost, RecipientState.SENDING)])
        found[row.campaign_id] += 1
    return dict(found)


def wake_deferred(connection: Connection, rows: int = CHUNK) -> set[int]:
    """Queue up to ``rows`` deferred recipients of sending campaigns that are due; return their campaigns.

    Their batches count as never woken, so that ``vanished_batches`` gives them out at once.
    """
    now = now_ms()
    due = _skipping(
        select(recipients.c.id)
        .join(campaigns, campaigns.c.id == recipients.c.campaign_id)
        .where(recipients.c.due_at <= now, campaigns.c.state == CampaignState.SENDING)
        .order_by(recipients.c.due_at)
        .limit(rows)
    )
    statement = (
        update(recipients)
        .where(recipients.c.id.in_(due), recipients.c.state == RecipientState.DEFERRED)
        .values(state=RecipientState.QUEUED, due_at=None, changed_at=now)
        .returning(recipients.c.campaign_id, recipients.c.id, recipients.c.domain)
    )
    woken: defaultdict[int, dict[int, str]] = defaultdict(dict)
    for campaign_id, id_, domain in connection.execute(statement):
        woken[campaign_id][id_] = domain
    for campaign_id, domains in sorted(woken.items()):
        counters.move(connection, campaign_id, 0, {_WOKEN: len(domains)})
        domain_tallies.move(connection, campaign_id, 0, [(it, *_WOKEN) for it in domains.values()])
        lose_those_of(connection, campaign_id, list(domains))
    return set(woken)


def cancel_waiting(connection: Connection, campaign_id: int, rows: int = CHUNK) -> int:
    """Cancel up to ``rows`` of the waiting recipients of a canceled campaign; return how many."""
    total = 0
    for state in _WAITING:
        chosen = _skipping(
            select(recipients.c.id)
            .where(
                recipients.c.campaign_id == campaign_id,
                recipients.c.state == state,
                exists().where(campaigns.c.id == campaign_id, campaigns.c.state == CampaignState.CANCELED),
            )
            .limit(rows - total)
        )
        statement = (
            update(recipients)
            .where(recipients.c.id.in_(chosen), recipients.c.state == state)
            .values(state=RecipientState.CANCELED, due_at=None, changed_at=now_ms())
            .returning(recipients.c.domain)
        )
        change = state, RecipientState.CANCELED
        domains = connection.execute(statement).scalars().all()
        counters.move(connection, campaign_id, 0, {change: len(domains)})
        domain_tallies.move(connection, campaign_id, 0, [(domain, *change) for domain in domains])
        total += len(domains)
    return total


def cancel_leftovers(connection: Connection, rows: int = CHUNK) -> dict[int, CampaignState]:
    """Cancel up to ``rows`` of those who still wait in canceled campaigns; return the campaigns they were in.

    Each campaign gets an equal share, and what one cannot use goes to those with more.
    """
    waiting = func.sum(tallies.c.n)
    statement = (
        select(tallies.c.campaign_id)
        .join(campaigns, campaigns.c.id == tallies.c.campaign_id)
        .where(campaigns.c.state == CampaignState.CANCELED, tallies.c.state.in_(_WAITING))
        .group_by(tallies.c.campaign_id)
        .having(waiting > 0)
        .order_by(waiting)
    )
    found, moved = connection.execute(statement).scalars().all(), {}
    for place, id_ in enumerate(found):
        share = rows // (len(found) - place)
        if share and (n := cancel_waiting(connection, id_, share)):
            moved[id_], rows = CampaignState.CANCELED, rows - n
    return moved


def judge_canaries(connection: Connection) -> dict[int, CampaignState]:
    """Let campaigns go on whose canary went well, and pause those where it did not; return those."""
    paused = {}
    for id_ in canary.waiting(connection):
        reason = canary.judge(connection, id_)
        if reason and lifecycle.pause(connection, id_, reason):
            paused[id_] = CampaignState.PAUSED
    return paused


def finish_idle(connection: Connection) -> dict[int, CampaignState]:
    """Finish the campaigns in which nobody waits any more; return them."""
    open_ones = select(campaigns.c.id).where(
        campaigns.c.state.in_((CampaignState.SENDING, CampaignState.PAUSED))
    )
    found = connection.execute(open_ones).scalars().all()
    return {id_: CampaignState.FINISHED for id_ in found if lifecycle.finish(connection, id_)}


def vanished_batches(
    connection: Connection,
    *,
    queue_empty: bool,
    priorities: range = ANY_PRIORITY,
    most: int = CHUNK,
) -> list[Errand]:
    """Return at most ``most`` batches that nobody runs although recipients wait in them, marked as woken now.

    They are more than were given out at once, or their Celery message was lost, or was never sent because
    Redis was down, or they have deferred recipients that are due again, or the sender had to rest, or the
    hours of the day in which they may be sent begin.

    Of those that were at rest for lanes not more than ``RESTED_AT_ONCE`` while one is slow or limited: few
    are enough for what it may be sent.
    """
    now = now_ms()
    closed = turns.closed(connection)
    rested = batches.c.rests_until.is_not(None)
    before = now - (VANISHED_AFTER_MS if queue_empty else FORGOTTEN_AFTER_MS)
    forgotten = or_(
        rested & (batches.c.rests_until <= now),
        ~rested & or_(batches.c.woken_at < before, batches.c.woken_at > now + CLOCKS_DIFFER_MS),
    )
    chosen = (
        select(batches.c.id, campaigns.c.priority, rested.label("rested"))
        .join(campaigns, campaigns.c.id == batches.c.campaign_id)
        .where(campaigns.c.state == CampaignState.SENDING, forgotten, is_open(), somebody_queued())
        .where(campaigns.c.id.not_in({*closed, *_at_rest(connection, now)}))
        .where(campaigns.c.priority.between(priorities.start, priorities.stop - 1))
        .order_by(campaigns.c.priority, rested, batches.c.rests_until, batches.c.id)
        .limit(most)
    )
    rows = connection.execute(chosen).all()
    waits = lanes.any_slow(connection) or store.limit_receivers(connection)
    few = [row for row in rows if row.rested][:RESTED_AT_ONCE] if waits else rows
    found = {row.id: row.priority for row in rows if not row.rested or row in few}
    claimed = (
        update(batches)
        .where(batches.c.id.in_(found), forgotten)
        .values(woken_at=now_ms(), rests_until=None)
        .returning(batches.c.id)
    )
    mine = set(connection.execute(claimed).scalars()) if found else set()
    return [Errand(id_, priority) for id_, priority in found.items() if id_ in mine]


def forget_closed(connection: Connection) -> None:
    """Count batches of campaigns outside of their hours as never woken, to be given out when these begin."""
    if closed := turns.closed(connection):
        theirs = batches.c.campaign_id.in_(closed), batches.c.woken_at != 0
        connection.execute(update(batches).where(*theirs).values(woken_at=0))


def _at_rest(connection: Connection, now: int) -> list[int]:
    """Return the campaigns that wait because all their senders do."""
    resting = rests.lasting(connection)
    if not resting.rests:
        return []
    columns = campaigns.c.id, campaigns.c.senders, campaigns.c.rehearses
    sending = connection.execute(select(*columns).where(campaigns.c.state == CampaignState.SENDING))
    waiting = ((row.id, resting.of(row.senders, row.rehearses)) for row in sending)
    return [id_ for id_, rest in waiting if rest and rest.holds(now)]


def _skipping(chosen: Select[tuple[int]]) -> Select[tuple[int]]:
    """Select the chosen recipients, up to the limit, and skip those that another transaction is moving."""
    locked = chosen.with_for_update(skip_locked=True, of=recipients).cte("chosen")
    return select(locked.prefix_with("MATERIALIZED", dialect="postgresql").c.id)


_END_SILENT = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND usename = current_user AND application_name = 'volley' "
    "AND backend_xid IS NOT NULL AND wait_event = 'ClientRead' AND query NOT LIKE 'COPY %' "
    "AND state_change < clock_timestamp() - make_interval(secs => :seconds)"
)
