"""Sending: a campaign's batches go to the workers, each as one Celery task that may come twice or never."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import structlog
from kombu import pools
from sqlalchemy.exc import DBAPIError

from mailing.delivery.turns import Ending
from mailing.ledger import batches
from mailing.ledger.batches import Errand
from tasks import processes
from tasks.app import SWEEP_EVERY_S, app

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailing.core.database import Database

YIELD_AFTER_S = 1.0  # how long a more important campaign may have to wait for a worker

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
        log.warning("the queue refuses batches; the sweeper will enqueue them", reason=str(error))
        with suppress(DBAPIError), database.write() as connection:  # else it takes some seconds more
            batches.lose(connection, errands)
        return False
    return True


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
        log.warning("the queue refuses the sweep; the next one continues", reason=str(error))


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
