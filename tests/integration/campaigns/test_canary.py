"""Whom a canary takes, that nobody else can be claimed meanwhile, and every way in which it ends."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, update

from mailing.addresses import parsing
from mailing.campaigns import canary, drafts, lifecycle
from mailing.core.states import AttemptResult, CampaignAction, CampaignState, RecipientAction, RecipientState
from mailing.core.tables import batches, campaigns, recipients
from mailing.delivery import sweeper
from mailing.ledger import batches as of_batches
from mailing.ledger import claims, leases, results
from mailing.recipients import decisions
from mailing.recipients.search import Choice
from tests.integration.ledger.test_ledger import FAR, result, worker
from tests.support.web import DRAFT, campaign_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailing.core.database import Database

SIZES = {"big.example": 120, "middle.example": 60, "small.example": 19, "alone.example": 1}
SENT, FAILED, DEFERRED = AttemptResult.SENT, AttemptResult.FAILED, AttemptResult.DEFERRED


def begin(db: Database, n: int = 20) -> int:
    people = "\n".join(f"u{i}@{domain}" for domain, size in SIZES.items() for i in range(size))
    parsed = parsing.parse_pasted(people)
    with drafts.creating(db, replace(DRAFT, canary=n), parsed) as (connection, campaign_id):
        lifecycle.act(connection, campaign_id, CampaignAction.SEND, checked=drafts.FIRST)
    return campaign_id


def members(db: Database) -> Sequence[int]:
    with db.read() as connection:
        chosen = select(batches.c.first_id).where(batches.c.canary).order_by(batches.c.first_id)
        return connection.execute(chosen).scalars().all()


def end(db: Database, campaign_id: int, *outcomes: AttemptResult) -> None:
    """Let a worker end so many of the canary's emails, in the order of the list."""
    me = worker(db)
    with db.write() as connection:
        held = []
        for id_ in members(db):
            if len(held) < len(outcomes):
                one = {"after": id_ - 1, "last": id_, "limit": 1, "canary": True}
                held += claims.claim(connection, me, campaign_id, **one)
        assert len(held) == len(outcomes)
        results.settle(connection, [result(it, how) for it, how in zip(held, outcomes, strict=True)])


def sweep(db: Database) -> CampaignState:
    with db.write() as connection:
        sweeper.judge_canaries(connection)
    campaign = campaign_in(db, 1)
    assert campaign
    return campaign.state


def waits(db: Database) -> bool:
    campaign = campaign_in(db, 1)
    assert campaign
    return campaign.canary_until is not None


def others(db: Database, campaign_id: int) -> int:
    """Return how many can be claimed from the batches of everybody."""
    with db.write() as connection:
        found = claims.claim(
            connection, leases.register(connection, "here:1"), campaign_id, after=0, last=FAR, limit=500
        )
        claims.release(connection, found)
    return len(found)


def test_each_domain_has_its_share_and_the_smallest_one_somebody(db: Database) -> None:
    begin(db)
    with db.read() as connection:
        chosen = recipients.c.id.in_(members(db))
        got = Counter(connection.execute(select(recipients.c.domain).where(chosen)).scalars())
    assert got.total() == 20
    assert (got["big.example"], got["middle.example"], got["small.example"]) == (12, 6, 2)


def test_nobody_else_is_claimed_or_given_out_before_the_canary_is_over(db: Database) -> None:
    campaign_id = begin(db)
    assert others(db, campaign_id) == 0
    with db.write() as connection:
        given = of_batches.wake(connection, campaign_id)
        lost = sweeper.vanished_batches(connection, queue_empty=True)
        mine = select(batches.c.id).where(batches.c.canary)
        assert {it.batch_id for it in [*given, *lost]} <= set(connection.execute(mine).scalars())
    assert len(given) == 20


def test_once_it_is_clean_the_others_follow_and_are_given_out_at_once(db: Database) -> None:
    campaign_id = begin(db)
    end(db, campaign_id, *[SENT] * 19, FAILED)
    assert sweep(db) is CampaignState.SENDING
    assert not waits(db)
    with db.write() as connection:
        assert sweeper.vanished_batches(connection, queue_empty=False)
    assert others(db, campaign_id) == 180


def test_who_is_deferred_is_waited_for_until_the_time_is_up(db: Database) -> None:
    campaign_id = begin(db)
    end(db, campaign_id, *[SENT] * 19, DEFERRED)
    sweep(db)
    assert waits(db)
    with db.write() as connection:
        connection.execute(update(campaigns).values(canary_until=1))
    assert sweep(db) is CampaignState.SENDING
    assert not waits(db)


def test_too_many_that_are_not_accepted_pause_it_and_a_resume_sends_to_the_others(db: Database) -> None:
    campaign_id = begin(db)
    end(db, campaign_id, *[SENT] * 18, FAILED, FAILED)
    assert sweep(db) is CampaignState.PAUSED
    assert others(db, campaign_id) == 0
    with db.write() as connection:
        lifecycle.act(connection, campaign_id, CampaignAction.RESUME)
    assert others(db, campaign_id) == 180


def test_a_person_who_pauses_it_and_resumes_ends_no_canary(db: Database) -> None:
    campaign_id = begin(db)
    for action in (CampaignAction.PAUSE, CampaignAction.RESUME):
        with db.write() as connection:
            lifecycle.act(connection, campaign_id, action)
    assert waits(db)
    assert others(db, campaign_id) == 0


def test_one_whose_members_were_all_excluded_holds_nobody_up(db: Database) -> None:
    campaign_id = begin(db)
    for id_ in members(db):
        with db.write() as connection:
            decisions.decide(connection, campaign_id, RecipientAction.SKIP, Choice(recipient=id_), after=0)
    assert sweep(db) is CampaignState.SENDING
    assert not waits(db)


@pytest.mark.parametrize("n", [0, 200, 1_000])
def test_one_of_nobody_or_of_everybody_is_none(db: Database, n: int) -> None:
    begin(db, n)
    assert not waits(db)
    assert not members(db)


def test_a_canceled_one_leaves_nothing_behind_that_is_judged(db: Database) -> None:
    campaign_id = begin(db)
    with db.write() as connection:
        lifecycle.act(connection, campaign_id, CampaignAction.CANCEL)
        sweeper.cancel_waiting(connection, campaign_id)
        assert not canary.waiting(connection)
    assert sweep(db) is CampaignState.CANCELED


def test_two_sweeps_at_once_let_the_others_follow_once(db: Database) -> None:
    campaign_id = begin(db)
    end(db, campaign_id, *[SENT] * 20)
    with db.write() as connection:
        assert canary.judge(connection, campaign_id) is None
        assert canary.judge(connection, campaign_id) is None
    assert not waits(db)
    campaign = campaign_in(db, campaign_id)
    assert campaign
    assert campaign.counts[RecipientState.QUEUED] == 180
