"""Real workers obey what the workers page asks of them, and tell what is so."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import pytest
from celery.worker.heartbeat import Heart
from kombu.exceptions import OperationalError
from sqlalchemy import select

from mailing.campaigns.drafts import Draft
from mailing.core.states import RecipientState
from mailing.core.tables import workers as table
from mailing.ledger import leases
from tasks import control
from tasks.app import app, use
from tests.support.stack import wait_until

if TYPE_CHECKING:
    from tests.support.stack import Stack

DRAFT = Draft("Club <club@sender.example>", "Hello", "Dear {{ email }}.\n")


def people(n: int) -> list[str]:
    return [f"user{i}@domain.example" for i in range(n)]


def told(stack: Stack, name: str):
    """What a worker process told about itself with its last beat."""
    with stack.db.read() as connection:
        return connection.execute(
            select(table).where(table.c.name == name).order_by(table.c.id.desc()).limit(1)
        ).one()


def started(stack: Stack) -> Stack:
    """Start it and wait until every worker hears commands, which is later than its first sign of life."""
    stack.start("redis", "sink", "worker", "beat")
    use(stack.settings)
    for name in stack.alive():
        wait_until(lambda name=name: obeys(name, stack), f"{name} hears commands")
    return stack


def obeys(name: str, stack: Stack) -> bool:
    try:
        control.resize(name, stack.connections, workers=stack.workers)
    except control.Unanswered:
        return False
    return True


@pytest.fixture
def stack(make_stack):
    return started(make_stack(connections=2, think_s=0.02))


def test_a_worker_that_takes_no_more_batches_leaves_them_to_the_others_and_says_so(stack: Stack):
    one, other = stack.alive()
    control.take_batches(one, consuming=False, workers=2)
    wait_until(lambda: not told(stack, one).consuming, "it says so")
    campaign_id = stack.send(DRAFT, people(60))
    stack.wait_for(campaign_id)
    assert told(stack, one).done == 0
    wait_until(lambda: told(stack, other).done == 60, "the other did it all")
    control.take_batches(other, consuming=False, workers=2)
    campaign_id = stack.send(DRAFT, people(20))
    control.take_batches(one, consuming=True, workers=2)
    stack.wait_for(campaign_id)
    wait_until(
        lambda: told(stack, one).consuming and told(stack, one).done == 20, "the first is back at work"
    )


def test_a_worker_that_was_stopped_takes_nothing_after_redis_came_back_either(stack: Stack):
    one, other = stack.alive()
    control.take_batches(one, consuming=False, workers=2)
    stack.kill("redis")
    stack.start("redis")

    wait_until(lambda: obeys(one, stack) and obeys(other, stack), "both hear commands again")
    stack.wait_for(stack.send(DRAFT, people(40)))
    assert not told(stack, one).consuming
    assert told(stack, one).done == 0
    control.take_batches(one, consuming=True, workers=2)
    control.take_batches(other, consuming=False, workers=2)
    stack.wait_for(stack.send(DRAFT, people(10)))
    wait_until(lambda: told(stack, one).done == 10, "it takes batches from the new connection")


def test_more_connections_send_more_at_once_and_fewer_end_the_surplus_without_loss(make_stack):
    stack = started(make_stack(workers=1, connections=1, think_s=0.1))
    [one] = stack.alive()
    campaign_id = stack.send(DRAFT, people(400))
    stack.wait_for_count(campaign_id, RecipientState.SENT, 3)
    control.resize(one, 20, workers=1)
    wait_until(lambda: told(stack, one).in_flight > 20, "more is in flight")
    assert told(stack, one).connections == 20
    control.resize(one, 2, workers=1)
    wait_until(lambda: told(stack, one).connections == 2 and told(stack, one).in_flight <= 4, "less is")
    control.resize(one, 30, workers=1)
    campaign = stack.wait_for(campaign_id)
    assert campaign.counts[RecipientState.SENT] == 400
    assert set(stack.delivered().values()) == {1}


def test_a_worker_that_does_not_answer_is_not_said_to_obey(stack: Stack):
    one, _other = stack.alive()
    with pytest.raises(control.Unanswered):
        control.take_batches("elsewhere:1", consuming=False, workers=2)
    with pytest.raises(control.Unanswered):
        control.resize(one, 0, workers=2)
    assert told(stack, one).connections == 2
    pid = int(one.rpartition(":")[2])
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(control.Unanswered):
            control.resize(one, 5, workers=2)
    finally:
        os.kill(pid, signal.SIGCONT)
    stack.kill("redis")
    with pytest.raises(control.Unanswered):
        control.resize(one, 5, workers=2)
    stack.start("redis")  # so that the workers, which look for it, end in order


def test_a_worker_that_ended_in_order_holds_no_connection_and_one_that_died_keeps_what_it_said(stack: Stack):
    one, other = stack.alive()
    wait_until(lambda: told(stack, one).connections == 2, "it told")
    os.kill(int(one.rpartition(":")[2]), signal.SIGKILL)
    wait_until(lambda: told(stack, one).ended_at, "the supervisor ends it")
    assert told(stack, one).connections == 2
    stack.stop("worker")
    assert told(stack, other).ended_at
    assert told(stack, other).connections == 0
    with stack.db.read() as connection:
        assert not leases.alive(connection)


def beat(connection):
    return partial(Heart(None, app.events.Dispatcher(connection))._send, "worker-heartbeat")


def answer(connection):
    node = app.control.mailbox.Node("volley", channel=connection.channel())

    def reply():
        with suppress(OperationalError):
            node.reply({"volley": {}}, "reply.celery.pidbox", "somebody", "ticket")

    return reply


@pytest.mark.parametrize("saying", [beat, answer])
def test_no_worker_waits_for_a_redis_that_is_gone_to_tell_it_something(make_stack, saying):
    """Celery does, for ever, in the thread that has to see that the worker is asked to stop."""
    stack = make_stack()
    stack.start("redis")
    use(stack.settings)
    with app.connection_for_write() as connection:
        say = saying(connection)
        say()
        stack.kill("redis")
        thread = threading.Thread(target=say, daemon=True)
        thread.start()
        thread.join(5)
        assert not thread.is_alive()
