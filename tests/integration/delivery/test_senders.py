"""Several senders, and their limits, through real workers: who sends while one cannot, and never too much."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from sqlalchemy import select, update

from mailing.core.clock import now_ms
from mailing.core.reasons import Reason
from mailing.core.states import CampaignAction, CampaignState, RecipientState
from mailing.core.tables import attempts, campaigns, recipients
from mailing.senders import store
from mailing.senders.entries import Entry
from mailing.senders.limits import Limits
from tests.integration.delivery.test_refusals import DRAFT, counts, delivered, people
from tests.support.smtp_server import serving
from tests.support.stack import free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.stack import Stack

SENT, QUEUED = RecipientState.SENT, RecipientState.QUEUED
KEY = "a secret key that is long enough for Volley"
WRONG_PASSWORD = b"535 5.7.8 Error: authentication failed\r\n"


def sender(stack: Stack, port: int, name: str, **more: object) -> int:
    """Keep a sender without TLS; return its id."""
    with stack.db.write() as connection:
        return store.create(connection, Entry(name, "127.0.0.1", port, tls="none", **more), KEY)  # type: ignore[arg-type]


def begin(stack: Stack) -> None:
    stack.env |= {"VOLLEY_SECRET_KEY": KEY, "VOLLEY_SMTP_URL": f"smtp://127.0.0.1:{free_port()}"}
    stack.start("redis", "worker", "beat")


def send(stack: Stack, n: int, *senders: int, limits: dict[str, int] | None = None) -> int:
    """Send a campaign by these senders, in order; return its id."""
    return stack.send(DRAFT, people(n), senders=list(senders), limits=limits)


def ways(stack: Stack) -> dict[int, int]:
    """Return how many attempts each sender made."""
    with stack.db.read() as connection:
        found = connection.execute(select(attempts.c.sender_id)).scalars().all()
    return {sender_id: found.count(sender_id) for sender_id in set(found)}


def test_while_the_first_sender_cannot_be_reached_the_next_sends_at_once(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack(connections=3)
    begin(stack)
    with serving({}) as second:
        away, there = sender(stack, free_port(), "away"), sender(stack, second.port, "there")
        begun = time.monotonic()
        campaign_id = send(stack, 60, away, there)
        stack.wait_for(campaign_id)
        assert time.monotonic() - begun < 20
        assert counts(stack, campaign_id) == {SENT: 60}
        assert len(set(delivered(second))) == len(delivered(second)) == 60
        assert ways(stack) == {there: 60}


def test_a_sender_that_is_refused_is_left_out_and_the_campaign_goes_on(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack(connections=3)
    begin(stack)
    with (
        serving({"auth": WRONG_PASSWORD}, extensions=("PIPELINING", "AUTH PLAIN")) as first,
        serving({}) as second,
    ):
        refused = sender(stack, first.port, "refused", username="ann", password="wrong")
        there = sender(stack, second.port, "there")
        campaign_id = send(stack, 40, refused, there)
        stack.wait_for(campaign_id)
        assert counts(stack, campaign_id) == {SENT: 40}
        assert len(delivered(second)) == 40


def trouble(stack: Stack, sender_id: int) -> str:
    """Return what the page of a sender says that keeps it from sending."""
    with stack.db.read() as connection:
        return str(store.get(connection, sender_id).trouble)


def test_the_only_sender_that_is_refused_pauses_the_campaign(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack(connections=1)
    begin(stack)
    with serving(
        {"auth": WRONG_PASSWORD}, extensions=("PIPELINING", "AUTH PLAIN"), login=("ann", "pass")
    ) as only:
        refused = sender(stack, only.port, "refused", username="ann", password="pass")
        campaign_id = send(stack, 5, refused)
        campaign = stack.wait_for(campaign_id, "paused")
        assert "authentication failed" in str(campaign.paused_reason)
        assert "authentication failed" in trouble(stack, refused)
        only.answers.clear()
        stack.act(campaign_id, CampaignAction.RESUME)
        stack.wait_for(campaign_id)
        wait_until(lambda: not trouble(stack, refused), "its page says that it works")


def test_a_sender_whose_password_cannot_be_read_sends_nothing_and_says_so(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack(connections=1)
    begin(stack)
    with serving({}) as server:
        with stack.db.write() as connection:
            entry = Entry("sealed", "127.0.0.1", server.port, tls="none", username="ann", password="secret")
            sealed = store.create(connection, entry, "another secret key, as long as the first one")
        campaign_id = send(stack, 5, sealed)
        campaign = stack.wait_for(campaign_id, "paused")
        assert campaign.paused_reason == Reason("sender.unreadable-secret", name="sealed")
        assert not server.accepted


def test_when_the_first_sender_is_back_it_sends_again(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack(connections=1)
    begin(stack)
    port = free_port()
    with serving({}) as second:
        first, next_one = sender(stack, port, "first"), sender(stack, second.port, "next")
        stack.wait_for(send(stack, 5, first, next_one))
        assert ways(stack) == {next_one: 5}
        with serving({}, port=port) as back:
            wait_until(
                lambda: stack.wait_for(send(stack, 5, first, next_one)) and back.accepted, "it is tried"
            )


def test_no_second_holds_more_than_the_limit_of_all_workers_together(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack(connections=3)
    begin(stack)
    arrived: list[float] = []

    async def note(_transaction: object) -> None:
        arrived.append(time.monotonic())

    with serving({"dot": note}) as server:
        limited = sender(stack, server.port, "limited", limits=Limits(per_second=20))
        campaign_id = send(stack, 100, limited)
        stack.wait_for(campaign_id)
        assert counts(stack, campaign_id) == {SENT: 100}
        for first, moment in enumerate(arrived):
            within = sum(moment <= other < moment + 1 for other in arrived[first:])
            assert within <= 20
        assert arrived[-1] - arrived[0] < 8


def test_who_waits_for_a_quota_fails_nobody_and_goes_on_once_it_is_raised(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack(connections=3)
    begin(stack)
    with serving({}) as server:
        limited = sender(stack, server.port, "club", limits=Limits(per_24h=10))
        campaign_id = send(stack, 30, limited)
        resting = wait_until(
            lambda: (it := stack.campaign(campaign_id)).rest and it.counts[SENT] == 10 and it,
            "the sender waits",
        )
        assert resting.state is CampaignState.SENDING
        assert resting.rest.reason == Reason("limit.24h", sender="club", most=10)
        assert counts(stack, campaign_id) == {SENT: 10, QUEUED: 20}
        with stack.db.write() as connection:
            account = store.get(connection, limited)
            entry = Entry("club", account.host, account.port, tls="none", limits=Limits(per_24h=100))
            store.revise(connection, limited, entry, KEY)
        stack.wait_for(campaign_id)
        assert counts(stack, campaign_id) == {SENT: 30}
        assert len(server.accepted) == 30


def test_what_one_sender_may_not_send_any_more_the_next_does(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack(connections=3)
    begin(stack)
    with serving({}) as one, serving({}) as other:
        first = sender(stack, one.port, "first", limits=Limits(per_day=12))
        second = sender(stack, other.port, "second")
        campaign_id = send(stack, 50, first, second)
        stack.wait_for(campaign_id)
        assert counts(stack, campaign_id) == {SENT: 50}
        assert (len(one.accepted), len(other.accepted)) == (12, 38)


def test_a_campaign_has_a_limit_of_its_own(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack(connections=3)
    begin(stack)
    with serving({}) as server:
        free = sender(stack, server.port, "free")
        slow = send(stack, 100, free, limits={"per_second": 5})
        wait_until(lambda: stack.campaign(slow).counts[SENT] >= 2, "the slow one sends")
        quick = send(stack, 60, free)
        stack.wait_for(quick)
        assert stack.campaign(slow).counts[SENT] < 100


def test_a_campaign_follows_other_senders_and_limits_while_it_is_sent(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack(connections=3)
    begin(stack)
    with serving({}) as one, serving({}) as other:
        first, second = sender(stack, one.port, "first"), sender(stack, other.port, "second")
        campaign_id = send(stack, 100, first, limits={"per_second": 3})
        wait_until(lambda: one.accepted, "the first sends")
        with stack.db.write() as connection:
            own = update(campaigns).where(campaigns.c.id == campaign_id)
            connection.execute(own.values(senders=[second], limits=None))
        stack.wait_for(campaign_id, patience_s=25)
        assert counts(stack, campaign_id) == {SENT: 100}
        assert len(other.accepted) > len(one.accepted)


def test_a_sender_that_moves_in_mid_campaign_loses_nobody(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack(connections=3)
    begin(stack)

    async def think(_transaction: object) -> None:
        await asyncio.sleep(0.05)

    with serving({"dot": think}) as old, serving({}) as new:
        moving = sender(stack, old.port, "moving")
        campaign_id = send(stack, 300, moving)
        wait_until(lambda: len(old.accepted) > 30, "some are sent")
        with stack.db.write() as connection:
            store.revise(connection, moving, Entry("moving", "127.0.0.1", new.port, tls="none"), KEY)
        stack.wait_for(campaign_id)
        assert counts(stack, campaign_id) == {SENT: 300}
        everybody = delivered(old) + delivered(new)
        assert len(everybody) == len(set(everybody)) == 300
        assert new.accepted
    assert "failed" not in stack.log("worker")


def test_a_sender_whose_policy_refuses_many_is_left_out_while_another_sends(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack(connections=2)
    begin(stack)
    refusal = b"550 5.1.0 sender rejected\r\n"
    with serving({"mail": refusal}) as first, serving({}) as second:
        refusing, there = sender(stack, first.port, "refusing"), sender(stack, second.port, "there")
        campaign_id = send(stack, 40, refusing, there)

        def ended() -> bool:
            with stack.db.write() as connection:  # who was deferred is due
                later = recipients.c.state == RecipientState.DEFERRED
                connection.execute(update(recipients).where(later).values(due_at=now_ms()))
            return stack.campaign(campaign_id).state is not CampaignState.SENDING

        wait_until(ended, "the campaign ends")
        assert counts(stack, campaign_id) == {SENT: 40}
        assert not stack.campaign(campaign_id).paused_reason


def test_two_senders_at_one_server_have_limits_of_their_own(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack(connections=3)
    with serving({}) as server:
        stack.env |= {"VOLLEY_SECRET_KEY": KEY, "VOLLEY_SMTP_URL": f"smtp://127.0.0.1:{server.port}"}
        stack.start("redis", "worker", "beat")
        limited = sender(stack, server.port, "limited", limits=Limits(per_day=10))
        waits = send(stack, 30, limited)
        wait_until(lambda: stack.campaign(waits).rest, "its sender waits")
        usual = stack.send(DRAFT, people(50))
        stack.wait_for(usual)
        assert counts(stack, usual) == {SENT: 50}
        assert counts(stack, waits) == {SENT: 10, QUEUED: 20}
