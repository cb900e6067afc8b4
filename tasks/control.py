"""Remote control: what the workers page asks of one worker process, over Celery's control channel.

Every worker hears every command and answers with its name; only the one that is meant obeys. What was
asked lasts until the process ends: its successor begins as the settings say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import redis
import structlog
from celery.worker.control import control_command
from kombu.exceptions import OperationalError

from tasks import processes
from tasks.app import QUEUE, app

if TYPE_CHECKING:
    from collections.abc import Mapping

ANSWER_S = 2.0
CONNECTIONS = range(1, 201)  # that one worker process may have

log = structlog.get_logger()


class Unanswered(Exception):  # noqa: N818 - an answer that did not come, not a malfunction
    """The worker did not confirm the command. It may still carry it out later."""


def take_batches(worker: str, *, consuming: bool, workers: int) -> None:
    """Have a worker take batches from the queue, or take no more; what it holds goes on. Blocking.

    ``worker`` is its name, ``workers`` how many are there to answer. Raises ``Unanswered``.
    """
    _ask("volley_take_batches", worker, workers, {"consuming": consuming})


def resize(worker: str, connections: int, *, workers: int) -> None:
    """Have a worker open at most so many SMTP connections, one of ``CONNECTIONS``. Blocking.

    Raises ``Unanswered``.
    """
    _ask("volley_resize", worker, workers, {"connections": connections})


def _ask(command: str, worker: str, workers: int, arguments: Mapping[str, Any]) -> None:
    try:
        # A connection of its own: a pooled one may be of a Redis that is gone, and waits for it for ever.
        with app.connection_for_write() as connection:
            mailbox = cast("Any", app.control).mailbox(connection)
            mailbox.producer_pool = None
            asked = {"worker": worker, **arguments}
            answers = mailbox.multi_call(command, asked, timeout=ANSWER_S, limit=max(workers, 1))
    except (OperationalError, redis.RedisError, OSError) as error:
        log.warning("the control channel cannot be reached", reason=str(error))
        raise Unanswered from None
    if {"worker": worker, "obeyed": True} not in [
        said for answer in answers or () for said in answer.values()
    ]:
        raise Unanswered


@control_command(name="volley_take_batches", visible=False)
def _take_batches(state: Any, worker: str, consuming: bool) -> dict[str, Any]:  # noqa: FBT001 - Celery's call
    engine = processes.engine()
    if meant := worker == engine.name:
        consumer = state.consumer
        consumer.call_soon(consumer.add_task_queue if consuming else consumer.cancel_task_queue, QUEUE)
        engine.take_batches(consuming=consuming)
    return {"worker": engine.name, "obeyed": meant}


@control_command(name="volley_resize", visible=False)
def _resize(state: Any, worker: str, connections: int) -> dict[str, Any]:
    del state
    engine = processes.engine()
    if meant := worker == engine.name and connections in CONNECTIONS:
        engine.resize(connections)
    return {"worker": engine.name, "obeyed": meant}
