"""Sending: a campaign's batches go to the workers, each as one Celery task that may come twice or never."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog
from celery import shared_task
from kombu.exceptions import OperationalError

from mailing.batches import Errand
from mailing.delivery import Ending
from tasks import processes
from tasks.app import app

if TYPE_CHECKING:
    from collections.abc import Sequence


YIELD_AFTER_S = 3.0  # how long a more important campaign may have to wait for a worker

log = structlog.get_logger()


def enqueue(errands: Sequence[Errand]) -> bool:
    """Give batches to the workers, after the commit that made them due. Blocking.

    Returns whether the queue took them. If it did not, nothing is lost: the sweeper gives them out once
    Redis is back.
    """
    try:
        with app.producer_pool.acquire(block=True, timeout=5) as producer:
            for errand in errands:
                send_batch.apply_async(
                    (errand.batch_id,), priority=errand.priority, producer=producer, retry=False
                )
    except (OperationalError, ConnectionError, TimeoutError) as error:
        log.warning("the queue cannot be reached; the sweeper will enqueue", reason=str(error))
        return False
    return True


@shared_task(name="volley.send_batch", bind=True)
def send_batch(self: Any, batch_id: int) -> str:
    """Send what waits in a batch; a batch that yields goes back to the end of its priority's queue."""
    structlog.contextvars.bind_contextvars(batch=batch_id, task_id=self.request.id)
    ending = processes.engine().send(batch_id, YIELD_AFTER_S)
    if ending in {Ending.YIELDED, Ending.HANDED_BACK}:
        priority = self.request.delivery_info.get("priority") or 0
        enqueue([Errand(batch_id, priority)])
    structlog.contextvars.unbind_contextvars("batch", "task_id")
    return ending.value
