"""Whole campaigns through real Celery workers, counted at a sink that is no part of Volley."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest
from kombu import pools
from sqlalchemy import func, select, text, update

from mailing.campaigns.drafts import Draft
from mailing.core.clock import now_ms
from mailing.core.states import CampaignAction, CampaignState, RecipientState
from mailing.core.tables import attempts, recipients
from mailing.ledger import batches, leases
from mailing.reports import paces
from tasks.app import app, use
from tasks.sending import enqueue
from tests.support.clock import within
from tests.support.sent import DRAFT, addresses, assert_everybody_got_it_once
from tests.support.stack import quickest, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.stack import Stack


def test_nine_addresses_are_sent_in_parallel_in_about_a_second(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack(connections=5, think_s=0.3)
    stack.start("redis", "sink", "worker", "beat")
    campaign_ids = []

    def send() -> float:
        campaign_ids.append(stack.send(DRAFT, addresses(9)))
        campaign = stack.wait_for(campaign_ids[-1])
        assert campaign.finished_at
        assert campaign.started_at
        return (campaign.finished_at - campaign.started_at) / 1000

    assert quickest(send, 2) < 2  # one after the other: 2.7
    assert set(stack.delivered().values()) == {len(campaign_ids)}
    assert len(stack.delivered()) == 9


def test_every_attempt_is_logged_with_its_worker_server_times_and_verbatim_reply(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack()
    stack.start("redis", "sink", "worker", "beat")
    stack.wait_for(stack.send(DRAFT, addresses(3)))
    with stack.db.read() as connection:
        rows = connection.execute(select(attempts)).all()
    assert len(rows) == 3
    for row in rows:
        assert (row.number, row.result, row.code, row.enhanced) == (1, "sent", 250, "2.0.0")
        assert row.reply == "250 2.0.0 Ok"
        assert row.server == f"127.0.0.1:{stack.smtp_port}"
        assert row.started_at <= row.ended_at <= now_ms()


def test_the_demo_inbox_shows_every_fate(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack(connections=2)
    stack.start("redis", "inbox", "worker", "beat")
    people = [f"p{what}@x.example" for what in ("", "+bounce", "+full", "+later", "+slow", "+drop")]
    campaign_id = stack.send(DRAFT, people)

    def settled() -> bool:
        counts = stack.campaign(campaign_id).counts
        return not counts[RecipientState.QUEUED] and not counts[RecipientState.SENDING]

    wait_until(settled, "everybody was tried once")
    counts = stack.campaign(campaign_id).counts
    assert counts[RecipientState.SENT] == 2
    assert counts[RecipientState.FAILED] == 1
    assert counts[RecipientState.DEFERRED] == 2
    assert counts[RecipientState.UNKNOWN] == 1
    with stack.db.write() as connection:  # an hour passes
        connection.execute(
            update(recipients).where(recipients.c.state == "deferred").values(due_at=now_ms() - 1)
        )
    stack.wait_for_count(campaign_id, RecipientState.SENT, 3)  # +later is taken the second time


def test_a_killed_worker_loses_and_doubles_nothing(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack(connections=5, think_s=0.01)
    stack.start("redis", "sink", "worker", "beat")
    n = 1500
    campaign_id = stack.send(DRAFT, addresses(n))
    stack.wait_for_count(campaign_id, RecipientState.SENT, 200)
    os.kill(stack.worker_pids()[0], signal.SIGKILL)
    campaign = stack.wait_for(campaign_id, patience_s=60)
    delivered = stack.delivered()
    unknown = campaign.counts[RecipientState.UNKNOWN]
    assert unknown <= 2 * stack.connections
    assert campaign.counts[RecipientState.SENT] + unknown == n
    assert max(delivered.values()) == 1
    with stack.db.read() as connection:
        sent = set(
            connection.execute(select(recipients.c.email).where(recipients.c.state == "sent")).scalars()
        )
    assert sent <= delivered.keys()


def test_a_worker_asked_to_stop_finishes_what_is_in_flight_and_leaves_no_doubt(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack(connections=5, think_s=0.05)
    stack.start("redis", "sink", "worker", "beat")
    campaign_id = stack.send(DRAFT, addresses(600))
    stack.wait_for_count(campaign_id, RecipientState.SENT, 50)
    stack.stop("worker")
    counts = stack.campaign(campaign_id).counts
    assert counts[RecipientState.SENDING] == counts[RecipientState.UNKNOWN] == 0
    assert counts[RecipientState.SENT] == sum(stack.delivered().values())
    stack.start("worker")
    stack.wait_for(campaign_id)
    assert_everybody_got_it_once(stack, campaign_id, 600)


def test_pause_takes_effect_within_a_second_even_when_the_server_is_slow(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack(connections=4, think_s=0.4)
    stack.start("redis", "sink", "worker", "beat")
    campaign_id = stack.send(DRAFT, addresses(60))
    stack.wait_for_count(campaign_id, RecipientState.SENT, 8)
    stack.act(campaign_id, CampaignAction.PAUSE)
    time.sleep(1)  # P4 grants one second
    then = sum(stack.delivered().values())
    counts = stack.campaign(campaign_id).counts
    assert counts[RecipientState.SENDING] == 0
    time.sleep(1)  # nothing more leaves
    assert sum(stack.delivered().values()) == then < 60
    stack.act(campaign_id, CampaignAction.RESUME)
    stack.wait_for(campaign_id)
    assert_everybody_got_it_once(stack, campaign_id, 60)


def test_cancel_leaves_every_recipient_either_ended_or_canceled(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack(connections=4, think_s=0.1)
    stack.start("redis", "sink", "worker", "beat")
    campaign_id = stack.send(DRAFT, addresses(300))
    stack.wait_for_count(campaign_id, RecipientState.SENT, 8)
    stack.act(campaign_id, CampaignAction.CANCEL)
    wait_until(lambda: stack.campaign(campaign_id).waiting == 0, "nobody waits")
    counts = stack.campaign(campaign_id).counts
    assert counts[RecipientState.SENT] + counts[RecipientState.CANCELED] == 300
    assert counts[RecipientState.SENT] == sum(stack.delivered().values())


def test_without_redis_a_campaign_is_stored_and_starts_by_itself_once_redis_is_back(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack()
    stack.start("redis", "sink", "worker", "beat")
    stack.stop("redis")
    campaign_id = stack.send(DRAFT, addresses(40))
    assert stack.campaign(campaign_id).state is CampaignState.SENDING
    stack.start("redis")
    stack.wait_for(campaign_id)
    assert_everybody_got_it_once(stack, campaign_id, 40)


def test_flushing_redis_in_mid_campaign_loses_and_doubles_nothing(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack(connections=5, think_s=0.02)
    stack.start("redis", "sink", "worker", "beat")
    campaign_id = stack.send(DRAFT, addresses(1500))
    stack.wait_for_count(campaign_id, RecipientState.SENT, 200)
    stack.redis.flushall()
    stack.wait_for(campaign_id, patience_s=60)
    assert_everybody_got_it_once(stack, campaign_id, 1500)


def test_with_the_smtp_server_down_recipients_are_deferred_with_the_reason_and_leave_later(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack()
    stack.start("redis", "worker", "beat")
    campaign_id = stack.send(DRAFT, addresses(6))
    stack.wait_for_count(campaign_id, RecipientState.DEFERRED, 6)
    with stack.db.read() as connection:
        reasons = connection.execute(select(attempts.c.reply)).scalars().all()
        notices = [worker.notice for worker in leases.alive(connection)]
    assert len(reasons) == 6
    assert all(f"127.0.0.1:{stack.smtp_port}" in reason for reason in reasons)
    assert {notice.code for notice in notices if notice} == {"smtp.connection-refused"}
    stack.start("sink")
    with stack.db.write() as connection:  # a minute passes
        connection.execute(
            update(recipients).where(recipients.c.state == "deferred").values(due_at=now_ms() - 1)
        )
    stack.wait_for(campaign_id, patience_s=60)
    assert_everybody_got_it_once(stack, campaign_id, 6)


def test_a_database_locked_for_five_seconds_loses_nothing(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack(connections=5, think_s=0.02)
    stack.start("redis", "sink", "worker", "beat")
    campaign_id = stack.send(DRAFT, addresses(800))
    stack.wait_for_count(campaign_id, RecipientState.SENT, 100)
    with stack.db.write() as connection:
        if not stack.db.sqlite:
            connection.execute(text("LOCK TABLE recipients IN ACCESS EXCLUSIVE MODE"))
        time.sleep(5)  # the fault itself
    stack.wait_for(campaign_id, patience_s=60)
    assert_everybody_got_it_once(stack, campaign_id, 800)


def test_the_same_batches_delivered_three_times_at_once_send_once(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack(connections=5, think_s=0.01)
    stack.start("redis", "sink", "worker", "beat")
    campaign_id = stack.send(DRAFT, addresses(600))
    with stack.db.write() as connection:
        errands = batches.wake(connection, campaign_id)
    threads = [threading.Thread(target=enqueue, args=(stack.db, errands)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stack.wait_for(campaign_id)
    assert_everybody_got_it_once(stack, campaign_id, 600)


def test_a_send_while_too_many_others_talk_to_the_queue_is_only_later(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack(connections=2)
    stack.start("redis", "sink", "worker", "beat")
    use(stack.settings)
    producers = pools.producers[app.connection_for_write()]
    with contextlib.ExitStack() as others:
        for _ in range(producers.limit):
            others.enter_context(producers.acquire(block=True))
        campaign_id = stack.send(DRAFT, addresses(3))
    stack.wait_for(campaign_id, patience_s=60)
    assert_everybody_got_it_once(stack, campaign_id, 3)


def test_an_urgent_campaign_does_not_wait_for_a_long_one(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack(workers=1, connections=4, think_s=0.1)
    stack.start("redis", "sink", "worker", "beat")
    stack.send(Draft(DRAFT.sender_from, "slow", "slow", priority=9), addresses(2000))
    urgent = stack.send(Draft(DRAFT.sender_from, "urgent", "urgent", priority=0), ["vip@x.example"])
    campaign = stack.wait_for(urgent)
    assert campaign.finished_at
    assert campaign.started_at
    assert campaign.finished_at - campaign.started_at < 20_000  # after the long one: 50 s


def test_a_refusal_that_is_the_senders_fault_pauses_the_campaign_and_blames_nobody(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack(extra={"VOLLEY_SMTP_URL": "smtp://user:wrong@127.0.0.1:1"})
    stack.env["VOLLEY_SMTP_URL"] = f"smtp://user:wrong@127.0.0.1:{stack.smtp_port}"
    stack.start("redis", "sink", "worker", "beat")  # the sink offers no AUTH
    campaign_id = stack.send(DRAFT, addresses(5))
    campaign = stack.wait_for(campaign_id, "paused")
    assert "sign-in" in str(campaign.paused_reason)
    wait_until(lambda: stack.campaign(campaign_id).counts[RecipientState.QUEUED] == 5, "all wait again")
    assert not stack.delivered()


@pytest.mark.parametrize("name", ["worker", "redis"])
def test_nothing_stays_behind_when_a_process_is_asked_to_stop(
    make_stack: Callable[..., Stack], name: str
) -> None:
    stack = make_stack()
    stack.start("redis", "worker")
    pids = [stack.processes[name].pid, *stack.worker_pids()] if name == "worker" else []
    with within(5):
        stack.stop(name)
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_the_log_of_a_campaign_counts_as_many_attempts_as_the_pace(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack()
    stack.start("redis", "sink", "worker", "beat")
    campaign = stack.wait_for(stack.send(DRAFT, addresses(50)))
    with stack.db.read() as connection:
        logged = connection.execute(select(func.count()).select_from(attempts)).scalar_one()
        average = paces.course(connection, campaign, campaign.finished_at).average
    assert logged == 50
    assert average.n == 50
    assert average.ms == campaign.finished_at - campaign.started_at
