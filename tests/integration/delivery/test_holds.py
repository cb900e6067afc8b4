"""A fake Gmail that misses a record of ours: its lane alone is held, and heals once the record is there."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from sqlalchemy import update

from mailing.core.clock import now_ms
from mailing.core.states import CampaignState
from mailing.core.tables import recipients, rests
from mailing.ledger import evidence
from mailing.ledger.evidence import LOOK_MS
from mailing.reports.lanes import of as lanes_of
from tasks import receivers
from tests.integration.delivery.test_lanes import Gmail
from tests.integration.delivery.test_refusals import DEFERRED, DRAFT, SENT, begin, counts, delivered
from tests.support.smtp_server import serving
from tests.support.stack import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.stack import Stack

NO_SPF = b"421 4.7.27 Your email has been rate limited because SPF authentication didn't pass\r\n"
GMAIL, OTHERS = 30, 60


class Names:
    """The servers of names, by which the record is published in the middle."""

    def __init__(self) -> None:
        self.published = threading.Event()

    async def texts(self, name: str) -> tuple[str, ...]:
        return ("v=spf1 ip4:192.0.2.1 -all",) if self.published.is_set() and name == "sender.example" else ()


def look(stack: Stack, names: Names) -> None:
    """Look at the records as the sweep does every few minutes."""
    with stack.db.write() as connection:
        connection.execute(update(rests).values(looked_at=rests.c.looked_at - LOOK_MS - 1))
        held = evidence.take_due(connection)
    assert [it.lane for it in held] == ["gmail"]
    receivers.look_at(stack.db, held, names)


def hurry(stack: Stack) -> None:
    """Have those who were refused be due now, and not in some minutes."""
    with stack.db.write() as connection:
        waiting = recipients.c.state == DEFERRED
        connection.execute(update(recipients).where(waiting).values(due_at=now_ms()))


def record(stack: Stack, campaign_id: int):
    campaign = stack.campaign(campaign_id)
    with stack.db.read() as connection:
        return next(it.record for it in lanes_of(connection, campaign) if it.receiver == "gmail")


def test_the_lane_is_held_and_named_while_all_others_go_on_and_heals_with_one_email_first(
    make_stack: Callable[..., Stack],
) -> None:
    gmail, names = Gmail("gmail.com", NO_SPF), Names()
    with serving({"dot": gmail}) as server:
        stack = make_stack(connections=3)
        begin(stack, server)
        people = [f"g{i}@gmail.com" for i in range(GMAIL)] + [f"o{i}@d{i % 6}.example" for i in range(OTHERS)]
        campaign_id = stack.send(DRAFT, people)
        wait_until(lambda: counts(stack, campaign_id).get(SENT) == OTHERS, "all others have their email")
        told = wait_until(lambda: record(stack, campaign_id), "the lane is held")
        assert "Publish a TXT record at sender.example: v=spf1 include:YOUR-PROVIDER ~all" in str(told)
        assert stack.campaign(campaign_id).state is CampaignState.SENDING
        assert 3 <= gmail.refused <= 2 * 2 * 3 + 3  # what two workers had in hand
        wait_until(lambda: "to-be-looked-at" not in repr(record(stack, campaign_id)), "the sweep has looked")
        look(stack, names)
        assert "sender.example has no SPF record." in str(record(stack, campaign_id))
        refused = gmail.refused
        names.published.set()
        gmail.quiet.set()
        look(stack, names)
        wait_until(lambda: counts(stack, campaign_id).get(SENT, 0) > OTHERS, "the one email is accepted")
        hurry(stack)
        stack.wait_for(campaign_id)
        assert counts(stack, campaign_id) == {SENT: GMAIL + OTHERS}
        assert gmail.refused == refused
        assert gmail.most[0] == 1
        assert len(delivered(server)) == len(set(delivered(server))) == GMAIL + OTHERS
