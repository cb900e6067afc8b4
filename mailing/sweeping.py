"""What keeps a campaign moving when something died: safe to run twice, at any time, anywhere.

Each function takes an open write transaction and moves at most ``CHUNK`` rows, so that no sender
waits long for it.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sqlalchemy import exists, func, or_, select, text, update

from mailing import ledger, rests
from mailing.batches import Errand
from mailing.models import batches, campaigns, now_ms, recipients, tallies, workers
from mailing.states import AttemptResult, CampaignState, RecipientState

if TYPE_CHECKING:
    from sqlalchemy import Connection

CHUNK = 5_000
VANISHED_AFTER_MS = 10_000  # with an empty queue, a batch untouched for so long has lost its message
FORGOTTEN_AFTER_MS = 600_000  # the same while the queue is busy: then it is probably still waiting there
CLOCKS_DIFFER_MS = 60_000  # a batch woken later than now was so by a clock that is wrong
LOCK_MS = 1_000  # PostgreSQL only; on SQLite there is the one lock that all wait for
SILENT_S = 10  # how long a writer may leave its transaction open without a word; shorter than a lease


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


def abandon(connection: Connection) -> dict[int, int]:
    """Turn what ended workers still hold into ``unknown`` (P3); return the number per campaign."""
    gone = select(workers.c.id).where(workers.c.ended_at.is_not(None))
    statement = (
        select(
            recipients.c.id,
            recipients.c.campaign_id,
            recipients.c.email,
            recipients.c.attempts,
            recipients.c.worker_id,
            recipients.c.claimed_at,
        )
        .where(recipients.c.worker_id.in_(gone), recipients.c.state == RecipientState.SENDING)
        .order_by(recipients.c.id)
        .limit(CHUNK)
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
        claim = ledger.Claim(
            row.worker_id, row.campaign_id, row.claimed_at, row.id, row.attempts, row.email, "", None, now
        )
        reply = "The worker ended before the server's reply was recorded. It may have been delivered."
        lost = ledger.Result(claim, AttemptResult.UNKNOWN, "", row.claimed_at, now, None, "", reply)
        ledger.record(connection, [(lost, RecipientState.SENDING)])
        found[row.campaign_id] += 1
    return dict(found)


def wake_deferred(connection: Connection) -> set[int]:
    """Queue the deferred recipients of sending campaigns that are due; return their campaigns.

    Their batches count as never woken, so that ``vanished_batches`` gives them out at once.
    """
    now = now_ms()
    due = (
        select(recipients.c.id)
        .join(campaigns, campaigns.c.id == recipients.c.campaign_id)
        .where(recipients.c.due_at <= now, campaigns.c.state == CampaignState.SENDING)
        .order_by(recipients.c.due_at)
        .limit(CHUNK)
        .with_for_update(skip_locked=True, of=recipients)
        .cte("due")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    statement = (
        update(recipients)
        .where(recipients.c.id.in_(select(due.c.id)), recipients.c.state == RecipientState.DEFERRED)
        .values(state=RecipientState.QUEUED, due_at=None, changed_at=now)
        .returning(recipients.c.campaign_id)
    )
    woken = Counter(connection.execute(statement).scalars())
    for campaign_id, n in sorted(woken.items()):
        ledger.tally(connection, campaign_id, 0, {RecipientState.DEFERRED: -n, RecipientState.QUEUED: n})
        connection.execute(
            update(batches)
            .where(
                batches.c.campaign_id == campaign_id,
                exists().where(
                    recipients.c.campaign_id == campaign_id,
                    recipients.c.state == RecipientState.QUEUED,
                    recipients.c.changed_at == now,
                    recipients.c.id.between(batches.c.first_id, batches.c.last_id),
                ),
            )
            .values(woken_at=0)
        )
    return set(woken)


def cancel_waiting(connection: Connection, campaign_id: int) -> int:
    """Cancel up to ``CHUNK`` of the waiting recipients of a canceled campaign; return how many."""
    total = 0
    for state in (RecipientState.QUEUED, RecipientState.DEFERRED):
        chosen = (
            select(recipients.c.id)
            .where(
                recipients.c.campaign_id == campaign_id,
                recipients.c.state == state,
                exists().where(campaigns.c.id == campaign_id, campaigns.c.state == CampaignState.CANCELED),
            )
            .limit(CHUNK - total)
        )
        statement = (
            update(recipients)
            .where(recipients.c.id.in_(chosen), recipients.c.state == state)
            .values(state=RecipientState.CANCELED, due_at=None, changed_at=now_ms())
        )
        n = connection.execute(statement).rowcount
        ledger.tally(connection, campaign_id, 0, {state: -n, RecipientState.CANCELED: n})
        total += n
    return total


def cancel_leftovers(connection: Connection) -> dict[int, CampaignState]:
    """Cancel who still waits in canceled campaigns; return those campaigns."""
    statement = (
        select(tallies.c.campaign_id)
        .join(campaigns, campaigns.c.id == tallies.c.campaign_id)
        .where(
            campaigns.c.state == CampaignState.CANCELED,
            tallies.c.state.in_((RecipientState.QUEUED, RecipientState.DEFERRED)),
        )
        .group_by(tallies.c.campaign_id)
        .having(func.sum(tallies.c.n) > 0)
    )
    found = connection.execute(statement).scalars().all()
    return {id_: CampaignState.CANCELED for id_ in found if cancel_waiting(connection, id_)}


def finish_idle(connection: Connection) -> dict[int, CampaignState]:
    """Finish the campaigns in which nobody waits any more; return them."""
    open_ones = select(campaigns.c.id).where(
        campaigns.c.state.in_((CampaignState.SENDING, CampaignState.PAUSED))
    )
    found = connection.execute(open_ones).scalars().all()
    return {id_: CampaignState.FINISHED for id_ in found if ledger.finish(connection, id_)}


def vanished_batches(connection: Connection, *, queue_empty: bool) -> list[Errand]:
    """Return the batches that nobody runs although recipients wait in them, marked as woken now.

    Their Celery message was lost, or was never sent because Redis was down, or they have deferred
    recipients that are due again, or the sender had to rest.
    """
    now = now_ms()
    rest = rests.lasting(connection)
    if rest and rest.holds(now):
        return []
    before = now - (VANISHED_AFTER_MS if queue_empty else FORGOTTEN_AFTER_MS)
    forgotten = or_(batches.c.woken_at < before, batches.c.woken_at > now + CLOCKS_DIFFER_MS)
    waiting = exists().where(
        recipients.c.campaign_id == batches.c.campaign_id,
        recipients.c.state == RecipientState.QUEUED,
        recipients.c.id.between(batches.c.first_id, batches.c.last_id),
    )
    chosen = (
        select(batches.c.id, campaigns.c.priority)
        .join(campaigns, campaigns.c.id == batches.c.campaign_id)
        .where(campaigns.c.state == CampaignState.SENDING, forgotten, waiting)
        .order_by(campaigns.c.priority, batches.c.id)
        .limit(CHUNK)
    )
    errands = []
    for batch_id, priority in connection.execute(chosen).all():
        claimed = connection.execute(
            update(batches).where(batches.c.id == batch_id, forgotten).values(woken_at=now_ms())
        )
        if claimed.rowcount:
            errands.append(Errand(batch_id, priority))
    return errands


_END_SILENT = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND usename = current_user AND application_name = 'volley' "
    "AND backend_xid IS NOT NULL AND wait_event = 'ClientRead' AND query NOT LIKE 'COPY %' "
    "AND state_change < clock_timestamp() - make_interval(secs => :seconds)"
)
