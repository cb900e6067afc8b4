"""Upkeep: the sweep that beat asks for every few seconds. Running it twice is harmless."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

import redis
import structlog
from sqlalchemy.exc import DBAPIError

from mailing.accounts import leftovers
from mailing.bounces import store as bounces
from mailing.campaigns import drafts
from mailing.contacts import leftovers as of_lists
from mailing.core import clock, database_errors
from mailing.core.states import CampaignState
from mailing.core.strides import Stride
from mailing.delivery import sweeper
from mailing.domains import keys as dkim_keys
from mailing.domains import reports as dmarc_reports
from mailing.ledger import dialogues, lanes, leases, usage
from mailing.library import files
from mailing.recipients import forgetting, undertakings
from mailing.redis import events
from mailing.senders import warming
from mailing.suppression import store as suppressions
from tasks import imports, processes, queues, receivers, starts
from tasks.app import app
from tasks.sending import enqueue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from mailing.core.database import Database

CARRY_S = 1.5  # how long one sweep spends on long work
FILES = 5  # that one transaction removes: each may have 10 MB
EXPIRED = 500  # suppressions that one sweep removes
QUEUED = 1_000  # batches that wait in Redis at each step of priority

Piece: TypeAlias = "Callable[[Connection, int], dict[int, CampaignState] | None]"

log = structlog.get_logger()
_leases = leases.Leases()  # of this process: each sweeping process looks for itself


@app.task(name="volley.sweep", ignore_result=True)
def sweep() -> None:
    """End leases of the dead, start and wake what is due, give batches out, go on with long work."""
    try:
        _sweep(processes.database())
    except DBAPIError as error:
        reason = database_errors.sentence(error, processes.database().url)
        log.warning("the sweep ended early; the next one continues", reason=reason)


def _sweep(database: Database) -> None:
    with database.read() as connection:
        silent = sweeper.end_silent_writers(connection)
    with _brief(database) as connection:
        expired = _leases.end_expired(connection, time.monotonic())
    lost = _abandon(database)
    if silent or expired or lost:
        log.warning("workers lost", sessions_ended=silent, leases_ended=expired, unknown=sum(lost.values()))
    forgetting.go_on(database)
    starts.start_due(database)
    carrying = Carrying(database)
    carrying.go_round()
    with _brief(database) as connection:
        changed = sweeper.judge_canaries(connection) | sweeper.finish_idle(connection)
        lanes.forget(connection)
        warming.advance(connection)
        suppressions.expire(connection, EXPIRED)
        dkim_keys.advance(connection)
        sweeper.forget_closed(connection)
    _tell({**dict.fromkeys(lost, CampaignState.SENDING), **carrying.news(), **changed})
    _give_out(database)
    imports.give_out(database)
    receivers.give_out(database)
    until = clock.steady_s() + CARRY_S
    while carrying.busy and clock.steady_s() < until:
        carrying.go_round()
    _tell(carrying.news())


class Carrying:
    """Work too long for one transaction, done a piece of each kind in turn.

    Others get as much time to write.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._news: dict[int, CampaignState] = {}
        self.busy: dict[Piece, Stride] = {piece: Stride() for piece in _PIECES}  # those that may have more

    def go_round(self) -> None:
        """Do a piece of each that has one."""
        for piece, stride in list(self.busy.items()):
            with stride.write(self._database) as connection:
                sweeper.be_brief(connection)
                changed = piece(connection, stride.rows)
            if changed is None:
                del self.busy[piece]
                continue
            self._news |= changed
            time.sleep(stride.took_s)

    def news(self) -> dict[int, CampaignState]:
        """Return the states of the campaigns in which somebody was moved since this was asked last."""
        news, self._news = self._news, {}
        return news


def _wake(connection: Connection, rows: int) -> dict[int, CampaignState] | None:
    return dict.fromkeys(sweeper.wake_deferred(connection, rows), CampaignState.SENDING) or None


def _cancel(connection: Connection, rows: int) -> dict[int, CampaignState] | None:
    return sweeper.cancel_leftovers(connection, rows) or None


def _decide(connection: Connection, rows: int) -> dict[int, CampaignState] | None:
    done = undertakings.go_on(connection, rows)
    return {done.campaign_id: done.campaign} if done else None


def _remove(connection: Connection, rows: int) -> dict[int, CampaignState] | None:
    return {} if drafts.remove_remains(connection, rows) else None


def _tidy(connection: Connection, rows: int) -> dict[int, CampaignState] | None:
    return {} if leftovers.remove(connection, rows) else None


def _clear(connection: Connection, _rows: int) -> dict[int, CampaignState] | None:
    return {} if files.remove_unused(connection, FILES) else None


def _forget(connection: Connection, rows: int) -> dict[int, CampaignState] | None:
    days = processes.dialogue_days()
    old = dialogues.forget(connection, days, rows) or bounces.forget(connection, days, rows)
    old = old or dmarc_reports.forget(connection, rows)
    return {} if old or usage.forget(connection, rows) else None


def _unlist(connection: Connection, rows: int) -> dict[int, CampaignState] | None:
    return {} if of_lists.remove(connection, rows) else None


_PIECES = (_wake, _cancel, _decide, _remove, _tidy, _clear, _unlist, _forget)


def _abandon(database: Database) -> Counter[int]:
    lost, stride = Counter[int](), Stride()
    found: Mapping[int, int] | None = None
    while found is None or found:
        with stride.write(database) as connection:
            sweeper.be_brief(connection)
            found = sweeper.abandon(connection, stride.rows)
        lost.update(found)
    return lost


def _give_out(database: Database) -> None:
    """Fill the queue up. With more in it than this, batches would only wait there instead of here."""
    waiting = _waiting()
    for step, end, n in zip(queues.STEPS, (*queues.STEPS[1:], 10), waiting, strict=True):
        if n >= QUEUED:
            continue
        with _brief(database) as connection:
            errands = sweeper.vanished_batches(
                connection, queue_empty=not any(waiting), priorities=range(step, end), most=QUEUED - n
            )
        if errands:
            log.info("batches enqueued", batches=len(errands))
            enqueue(database, errands)


def _tell(changed: Mapping[int, CampaignState]) -> None:
    if changed:
        news = [events.campaign_changed(id_, state) for id_, state in changed.items()]
        events.publish(processes.redis_client(), news)


@contextmanager
def _brief(database: Database) -> Iterator[Connection]:
    with database.write() as connection:
        sweeper.be_brief(connection)
        yield connection


def _waiting() -> Sequence[int]:
    """Return how many batches wait for a worker in Redis, by the steps of priority."""
    client = processes.redis_client()
    pipeline = client.pipeline(transaction=False)
    queues.ask(pipeline, client.prefix)
    try:
        return queues.depths(pipeline.execute()).waiting
    except redis.RedisError:
        return [QUEUED] * len(queues.STEPS)
