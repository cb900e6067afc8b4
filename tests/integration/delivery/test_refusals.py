"""Whom a refusal means: whole campaigns through real workers, against a server that refuses on purpose."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from mailing.campaigns.drafts import Draft
from mailing.core.clock import now_ms
from mailing.core.states import CampaignAction, CampaignState, RecipientAction, RecipientState
from mailing.core.tables import attempts, recipients, refusals
from mailing.ledger import evidence
from mailing.recipients.search import Choice
from mailing.smtp.replies import ReplyCode
from tests.support.smtp_server import DROP, EXTENSIONS, FakeServer, serving
from tests.support.stack import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.stack import Stack

DRAFT = Draft("Club <club@sender.example>", "Hello {{ name }}", "Dear {{ name }},\nyou are {{ email }}.\n")
QUEUED, SENT, FAILED = RecipientState.QUEUED, RecipientState.SENT, RecipientState.FAILED
DEFERRED, CANCELED = RecipientState.DEFERRED, RecipientState.CANCELED
DENIED = "554 5.7.1 <{}>: Recipient address rejected: Access denied"
BAD_DNS = b"550 5.7.26 Unauthenticated email from sender.example is not accepted\r\n"
QUOTA = b"550 5.4.5 Daily user sending limit exceeded, try again in 1 second\r\n"


def people(n: int) -> list[str]:
    return [f"User {i} <user{i}@domain{i % 7}.example>" for i in range(n)]


def begin(stack: Stack, server: FakeServer) -> None:
    stack.env["VOLLEY_SMTP_URL"] = f"smtp://127.0.0.1:{server.port}"
    stack.start("redis", "worker", "beat")


def counts(stack: Stack, campaign_id: int) -> dict[RecipientState, int]:
    return {state: n for state, n in stack.campaign(campaign_id).counts.items() if n}


def replies(stack: Stack) -> list[str]:
    with stack.db.read() as connection:
        return list(connection.execute(select(attempts.c.reply).order_by(attempts.c.id)).scalars())


def delivered(server: FakeServer) -> list[str]:
    return sorted(message.recipients[0] for message in server.accepted)


def taking(connections: int, otherwise: bytes) -> tuple[dict[str, Callable], list[FakeServer]]:
    """Answers of a server that takes mail on so many connections at once, and where to put that server."""
    here: list[FakeServer] = []

    async def mail(transaction):
        return None if transaction.connection in sorted(here[0].open)[:connections] else otherwise

    return {"mail": mail}, here


def carrying(messages: int, otherwise: bytes) -> tuple[dict[str, Callable], Counter[int]]:
    """Answers of a server that takes so many messages on a connection, and how many each was offered."""
    offered: Counter[int] = Counter()

    async def mail(transaction):
        offered[transaction.connection] += 1
        return None if offered[transaction.connection] <= messages else otherwise

    return {"mail": mail}, offered


def test_one_recipient_that_is_refused_by_policy_stops_nobody_else(make_stack: Callable[..., Stack]) -> None:
    answers = [None] * 9 + [DENIED.format("someone@domain.example").encode() + b"\r\n"]
    with serving({"rcpt": answers}) as server:
        stack = make_stack(connections=3)
        begin(stack, server)
        campaign_id = stack.send(DRAFT, people(27))
        stack.wait_for(campaign_id)
        assert counts(stack, campaign_id) == {SENT: 26, FAILED: 1}
        assert len(set(delivered(server))) == 26
    assert sum("Access denied" in reply for reply in replies(stack)) == 1


@pytest.mark.parametrize("step", ["data", "dot"])
def test_a_quota_of_ours_has_the_sender_wait_in_all_workers_and_fails_nobody(
    make_stack: Callable[..., Stack], step: str
) -> None:
    over = threading.Event()
    tries = []

    async def refuse(_transaction):
        tries.append(now_ms())
        return None if over.is_set() else QUOTA

    with serving({step: refuse}) as server:
        stack = make_stack(connections=3)
        begin(stack, server)
        campaign_id = stack.send(DRAFT, people(40))
        campaign = wait_until(
            lambda: (it := stack.campaign(campaign_id)).rest and it.counts[QUEUED] == 40 and it,
            "the sender waits",
        )
        assert campaign.state is CampaignState.SENDING
        assert campaign.rest.reason == QUOTA.decode().strip()
        at_once = len(tries)
        assert at_once <= 2 * 2 * 3  # what two workers had in hand
        wait_until(lambda: len(tries) > at_once, "one email is tried after the rest")
        rest = wait_until(
            lambda: (it := stack.campaign(campaign_id).rest) and it.times > 1 and it, "it rests again"
        )
        assert len(tries) - at_once == rest.times - 1  # one email each time, of all workers
        assert tries[at_once] >= campaign.rest.until - 50
        over.set()
        stack.wait_for(campaign_id)
        assert counts(stack, campaign_id) == {SENT: 40}
        assert len(delivered(server)) == len(set(delivered(server))) == 40


def test_a_domain_without_its_records_pauses_the_campaign_with_the_evidence_and_can_be_gone_past(
    make_stack: Callable[..., Stack],
) -> None:
    mended = threading.Event()

    async def refuse(_transaction):
        return None if mended.is_set() else BAD_DNS

    with serving({"dot": refuse}) as server:
        stack = make_stack(connections=2)
        begin(stack, server)
        campaign_id = stack.send(DRAFT, people(60))
        campaign = stack.wait_for(campaign_id, "paused")
        assert "SPF, DKIM and DMARC" in str(campaign.paused_reason)
        assert BAD_DNS.decode().strip() in str(campaign.paused_reason)
        wait_until(lambda: not stack.campaign(campaign_id).counts[RecipientState.SENDING], "all are back")
        before = counts(stack, campaign_id)
        assert before[DEFERRED] >= 3
        assert FAILED not in before
        with stack.db.read() as connection:
            found = evidence.of(connection, campaign_id)
        assert found
        assert (found.n, found.reply) == (before[DEFERRED], ReplyCode(550, "5.7.26"))
        these = Choice(reply=found.reply)
        step = stack.decide(campaign_id, RecipientAction.SKIP, these)
        assert step.moved == before[DEFERRED]
        mended.set()
        stack.act(campaign_id, CampaignAction.RESUME)
        stack.wait_for(campaign_id)
        assert counts(stack, campaign_id) == {SENT: 60 - before[DEFERRED], CANCELED: before[DEFERRED]}
        with stack.db.read() as connection:
            assert not connection.execute(select(refusals)).all()


def test_an_account_that_a_person_must_mend_pauses_at_once_and_blames_nobody(
    make_stack: Callable[..., Stack],
) -> None:
    unverified = b"554 Message rejected: Email address is not verified: club@sender.example\r\n"
    with serving({"dot": unverified}) as server:
        stack = make_stack()
        begin(stack, server)
        campaign_id = stack.send(DRAFT, people(30))
        campaign = stack.wait_for(campaign_id, "paused")
        assert "From address" in str(campaign.paused_reason)
        wait_until(lambda: stack.campaign(campaign_id).counts[QUEUED] == 30, "all wait again")
    assert unverified.decode().strip() in replies(stack)


@pytest.mark.parametrize("extensions", [EXTENSIONS, EXTENSIONS[1:]], ids=["pipelining", "plain"])
def test_a_refusal_that_was_read_counts_although_the_server_closes_behind_it(
    make_stack: Callable[..., Stack], extensions: tuple[str, ...]
) -> None:
    with serving({"rcpt": [b"550 5.1.1 no such user\r\n"], "data": [DROP]}, extensions=extensions) as server:
        stack = make_stack(workers=1, connections=1)
        begin(stack, server)
        campaign_id = stack.send(DRAFT, ["gone@one.example"])
        stack.wait_for(campaign_id)
        assert counts(stack, campaign_id) == {FAILED: 1}
    assert replies(stack) == ["550 5.1.1 no such user"]


@pytest.mark.parametrize("code", ["432 4.3.2", "421 4.7.0"])
def test_a_server_that_takes_three_connections_is_given_three_and_nobody_waits(
    make_stack: Callable[..., Stack], code: str
) -> None:
    answers, here = taking(3, f"{code} Concurrent connections limit exceeded\r\n".encode())
    with serving(answers) as server:
        here.append(server)
        stack = make_stack(workers=1, connections=10)
        begin(stack, server)
        campaign_id = stack.send(DRAFT, people(200))
        stack.wait_for(campaign_id)
        assert counts(stack, campaign_id) == {SENT: 200}
        assert len(delivered(server)) == 200
    assert len(replies(stack)) == 200  # nobody was tried twice


def test_a_server_that_takes_so_many_messages_on_a_connection_is_reconnected_to_at_once(
    make_stack: Callable[..., Stack],
) -> None:
    answers, offered = carrying(7, b"421 4.7.0 too many messages in this session\r\n")
    with serving(answers) as server:
        stack = make_stack(workers=1, connections=2)
        begin(stack, server)
        campaign_id = stack.send(DRAFT, people(100))
        stack.wait_for(campaign_id)
        assert counts(stack, campaign_id) == {SENT: 100}
    assert sum(n > 7 for n in offered.values()) <= 2  # each connection that was open learns it once
    with stack.db.read() as connection:
        assert set(connection.execute(select(recipients.c.attempts)).scalars()) == {1}
