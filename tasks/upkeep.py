"""Upkeep: the sweep that beat asks for every few seconds. Running it twice is harmless."""

from __future__ import annotations

import time

import redis
import structlog

from mailing import events, sweeping, workers
from mailing.states import CampaignState
from tasks import processes
from tasks.app import QUEUE, app
from tasks.sending import enqueue

log = structlog.get_logger()
_leases = workers.Leases()  # of this process: each sweeping process looks for itself


@app.task(name="volley.sweep", ignore_result=True)
def sweep() -> None:
    """End dead workers' leases, wake what is due, give lost batches out again, finish campaigns."""
    database = processes.database()
    with database.write() as connection:
        expired = _leases.end_expired(connection, time.monotonic())
        lost = sweeping.abandon(connection)
        woken = sweeping.wake_deferred(connection)
    with database.write() as connection:
        changed = {**sweeping.cancel_leftovers(connection), **sweeping.finish_idle(connection)}
    with database.write() as connection:
        errands = sweeping.vanished_batches(connection, queue_empty=_queue_is_empty())
    if expired or lost:
        log.warning("workers died", leases_ended=expired, unknown=sum(lost.values()))
    if errands:
        log.info("batches given out again", batches=len(errands))
        enqueue(errands)
    news = [events.campaign_changed(id_, CampaignState.SENDING) for id_ in {*lost, *woken} - changed.keys()]
    news += [events.campaign_changed(id_, state) for id_, state in changed.items()]
    if news:
        events.publish(processes.redis_client(), news)


def _queue_is_empty() -> bool:
    """Whether Redis holds no batch that waits for a worker."""
    client = processes.redis_client()
    steps = app.conf.broker_transport_options.get("priority_steps", (0, 3, 6, 9))
    try:
        lengths = [client.llen(QUEUE if step == 0 else f"{QUEUE}\x06\x16{step}") for step in steps]
    except redis.RedisError:
        return False
    return not any(lengths)
