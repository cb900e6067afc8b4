"""Upkeep: the sweep that beat asks for every few seconds. Running it twice is harmless."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import redis
import structlog
from sqlalchemy.exc import DBAPIError

from mailing import clock, database_errors, drafts, events, sweeping, workers
from mailing.states import CampaignState
from mailing.strides import Stride
from tasks import processes, queues
from tasks.app import app
from tasks.sending import enqueue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from mailing.database import Database

CARRY_S = 1.0  # how long one sweep goes on with what is long

log = structlog.get_logger()
_leases = workers.Leases()  # of this process: each sweeping process looks for itself


@app.task(name="volley.sweep", ignore_result=True)
def sweep() -> None:
    """End dead workers' leases, wake what is due, give lost batches out again, finish campaigns."""
    try:
        _sweep(processes.database())
        carry_on(processes.database())
    except DBAPIError as error:
        reason = database_errors.sentence(error, processes.database().url)
        log.warning("the sweep ended early; the next one goes on", reason=reason)


def _sweep(database: Database) -> None:
    with database.read() as connection:
        silent = sweeping.end_silent_writers(connection)
    with _brief(database) as connection:
        expired = _leases.end_expired(connection, time.monotonic())
        lost = sweeping.abandon(connection)
        woken = sweeping.wake_deferred(connection)
    with _brief(database) as connection:
        changed = {**sweeping.cancel_leftovers(connection), **sweeping.finish_idle(connection)}
    queue_empty = _queue_is_empty()
    with _brief(database) as connection:
        errands = sweeping.vanished_batches(connection, queue_empty=queue_empty)
    if silent or expired or lost:
        log.warning("workers died", sessions_ended=silent, leases_ended=expired, unknown=sum(lost.values()))
    if errands:
        log.info("batches given out again", batches=len(errands))
        enqueue(database, errands)
    news = [events.campaign_changed(id_, CampaignState.SENDING) for id_ in {*lost, *woken} - changed.keys()]
    news += [events.campaign_changed(id_, state) for id_, state in changed.items()]
    if news:
        events.publish(processes.redis_client(), news)


def carry_on(database: Database) -> None:
    """Do a second's worth of what is too long for one transaction, and rest as long as each of them took."""
    until, stride = clock.steady_s() + CARRY_S, Stride()
    more = True
    while more and clock.steady_s() < until:
        with stride.write(database) as connection:
            sweeping.be_brief(connection)
            more = drafts.remove_remains(connection, stride.rows)
        time.sleep(stride.took_s)


@contextmanager
def _brief(database: Database) -> Iterator[Connection]:
    with database.write() as connection:
        sweeping.be_brief(connection)
        yield connection


def _queue_is_empty() -> bool:
    """Whether Redis holds no batch that waits for a worker."""
    client = processes.redis_client()
    pipeline = client.pipeline(transaction=False)
    queues.ask(pipeline, client.prefix)
    try:
        return not any(queues.depths(pipeline.execute()).waiting)
    except redis.RedisError:
        return False
