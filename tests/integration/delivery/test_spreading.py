"""A list larger than its quotas is spread over days and senders, through real workers: nobody fails by it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import update

from mailing.core.reasons import Reason
from mailing.core.states import CampaignState
from mailing.reports import estimates
from mailing.senders import store, warming, warmup
from mailing.senders.forecasts import Held
from mailing.senders.limits import Limits
from mailing.senders.tables import senders
from tests.integration.delivery.test_refusals import counts
from tests.integration.delivery.test_senders import KEY, QUEUED, SENT, begin, send, sender
from tests.support.days import pass_by
from tests.support.smtp_server import serving
from tests.support.stack import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailing.campaigns.queries import Campaign
    from mailing.senders.forecasts import Band
    from tests.support.stack import Stack


def rests_at(stack: Stack, campaign_id: int, sent: int) -> Campaign:
    """Wait until a campaign waits for a limit after so many emails."""

    def resting() -> Campaign | None:
        campaign = stack.campaign(campaign_id)
        return campaign if campaign.rest and campaign.counts[SENT] == sent else None

    found = wait_until(resting, f"it waits after {sent}")
    assert found
    return found


def foretold(stack: Stack, campaign_id: int) -> Band | None:
    with stack.db.read() as connection:
        return estimates.band(connection, stack.campaign(campaign_id))


def test_a_quota_that_is_used_up_fails_nobody_and_all_are_sent_when_its_window_opens(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack(connections=3)
    begin(stack)
    with serving({}) as server:
        limited = sender(stack, server.port, "Gmail club", limits=Limits(per_24h=20))
        campaign_id = send(stack, 50, limited)
        for day in (1, 2):
            campaign = rests_at(stack, campaign_id, 20 * day)
            assert campaign.rest
            assert campaign.rest.reason == Reason("limit.24h", sender="Gmail club", most=20)
            assert campaign.rest.sender_id == limited
            assert counts(stack, campaign_id) == {SENT: 20 * day, QUEUED: 50 - 20 * day}
            pass_by(stack, 24.2)
        campaign = stack.wait_for(campaign_id)
        assert campaign.state is CampaignState.FINISHED
        assert counts(stack, campaign_id) == {SENT: 50}
        assert len({message.recipients for message in server.accepted}) == len(server.accepted) == 50


def test_the_forecast_spreads_it_names_the_quota_and_follows_a_raised_limit_and_another_sender(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack(connections=3)
    begin(stack)
    with serving({}) as one, serving({}) as other:
        limited = sender(stack, one.port, "Gmail club", limits=Limits(per_24h=20))
        relay = sender(stack, other.port, "Relay", limits=Limits(per_24h=25))
        campaign_id = send(stack, 90, limited)
        rests_at(stack, campaign_id, 20)
        alone = foretold(stack, campaign_id)
        assert alone
        assert alone.usual.held == Held("24h", "Gmail club", limited, 20)
        with stack.db.write() as connection:
            account = store.get(connection, limited)
            assert account
            raised = store.as_entered(account, limits=Limits(per_24h=40))
            store.revise(connection, limited, raised, KEY)
        sooner = foretold(stack, campaign_id)
        assert sooner
        assert sooner.usual.ends_at
        assert alone.usual.ends_at
        assert sooner.usual.ends_at < alone.usual.ends_at
        rests_at(stack, campaign_id, 40)
        second = send(stack, 60, limited, relay)
        rests_at(stack, second, 25)
        assert len(other.accepted) == 25
        assert foretold(stack, second)


def plan_of(stack: Stack, sender_id: int) -> warmup.Plan:
    """Return the warm-up of a sender."""
    with stack.db.read() as connection:
        account = store.get(connection, sender_id)
    assert account
    assert account.warmup
    return account.warmup


def test_the_cap_of_a_warmup_is_a_limit_of_the_day_that_grows_in_the_sweep(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack(connections=3)
    begin(stack)
    with serving({}) as server:
        new = sender(stack, server.port, "New", limits=Limits(per_day=500))
        with stack.db.write() as connection:
            warming.keep(connection, new, 10, 100, None)
        campaign_id = send(stack, 25, new)
        campaign = rests_at(stack, campaign_id, 10)
        assert campaign.rest
        assert campaign.rest.reason == Reason("limit.warmup", sender="New", most=10)
        wait_until(lambda: plan_of(stack, new).day, "the sweep begins the plan")
        pass_by(stack, 24)
        with stack.db.write() as connection:
            account = store.get(connection, new)
            assert account
            assert account.warmup
            day = warmup.later(account.warmup.day, -1)
            plan = warmup.dump(replace(account.warmup, day=day))
            connection.execute(update(senders).where(senders.c.id == new).values(warmup=plan))
        stack.wait_for(campaign_id)
        assert counts(stack, campaign_id) == {SENT: 25}
        with stack.db.read() as connection:
            account = store.get(connection, new)
        assert account
        assert account.limits_today == Limits(per_day=20)
