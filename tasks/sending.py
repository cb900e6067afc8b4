"""Sending: a campaign's batches go to the workers, each as one Celery task that may come twice or never."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import structlog
from kombu import pools
from sqlalchemy.exc import DBAPIError

from mailing import batches, campaigns, events, sweeping, undertakings
from mailing.batches import Errand
from mailing.states import CampaignAction
from mailing.strides import Stride
from mailing.worklist import Ending
from tasks import processes
from tasks.app import SWEEP_EVERY_S, app

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailing.campaigns import Campaign
    from mailing.database import Database
    from mailing.decisions import Choice
    from mailing.states import RecipientAction
    from mailing.undertakings import Undertaking

AT_ONCE = 2_000  # recipients whom a person's wish moves while they wait for the answer
YIELD_AFTER_S = 3.0  # how long a more important campaign may have to wait for a worker

log = structlog.get_logger()


def enqueue(database: Database, errands: Sequence[Errand]) -> bool:
    """Give batches to the workers, after the commit that made them due. Blocking.

    Returns whether the queue took them. If it did not, nothing is lost: the first sweep after Redis is back
    gives them out.
    """
    if not errands:
        return True
    try:
        with pools.producers[app.connection_for_write()].acquire(block=True, timeout=5) as producer:
            for errand in errands:
                send_batch.apply_async(
                    (errand.batch_id,), priority=errand.priority, producer=producer, retry=False
                )
    except Exception as error:  # noqa: BLE001 - the send is committed: whatever it is, it must not seem to fail
        log.warning("the queue takes no batches; the sweeper will enqueue", reason=str(error))
        with suppress(DBAPIError), database.write() as connection:  # else it takes some seconds more
            batches.lose(connection, errands)
        return False
    return True


def act(database: Database, client: events.Client, campaign_id: int, action: CampaignAction) -> Campaign:
    """Send, pause, resume or cancel a campaign, and do what follows from it; return how it stands then.

    Blocking: wakes the workers, publishes the news, and moves the first of those whom a cancel leaves
    waiting; the sweep moves the others. Only the change itself may fail (``NotAllowed`` with the reason,
    or the database). With Redis away it is stored all the same, and the sweeper does the rest.
    """
    checked = None
    if action is CampaignAction.SEND:
        with database.read() as connection:
            checked = campaigns.ready(connection, campaign_id)
    with database.write() as connection:
        campaign = campaigns.act(connection, campaign_id, action, checked=checked)
        errands = batches.wake(connection, campaign_id) if action in _STARTS else ()
    events.publish(client, [events.campaign_changed(campaign_id, campaign.state)])
    enqueue(database, errands)
    if action is CampaignAction.CANCEL:
        _cancel_first(database, campaign_id)
        events.publish(client, [events.campaign_changed(campaign_id, campaign.state)])
    with database.read() as connection:
        campaign = campaigns.get(connection, campaign_id) or campaign
    if campaign.left_over:
        ask_for_a_sweep()
    return campaign


def decide(
    database: Database, client: events.Client, campaign_id: int, action: RecipientAction, choice: Choice
) -> Undertaking:
    """Retry, resend or mark as sent whom a person chose; return how many it moved, and whether it goes on.

    Blocking: moves the first of them, a piece per transaction; the sweep goes on with the others. Raises
    ``NotAllowed`` with the reason; whoever cancels or pauses in between ends it.
    """
    stride = Stride()
    with stride.write(database) as connection:
        done, errands = undertakings.begin(connection, campaign_id, action, choice, stride.rows)
    events.publish(client, [events.campaign_changed(campaign_id, done.campaign)])
    enqueue(database, errands)
    seen, begun = Stride().rows, done
    while done.going_on and seen < AT_ONCE:
        seen += stride.rows
        done = go_on(database, done, stride)
    if done.moved > begun.moved:
        events.publish(client, [events.campaign_changed(campaign_id, done.campaign)])
    if done.going_on or done.moved > begun.moved:
        ask_for_a_sweep()
    return done


def go_on(database: Database, done: Undertaking, stride: Stride) -> Undertaking:
    """Move the next ones that an undertaking is about; return how it stands then. Blocking."""
    with stride.write(database) as connection:
        undertakings.go_on(connection, stride.rows, done.id)
        return undertakings.find(connection, done.id) or done


def ask_for_a_sweep() -> None:
    """Have the workers sweep at once instead of within some seconds. Blocking; without Redis, in vain."""
    try:
        with pools.producers[app.connection_for_write()].acquire(block=True, timeout=5) as producer:
            # without ignore_result it would wait for the backend, twenty seconds if Redis is away
            app.send_task(
                "volley.sweep",
                priority=0,
                expires=SWEEP_EVERY_S,
                ignore_result=True,
                producer=producer,
                retry=False,
            )
    except Exception as error:  # noqa: BLE001 - beat asks for one all the same
        log.warning("the queue takes no sweep; the next one does the rest", reason=str(error))


_STARTS = frozenset({CampaignAction.SEND, CampaignAction.RESUME})


def _cancel_first(database: Database, campaign_id: int) -> None:
    """Cancel the first of those who wait, a piece per transaction, so that no worker's result waits long."""
    stride, moved, total = Stride(), 1, 0
    while moved and total < AT_ONCE:
        with stride.write(database) as connection:
            moved = sweeping.cancel_waiting(connection, campaign_id, stride.rows)
        total += moved


@app.task(name="volley.send_batch", bind=True, ignore_result=True)  # else each call waits for the backend
def send_batch(self: Any, batch_id: int) -> str:
    """Send what waits in a batch; a batch that yields goes back to the end of its priority's queue."""
    structlog.contextvars.bind_contextvars(batch=batch_id, task_id=self.request.id)
    ending = processes.engine().send(batch_id, YIELD_AFTER_S)
    if ending in {Ending.YIELDED, Ending.HANDED_BACK}:
        priority = self.request.delivery_info.get("priority") or 0
        enqueue(processes.database(), [Errand(batch_id, priority)])
    structlog.contextvars.unbind_contextvars("batch", "task_id")
    return ending.value
