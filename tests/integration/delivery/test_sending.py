"""Whole campaigns through real Celery workers, counted at a sink that is no part of Volley."""

from __future__ import annotations

import contextlib
import email
import email.policy
import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest
from kombu import pools
from sqlalchemy import func, select, text, update

from mailing import demo_inbox_file
from mailing.addresses.parsing import parse_pasted, parse_rows
from mailing.campaigns import drafts
from mailing.campaigns.drafts import Draft
from mailing.campaigns.lifecycle import act as act_on
from mailing.core.clock import now_ms
from mailing.core.states import CampaignAction, CampaignState, RecipientState
from mailing.core.tables import attempts, campaigns, recipients
from mailing.ledger import batches, leases
from mailing.library import files
from mailing.reports import paces
from tasks.app import app, use
from tasks.sending import enqueue
from tests.support.clock import within
from tests.support.stack import quickest, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.stack import Stack

DRAFT = Draft("Club <club@sender.example>", "Hello {{ name }}", "Dear {{ name }},\nyou are {{ email }}.\n")


def addresses(n: int) -> list[str]:
    return [f"User {i} <user{i}@domain{i % 7}.example>" for i in range(n)]


def assert_everybody_got_it_once(stack: Stack, campaign_id: int, n: int) -> None:
    """Compare the ledger with what the sink wrote down."""
    campaign = stack.campaign(campaign_id)
    assert campaign.counts[RecipientState.SENT] == n
    delivered = stack.delivered()
    assert len(delivered) == n
    assert max(delivered.values()) == 1


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


def test_files_reach_each_recipient_as_they_were_brought(make_stack: Callable[..., Stack]) -> None:
    """An image within the HTML, and attachments, one of them longer than a block of the connection."""
    stack = make_stack(connections=2)
    stack.start("redis", "inbox", "worker", "beat")
    image, notes = b"\x89PNG\r\n\x1a\n" + bytes(range(256)), b"\n.\r\n..\n" * 12_000
    draft = Draft("Club <club@sender.example>", "Hi {{ name }}", "Hi", '<img src="cid:logo.png"> {{ name }}')
    with drafts.creating(stack.db, draft, parse_pasted("\n".join(addresses(3)))) as (connection, campaign_id):
        refs = [files.keep(connection, "../logo.png", image), files.keep(connection, "Ghi chú.txt", notes)]
        files.set_for(connection, campaign_id, refs)
    stack.act(campaign_id, CampaignAction.SEND)
    stack.wait_for(campaign_id)
    kept = stack.folder / demo_inbox_file.FILE
    arrived = wait_until(  # the inbox keeps what it accepted a moment later
        lambda: len(found := demo_inbox_file.latest(kept)) == 3 and found, "all have arrived"
    )
    for mail in arrived:
        parts = email.message_from_bytes(mail.raw, policy=email.policy.default).walk()
        found = {part.get_filename(): part for part in parts if part.get_filename()}
        assert found.keys() == {"logo.png", "Ghi chú.txt"}
        assert found["logo.png"]["Content-ID"] == "<logo.png>"
        assert found["logo.png"].get_content() == image
        assert found["Ghi chú.txt"].get_payload(decode=True) == notes


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
    assert {notice.code for notice in notices if notice} == {"smtp.unreachable"}
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


def test_unusual_addresses_are_sent_in_the_form_that_the_standard_has_for_them(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack()
    stack.start("redis", "sink", "worker", "beat")
    odd = [
        "a..b@x.example",
        "Ann <ab.@x.example>",
        ".ab@x.example",
        '"john doe"@x.example',
        "usual@x.example",
    ]
    campaign = stack.wait_for(stack.send(DRAFT, odd))
    assert campaign.counts[RecipientState.SENT] == 5
    assert set(stack.delivered()) == {
        '"a..b"@x.example',
        '"ab."@x.example',
        '".ab"@x.example',
        '"john doe"@x.example',
        "usual@x.example",
    }
    with stack.db.read() as connection:
        emails = connection.execute(select(recipients.c.email).order_by(recipients.c.id)).scalars().all()
    assert emails == [
        "a..b@x.example",
        "ab.@x.example",
        ".ab@x.example",
        '"john doe"@x.example',
        "usual@x.example",
    ]


def test_a_message_that_no_longer_can_be_composed_pauses_its_campaign_and_harms_no_other(
    make_stack: Callable[..., Stack],
) -> None:
    """An earlier version may have stored it."""
    stack = make_stack()
    stack.start("redis", "sink", "worker", "beat")
    with drafts.creating(stack.db, DRAFT, parse_pasted("\n".join(addresses(3)))) as (connection, bad):
        change = {"sender_from": "{{ company }} <club@sender.example>", "state": CampaignState.SENDING}
        connection.execute(update(campaigns).where(campaigns.c.id == bad).values(**change))
        errands = batches.wake(connection, bad)
    use(stack.settings)
    enqueue(stack.db, errands)
    assert "merge field" in str(stack.wait_for(bad, "paused").paused_reason)
    good = stack.send(DRAFT, addresses(3))
    assert stack.wait_for(good).counts[RecipientState.SENT] == 3
    assert stack.campaign(bad).counts[RecipientState.QUEUED] == 3


def test_who_cannot_be_written_to_fails_alone_with_the_reason(make_stack: Callable[..., Stack]) -> None:
    """What depends on more than the kinds of the values is known only then."""
    stack = make_stack()
    stack.start("redis", "sink", "worker", "beat")
    rows = [{"email": f"u{n}@x.example", "city": "x" * n} for n in (1, 3, 5, 7)]
    draft = Draft(DRAFT.sender_from, "Hi", "{% if city|length > 4 %}{{ 5|length }}{% endif %}{{ city }}")
    with drafts.creating(stack.db, draft, parse_rows(rows), ready=True) as (connection, campaign_id):
        act_on(connection, campaign_id, CampaignAction.SEND, checked=drafts.FIRST)
        errands = batches.wake(connection, campaign_id)
    use(stack.settings)
    enqueue(stack.db, errands)
    counts = stack.wait_for(campaign_id).counts
    assert (counts[RecipientState.SENT], counts[RecipientState.FAILED]) == (2, 2)
    with stack.db.read() as connection:
        replies = connection.execute(select(attempts.c.reply).where(attempts.c.result == "failed")).scalars()
        for reply in replies:
            assert "Line 1 of the text, column 25: {{ 5|length }} can't be computed" in reply
