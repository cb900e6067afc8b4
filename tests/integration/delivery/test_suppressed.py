"""Whoever leaves while a campaign is being sent is not mailed any more: real workers, counted at the sink."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing.core.states import RecipientState
from mailing.recipients import listing
from mailing.recipients.search import Choice
from mailing.suppression import store
from mailing.suppression.store import Entry
from mailing.suppression.tables import SuppressionReason
from tests.support.sent import DRAFT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.stack import Stack

N = 120


def test_nobody_who_left_in_mid_campaign_is_mailed_and_the_ledger_says_why(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack(connections=2, think_s=0.05)
    stack.start("redis", "sink", "worker", "beat")
    people = [f"p{n}@x.example" for n in range(N)]
    campaign_id = stack.send(DRAFT, people)
    stack.wait_for_count(campaign_id, RecipientState.SENT, 10)
    left = people[N // 2 :: 3]
    with stack.db.write() as connection:
        store.keep(connection, [Entry(it, SuppressionReason.UNSUBSCRIBED) for it in left])
    campaign = stack.wait_for(campaign_id)
    arrived = stack.delivered()
    assert campaign.counts[RecipientState.SUPPRESSED] == len(left)
    assert campaign.counts[RecipientState.SENT] == N - len(left)
    assert set(arrived) == set(people) - set(left)
    assert set(arrived.values()) == {1}
    with stack.db.read() as connection:
        rows = listing.recipients_page(
            connection, campaign_id, Choice(RecipientState.SUPPRESSED), limit=N
        ).rows
    assert {str(row.reply) for row in rows} == {"Not sent: unsubscribed."}
    assert {row.email for row in rows} == set(left)
