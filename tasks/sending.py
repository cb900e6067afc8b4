"""Sending: a campaign's batches go to the workers, each as one Celery task that may come twice or never."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import structlog
from kombu import pools
from sqlalchemy.exc import DBAPIError

from mailing import batches, campaigns, decisions, events, sweeping
from mailing.batches import Errand
from mailing.campaigns import NotAllowed
from mailing.states import CampaignAction
from mailing.worklist import Ending
from tasks import processes
from tasks.app import app

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailing.campaigns import Campaign
    from mailing.database import Database
    from mailing.decisions import Choice
    from mailing.states import RecipientAction

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

    Blocking: wakes the workers, publishes the news, and moves the recipients that a cancel leaves waiting.
    Only the change itself may fail (``NotAllowed`` with the reason, or the database). With Redis away it is
    stored all the same, and the sweeper does the rest.
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
        _cancel_waiting(database, campaign_id)
        events.publish(client, [events.campaign_changed(campaign_id, campaign.state)])
    with database.read() as connection:
        return campaigns.get(connection, campaign_id) or campaign


def decide(
    database: Database, client: events.Client, campaign_id: int, action: RecipientAction, choice: Choice
) -> int:
    """Retry, resend or mark as sent whom a person chose; return how many it moved.

    Blocking: a chunk per transaction, so that no worker's result has to wait long, and after each its news
    and its batches. Raises ``NotAllowed`` with the reason; whoever cancels in between ends it.
    """
    total = after = 0
    while True:
        try:
            with database.write() as connection:
                step = decisions.decide(connection, campaign_id, action, choice, after=after)
        except NotAllowed:
            if total:
                return total
            raise
        if not step.moved:
            return total
        total, after = total + len(step.moved), step.moved[-1]
        events.publish(client, [events.campaign_changed(campaign_id, step.campaign)])
        enqueue(database, step.errands)
        if len(step.moved) < decisions.CHUNK:
            return total


_STARTS = frozenset({CampaignAction.SEND, CampaignAction.RESUME})


def _cancel_waiting(database: Database, campaign_id: int) -> None:
    """Cancel who waits, a chunk per transaction, so that no worker's result has to wait long."""
    moved = 1
    while moved:
        with database.write() as connection:
            moved = sweeping.cancel_waiting(connection, campaign_id)


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
