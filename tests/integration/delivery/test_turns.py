"""Priorities and hours of the day through real workers: who is sent first, and what is changed meanwhile."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from mailing.addresses import parsing as addressing
from mailing.core.clock import now_ms
from mailing.core.states import CampaignState, RecipientState
from mailing.schedules.schedule import Asked, Schedule
from tasks.app import use
from tasks.commands import campaigns as commands
from tasks.commands import steering
from tests.support.clock import within
from tests.support.sent import DRAFT, addresses, assert_everybody_got_it_once
from tests.support.stack import PERSON, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailing.campaigns.drafts import Draft
    from tests.support.stack import Stack

HOUR_MS = 3_600_000


def sent(stack: Stack, campaign_id: int) -> int:
    return stack.campaign(campaign_id).counts[RecipientState.SENT]


def people(kind: str, n: int) -> list[str]:
    return [f"{kind}{i}@{kind}.example" for i in range(n)]


def store(stack: Stack, draft: Draft) -> int:
    """Schedule a campaign to 20 people, as the API would."""
    use(stack.settings)
    listed = addressing.parse_pasted("\n".join(addresses(20)))
    change = commands.store(stack.db, PERSON, draft, listed, send=True)
    commands.announce(stack.backend, change)
    return change.campaign_id


def closed() -> str:
    """Hours of the day, in UTC, of which the present one is none."""
    hour = now_ms() // HOUR_MS % 24
    return f"{(hour + 4) % 24:02}:00-{(hour + 8) % 24:02}:00"


def test_an_urgent_campaign_overtakes_a_long_one_in_seconds(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack(connections=5, think_s=0.1)
    stack.start("redis", "sink", "worker", "beat")
    long = stack.send(DRAFT, people("long", 4_000))
    stack.wait_for_count(long, RecipientState.SENT, 40)
    with within(3):
        urgent = stack.send(replace(DRAFT, priority=4), people("urgent", 10))  # in Redis they share a queue
        stack.wait_for(urgent)
    assert stack.campaign(long).state is CampaignState.SENDING
    got = [n for who, n in stack.delivered().items() if who.startswith("urgent")]
    assert got == [1] * 10


def test_a_priority_that_is_changed_counts_within_a_second_or_so(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack(connections=5, think_s=0.1)
    stack.start("redis", "sink", "worker", "beat")
    first = stack.send(DRAFT, people("first", 3_000))
    second = stack.send(replace(DRAFT, priority=9), people("second", 3_000))
    stack.wait_for_count(first, RecipientState.SENT, 40)
    use(stack.settings)
    steering.steer(stack.backend, PERSON, second, Asked(), priority=0)
    wait_until(lambda: sent(stack, second) > 20, "the second is sent")
    before = sent(stack, first)
    stack.wait_for_count(second, RecipientState.SENT, sent(stack, second) + 100)
    assert sent(stack, first) - before <= 20, "what was in hand, and no more"


def test_campaigns_of_one_priority_share_fairly_also_with_a_long_one(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack(connections=5, think_s=0.05)
    stack.start("redis", "sink", "worker", "beat")
    long = stack.send(DRAFT, people("long", 5_000))
    stack.wait_for_count(long, RecipientState.SENT, 40)
    short = stack.send(DRAFT, people("short", 600))
    wait_until(lambda: sent(stack, short) >= 20, "the short one is sent")
    before = sent(stack, long), sent(stack, short)
    stack.wait_for_count(short, RecipientState.SENT, before[1] + 300)
    assert 150 <= sent(stack, long) - before[0] <= 600


def test_outside_of_its_hours_a_campaign_stops_within_a_second_or_so_and_goes_on_by_itself(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack(connections=4, think_s=0.2)
    stack.start("redis", "sink", "worker", "beat")
    campaign_id = stack.send(DRAFT, addresses(120))
    stack.wait_for_count(campaign_id, RecipientState.SENT, 8)
    use(stack.settings)
    steering.steer(stack.backend, PERSON, campaign_id, Asked(hours=closed(), time_zone="UTC"))
    time.sleep(1.5)  # a look, and what is in flight
    then = sum(stack.delivered().values())
    campaign = stack.campaign(campaign_id)
    assert (campaign.state, campaign.condition) == (CampaignState.SENDING, "waiting_for_hours")
    assert campaign.counts[RecipientState.SENDING] == 0
    time.sleep(3)  # a sweep gives nothing out
    assert sum(stack.delivered().values()) == then < 120
    steering.steer(stack.backend, PERSON, campaign_id, Asked(hours=""))
    stack.wait_for(campaign_id)
    assert_everybody_got_it_once(stack, campaign_id, 120)


def test_the_workers_send_a_scheduled_campaign_when_its_time_comes(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack(connections=4)
    stack.start("redis", "sink", "worker", "beat")
    use(stack.settings)
    at = now_ms() + 3_000
    draft = replace(DRAFT, schedule=Schedule(at, "Asia/Ho_Chi_Minh"))
    campaign_id = store(stack, draft)
    assert stack.campaign(campaign_id).state is CampaignState.SCHEDULED
    campaign = stack.wait_for(campaign_id)
    assert campaign.started_at
    assert campaign.started_at - at >= 0
    assert campaign.late_ms < 60_000
    assert_everybody_got_it_once(stack, campaign_id, 20)


def test_what_was_missed_while_nothing_ran_is_sent_when_it_does(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack(connections=4)
    stack.start("redis", "sink")
    use(stack.settings)
    draft = replace(DRAFT, schedule=Schedule(now_ms() + 1_000, "Asia/Ho_Chi_Minh"))
    campaign_id = store(stack, draft)
    wait_until(lambda: now_ms() > (draft.schedule.send_at or 0), "its time has come")
    assert stack.campaign(campaign_id).state is CampaignState.SCHEDULED
    stack.start("worker", "beat")
    stack.wait_for(campaign_id)
    assert_everybody_got_it_once(stack, campaign_id, 20)
