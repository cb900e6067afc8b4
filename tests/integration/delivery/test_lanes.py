"""A fake Gmail that wants ten minutes of silence, then one connection, and one more at a time: real workers.

Others are sent all the while. Time is moved in the database.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, update

from mailing.core.clock import now_ms
from mailing.core.states import CampaignState, RecipientState
from mailing.core.tables import batches, recipients, rests
from mailing.ledger import lanes
from mailing.reports import estimates
from mailing.reports import lanes as reports
from mailing.smtp.account import parse_sender
from tests.integration.delivery.test_refusals import DRAFT, begin, counts, delivered
from tests.support.smtp_server import serving
from tests.support.stack import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailing.ledger.lanes import Lanes
    from tests.support.stack import Stack

RATE = b"421 4.7.28 Gmail has detected an unusual rate of mail originating from your DKIM domain\r\n"
YAHOO = b"421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume\r\n"
N, CONNECTIONS, WORKERS = 90, 3, 2


class Gmail:
    """Answers for one receiver's recipients, and what it saw: how many were with it at once."""

    def __init__(self, domain: str, refusal: bytes) -> None:
        self.quiet = threading.Event()  # it has had its silence
        self.domain, self.refusal = domain, refusal
        self.refused = self.taken = self.now = 0
        self.most: list[int] = []  # how many were with it at once, as each was taken

    async def __call__(self, transaction) -> bytes | None:
        if not transaction.recipients[0].endswith(f"@{self.domain}"):
            return None
        if not self.quiet.is_set():
            self.refused += 1
            return self.refusal
        self.now += 1
        self.most.append(self.now)
        await asyncio.sleep(0.01)  # long enough for another to come
        self.now -= 1
        self.taken += 1
        return None


def slow(stack: Stack, port: int) -> Lanes:
    with stack.db.read() as connection:
        return lanes.slow(connection, parse_sender(f"smtp://127.0.0.1:{port}").account)


def move_time(stack: Stack) -> None:
    """Let ten minutes pass for lanes, and for all who wait because of them."""
    now = now_ms()
    with stack.db.write() as connection:
        connection.execute(update(rests).values(until=now))
        connection.execute(update(batches).where(batches.c.rests_until.is_not(None)).values(rests_until=now))
        later = recipients.c.state == RecipientState.DEFERRED
        connection.execute(update(recipients).where(later).values(due_at=now))


def states(stack: Stack, domain: str) -> Counter[str]:
    with stack.db.read() as connection:
        found = select(recipients.c.state).where(recipients.c.domain == domain)
        return Counter(connection.execute(found).scalars())


@pytest.mark.parametrize(
    ("domain", "refusal", "receiver", "wait_s"),
    [("gmail.com", RATE, "gmail", 600), ("att.net", YAHOO, "yahoo", 7200)],
    ids=["Gmail", "Yahoo"],
)
def test_a_lane_rests_and_heals_by_its_receivers_rule_and_all_others_go_on(
    make_stack: Callable[..., Stack], domain: str, refusal: bytes, receiver: str, wait_s: int
) -> None:
    gmail = Gmail(domain, refusal)
    people = [f"u{i}@{gmail.domain if i % 3 == 0 else f'd{i % 3}.example'}" for i in range(N)]
    with serving({"dot": gmail}) as server:
        stack = make_stack(connections=CONNECTIONS)
        begin(stack, server)
        campaign_id = stack.send(DRAFT, people)
        stack.wait_for_count(campaign_id, RecipientState.SENT, N * 2 // 3)
        waiting = wait_until(
            lambda: (it := states(stack, gmail.domain)) and not it["sending"] and it,
            "what was in hand for the lane is given back",
        )
        assert waiting["queued"] + waiting["deferred"] == N // 3
        first = gmail.refused
        assert 1 <= first <= 2 * WORKERS * CONNECTIONS, "at most what was in hand"
        lane = slow(stack, server.port).slow[receiver]
        with stack.db.read() as connection:
            campaign = stack.campaign(campaign_id)
            behind = reports.all_behind(connection, campaign)
            assert behind == (waiting["queued"], waiting["deferred"])
            assert estimates.band(connection, campaign, behind=behind.all, always=True) is None
        assert 0.9 * wait_s < (lane.rest.until - now_ms()) / 1000 <= wait_s
        assert stack.campaign(campaign_id).state is CampaignState.SENDING
        move_time(stack)
        wait_until(lambda: gmail.refused > first, "one email is tried")
        again = wait_until(
            lambda: (it := slow(stack, server.port).slow[receiver]).rest.times == 2 and it, "it rests again"
        )
        assert gmail.refused == first + 1, "one email, of all workers"
        assert again.rest.until - now_ms() > 1500 * wait_s
        gmail.quiet.set()
        move_time(stack)
        stack.wait_for(campaign_id)
        assert counts(stack, campaign_id) == {RecipientState.SENT: N}
        assert sorted(delivered(server)) == sorted(people), "everybody once"
        assert gmail.most[0] == 1
        assert max(gmail.most[: lanes.STEP]) == 1, "one at a time at first"
        assert all(at_once <= 1 + n // lanes.STEP for n, at_once in enumerate(gmail.most))
