"""The breaker, the canary and a corrected message: whole campaigns through real workers."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, update

from mailing.core.clock import now_ms
from mailing.core.states import AttemptResult, CampaignAction, CampaignState, RecipientState
from mailing.core.tables import attempts, campaigns, recipients
from mailing.ledger.breaker import Breaker
from mailing.writing.written import Writing, Written
from tasks.app import use
from tasks.commands import corrections
from tests.integration.delivery.test_refusals import begin, counts
from tests.support.sent import DRAFT, addresses
from tests.support.smtp_server import serving
from tests.support.stack import PERSON, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.stack import Stack

GONE = b"550 5.1.1 no such user\r\n"
LATER = b"451 4.7.1 come back later\r\n"
SENT, FAILED, QUEUED = RecipientState.SENT, RecipientState.FAILED, RecipientState.QUEUED
DEFERRED, SENDING = RecipientState.DEFERRED, RecipientState.SENDING
CORRECTED = Written(
    sender_from=DRAFT.sender_from, subject="Corrected, {{ name }}", writing=Writing.PLAIN, text="New.\n"
)


def settled(stack: Stack, campaign_id: int) -> bool:
    return not stack.campaign(campaign_id).counts[SENDING]


def test_too_many_failures_pause_the_campaign_and_a_resume_counts_anew(
    make_stack: Callable[..., Stack],
) -> None:
    mended = threading.Event()

    async def refuse(_transaction):
        return None if mended.is_set() else GONE

    with serving({"rcpt": refuse}) as server:
        stack = make_stack(connections=2)
        begin(stack, server)
        campaign_id = stack.send(DRAFT, addresses(150))
        paused = stack.wait_for(campaign_id, "paused")
        assert str(paused.paused_reason).startswith("20 of the last 20 emails failed; the limit is 10%.") or (
            "5.1.1 no such user" in str(paused.paused_reason)
        )
        wait_until(lambda: settled(stack, campaign_id), "nothing is in progress")
        failed = stack.campaign(campaign_id).counts[FAILED]
        assert 20 <= failed <= 20 + 2 * 2 * 2 * 2  # and what two workers had in hand
        mended.set()
        stack.act(campaign_id, CampaignAction.RESUME)
        stack.wait_for(campaign_id)
        assert counts(stack, campaign_id) == {SENT: 150 - failed, FAILED: failed}


def test_a_password_that_the_only_sender_is_refused_with_pauses_at_once_and_fails_nobody(
    make_stack: Callable[..., Stack],
) -> None:
    refusal = b"535 5.7.8 authentication failed\r\n"
    with serving({"auth": refusal}, extensions=("PIPELINING", "AUTH PLAIN"), login=("ann", "pw")) as server:
        stack = make_stack(connections=2)
        stack.env["VOLLEY_SMTP_URL"] = f"smtp://ann:wrong@127.0.0.1:{server.port}"
        stack.start("redis", "worker", "beat")
        campaign_id = stack.send(DRAFT, addresses(40))
        paused = stack.wait_for(campaign_id, "paused")
        assert "rejected the sign-in" in str(paused.paused_reason)
        wait_until(lambda: settled(stack, campaign_id), "nothing is in progress")
        assert not stack.campaign(campaign_id).counts[FAILED]


def test_only_the_canary_leaves_first_and_the_others_follow_by_themselves_once_it_is_clean(
    make_stack: Callable[..., Stack],
) -> None:
    held = threading.Event()
    tries: list[str] = []

    async def wait_at_the_last_one(transaction):
        tries.append(transaction.recipients[0])
        return LATER if len(tries) == 14 and not held.is_set() else None

    with serving({"dot": wait_at_the_last_one}) as server:
        stack = make_stack(connections=2)
        begin(stack, server)
        campaign_id = stack.send(replace(DRAFT, canary=14), addresses(200))
        wait_until(lambda: stack.campaign(campaign_id).counts[DEFERRED] == 1, "one of the canary is deferred")
        campaign = stack.campaign(campaign_id)
        assert counts(stack, campaign_id) == {SENT: 13, DEFERRED: 1, QUEUED: 186}
        assert campaign.canary_until
        assert {address.rpartition("@")[2] for address in tries} == {f"domain{n}.example" for n in range(7)}
        held.set()
        with stack.db.write() as connection:  # in place of a minute
            connection.execute(update(recipients).where(recipients.c.state == DEFERRED).values(due_at=1))
        stack.wait_for(campaign_id)
        assert counts(stack, campaign_id) == {SENT: 200}
        assert stack.campaign(campaign_id).canary_until is None
        assert len(server.accepted) == len({message.recipients[0] for message in server.accepted}) == 200


def test_a_canary_that_fails_pauses_the_campaign_before_anybody_else_is_mailed(
    make_stack: Callable[..., Stack],
) -> None:
    with serving({"rcpt": [GONE, GONE]}) as server:
        stack = make_stack(connections=2)
        begin(stack, server)
        campaign_id = stack.send(replace(DRAFT, canary=10), addresses(100))
        paused = stack.wait_for(campaign_id, "paused")
        assert str(paused.paused_reason) == (
            "2 of the first 10 emails were not accepted; the limit is 10%. The replies: "
            "2 times “550 5.1.1 no such user”"
        )
        assert counts(stack, campaign_id) == {SENT: 8, FAILED: 2, QUEUED: 90}
        stack.act(campaign_id, CampaignAction.RESUME)  # a person has looked at it
        stack.wait_for(campaign_id)
        assert counts(stack, campaign_id) == {SENT: 98, FAILED: 2}


def test_after_a_correction_nobody_gets_the_old_message_and_the_log_tells_who_got_which(
    make_stack: Callable[..., Stack],
) -> None:
    corrected = threading.Event()
    seen: list[str] = []

    async def answer(transaction):
        seen.append(transaction.recipients[0])
        if len(seen) > 20:  # its text is here, its reply is not
            await asyncio.to_thread(corrected.wait, 30)

    with serving({"dot": answer}) as server:
        stack = make_stack(connections=2)
        begin(stack, server)
        campaign_id = stack.send(DRAFT, addresses(400))
        wait_until(lambda: len(seen) == 24, "each connection has one on the way")
        stack.act(campaign_id, CampaignAction.PAUSE)
        use(stack.settings)
        assert corrections.correct(stack.backend, PERSON, campaign_id, CORRECTED) == 2
        before = len(seen)
        stack.act(campaign_id, CampaignAction.RESUME)  # at once: no worker may have seen the pause
        resumed_at = now_ms()
        corrected.set()
        stack.wait_for(campaign_id)
        arrived = {it.recipients[0]: b"Subject: Corrected" in it.data for it in server.accepted}
    assert len(arrived) == len(server.accepted) == 400
    with stack.db.read() as connection:
        columns = recipients.c.email, recipients.c.claimed_at, attempts.c.version
        log = select(*columns).join(attempts, attempts.c.recipient_id == recipients.c.id)
        rows = connection.execute(log).all()
    assert {row.email: row.version == 2 for row in rows} == arrived
    assert not any(arrived[address] for address in seen[:before])
    assert {row.version for row in rows if row.claimed_at > resumed_at} == {2}


@pytest.mark.parametrize("off", [None, Breaker(100, 1000, 1000)])
def test_without_a_breaker_everybody_is_tried(make_stack: Callable[..., Stack], off: Breaker | None) -> None:
    with serving({"rcpt": GONE}) as server:
        stack = make_stack(workers=1, connections=2)
        begin(stack, server)
        campaign_id = stack.send(replace(DRAFT, breaker=off), addresses(60))
        stack.wait_for(campaign_id)
        assert counts(stack, campaign_id) == {FAILED: 60}
        with stack.db.read() as connection:
            assert connection.execute(select(campaigns.c.state)).scalar() == CampaignState.FINISHED
            results = set(connection.execute(select(attempts.c.result)).scalars())
        assert results == {AttemptResult.FAILED}
