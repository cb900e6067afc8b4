"""Limits by receiver, through real workers: never one more at the server, and nobody else waits for them."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import TYPE_CHECKING

from redis import Redis

from mailing.core.reasons import Reason
from mailing.core.states import CampaignState, RecipientState
from mailing.ledger import lanes
from mailing.reports import lanes as reports
from mailing.reports.lanes import Pace
from mailing.senders import store
from mailing.senders.entries import Entry
from mailing.senders.limits import Limits
from tests.integration.delivery.test_refusals import DRAFT, counts, delivered
from tests.integration.delivery.test_senders import KEY, begin, sender
from tests.support.smtp_server import serving
from tests.support.stack import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mailing.reports.lanes import Standing
    from tests.support.stack import Stack

SENT, QUEUED = RecipientState.SENT, RecipientState.QUEUED


class Clock:
    """When mail came to a server, by the domain of its recipient."""

    def __init__(self) -> None:
        self.came: defaultdict[str, list[float]] = defaultdict(list)

    async def __call__(self, transaction) -> None:
        self.came[transaction.recipients[0].rpartition("@")[2]].append(time.monotonic())

    def most(self, domain: str, seconds: float = 1.0) -> int:
        """Return how many came to a domain within any ``seconds``."""
        moments = sorted(self.came[domain])
        return max(sum(begun <= it < begun + seconds for it in moments) for begun in moments)


def mixed(n: int, *domains: str) -> list[str]:
    """Return ``n`` people at each of these domains, one after the other."""
    return [f"u{i}@{domain}" for i in range(n) for domain in domains]


def lane(stack: Stack, campaign_id: int, receiver: str) -> Standing:
    campaign = stack.campaign(campaign_id)
    with stack.db.read() as connection:
        return next(it for it in reports.of(connection, campaign) if it.receiver == receiver)


def of_domain(server, domain: str) -> Sequence[str]:
    return [email for email in delivered(server) if email.endswith(f"@{domain}")]


def test_a_receiver_gets_no_more_in_any_second_than_its_limit_and_all_others_go_on(
    make_stack: Callable[..., Stack],
) -> None:
    stack, clock = make_stack(connections=3), Clock()
    begin(stack)
    with serving({"dot": clock}) as server:
        club = sender(stack, server.port, "club", receiver_limits={"gmail": Limits(per_second=8)})
        people = mixed(60, "gmail.com", "a.example", "b.example", "c.example", "d.example")
        campaign_id = stack.send(DRAFT, people, senders=[club])
        limited = wait_until(
            lambda: (it := lane(stack, campaign_id, "gmail")).counts.get(SENT) and it, "the lane moves"
        )
        assert limited.pace is Pace.LIMITED
        assert str(limited.reason) == "club sends this receiver no more than its limit: 8 per second."
        assert lane(stack, campaign_id, "a.example").pace is Pace.FREE
        stack.wait_for(campaign_id)
        assert counts(stack, campaign_id) == {SENT: 300}
        assert sorted(delivered(server)) == sorted(people), "everybody once"
        assert clock.most("gmail.com") <= 8
        others = [moment for domain, came in clock.came.items() if domain != "gmail.com" for moment in came]
        gmail = sorted(clock.came["gmail.com"])
        assert max(others) < gmail[40], "nobody else waited for it"
        assert gmail[-1] - gmail[0] < 20, "and it was sent what it may be"


def test_a_limit_for_all_others_holds_for_each_of_them_by_itself(make_stack: Callable[..., Stack]) -> None:
    stack, clock = make_stack(connections=3), Clock()
    begin(stack)
    with serving({"dot": clock}) as server:
        each = {"*": Limits(per_second=4), "b.example": Limits(per_second=12)}
        club = sender(stack, server.port, "club", receiver_limits=each)
        people = mixed(20, "a.example", "b.example", "c.example", "gmail.com")
        campaign_id = stack.send(DRAFT, people, senders=[club])
        stack.wait_for(campaign_id)
        assert sorted(delivered(server)) == sorted(people)
        assert all(clock.most(domain) <= 4 for domain in ("a.example", "c.example", "gmail.com"))
        assert clock.most("b.example") <= 12
        moments = [moment for came in clock.came.values() for moment in came]
        assert max(moments) - min(moments) < 16, "they do not wait for each other"


def test_a_limit_that_is_used_up_rests_its_lane_alone_and_goes_on_once_it_is_raised(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack(connections=3)
    begin(stack)
    with serving({}) as server:
        club = sender(stack, server.port, "club", receiver_limits={"gmail": Limits(per_24h=10)})
        campaign_id = stack.send(DRAFT, mixed(30, "gmail.com", "a.example"), senders=[club])
        resting = wait_until(
            lambda: (it := lane(stack, campaign_id, "gmail")).pace is Pace.RESTING and it, "the lane rests"
        )
        assert resting.reason == Reason("limit.receiver-24h", sender="club", most=10)
        stack.wait_for_count(campaign_id, SENT, 40)
        assert counts(stack, campaign_id) == {SENT: 40, QUEUED: 20}
        assert stack.campaign(campaign_id).state is CampaignState.SENDING
        assert stack.campaign(campaign_id).rest is None
        next_one = stack.send(DRAFT, mixed(20, "b.example"), senders=[club])
        stack.wait_for(next_one)
        assert len(of_domain(server, "gmail.com")) == 10
        with stack.db.write() as connection:
            account = store.get(connection, club)
            raised = {"gmail": Limits(per_24h=100)}
            entry = Entry("club", account.host, account.port, tls="none", receiver_limits=raised)
            store.revise(connection, club, entry, KEY)
        stack.wait_for(campaign_id)
        assert counts(stack, campaign_id) == {SENT: 60}
        with stack.db.read() as connection:
            assert not lanes.any_slow(connection)


def test_what_left_before_redis_forgot_it_counts(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack(connections=3)
    begin(stack)
    with serving({}) as server:
        limits = {"gmail": Limits(per_second=10, per_24h=40)}
        club = sender(stack, server.port, "club", receiver_limits=limits)
        campaign_id = stack.send(DRAFT, mixed(60, "gmail.com"), senders=[club])
        wait_until(lambda: len(server.accepted) >= 15, "a few have left")
        with Redis(port=stack.redis_port) as redis:
            redis.delete(*redis.scan_iter("*permits:*"))
        wait_until(lambda: lane(stack, campaign_id, "gmail").pace is Pace.RESTING, "the lane rests")
        wait_until(lambda: counts(stack, campaign_id) == {SENT: 40, QUEUED: 20}, "the limit is reached")
        assert len(server.accepted) == 40
