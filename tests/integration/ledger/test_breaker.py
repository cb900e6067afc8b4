"""The breaker pauses a campaign for its failures: once, with the evidence, and counted over all workers."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from mailing.campaigns import lifecycle
from mailing.core import tables
from mailing.core.states import AttemptResult, CampaignAction, CampaignState, RecipientAction
from mailing.ledger.breaker import USUAL, Breaker
from mailing.recipients import undertakings
from mailing.recipients.search import EVERYBODY
from tests.integration.ledger.test_evidence import commit, refused, state
from tests.integration.ledger.test_ledger import claim, result, store, worker

if TYPE_CHECKING:
    from mailing.core.database import Database
    from mailing.ledger.claims import Claim
    from mailing.ledger.results import Result

GONE = (550, "5.1.1 no such user")
FULL = (552, "5.2.2 mailbox is full")
LATER = (451, "4.7.1 try again later")


def guarded(db: Database, n: int, breaker: Breaker | None = USUAL) -> int:
    campaign_id = store(db, n)
    with db.write() as connection:
        row = tables.campaigns.c.id == campaign_id
        connection.execute(
            update(tables.campaigns).where(row).values(breaker=breaker and breaker.dump(), started_at=1)
        )
    return campaign_id


def sent(claims: list[Claim]) -> list[Result]:
    return [result(it, AttemptResult.SENT) for it in claims]


def failed(claims: list[Claim], reply: tuple[int, str] = GONE) -> list[Result]:
    return [refused(it, *reply)._replace(result=AttemptResult.FAILED, due_at=None) for it in claims]


def test_it_pauses_at_the_limit_with_the_replies_as_evidence(db: Database) -> None:
    campaign_id = guarded(db, 300)
    claims = claim(db, worker(db), campaign_id, 300)
    commit(db, sent(claims[:180]))
    commit(db, failed(claims[180:194]))
    commit(db, failed(claims[194:199], FULL))
    assert state(db, campaign_id)[0] is CampaignState.SENDING
    commit(db, failed(claims[199:200], FULL))
    paused, reason = state(db, campaign_id)
    assert paused is CampaignState.PAUSED
    assert reason == (
        "20 of the last 200 emails failed; the limit is 10%. The replies: "
        "14 times “550 5.1.1 no such user”, 6 times “552 5.2.2 mailbox is full”"
    )


def test_only_the_last_ones_count_and_a_deferral_is_no_outcome(db: Database) -> None:
    campaign_id = guarded(db, 500, Breaker(50, 20, 10))
    claims = claim(db, worker(db), campaign_id, 500)
    commit(db, failed(claims[:9]))
    commit(db, sent(claims[9:40]))  # the nine are no longer among the last twenty
    commit(db, failed(claims[40:49]))
    commit(db, [refused(it, *LATER) for it in claims[49:100]])
    assert state(db, campaign_id)[0] is CampaignState.SENDING
    commit(db, failed(claims[100:101]))
    assert state(db, campaign_id)[0] is CampaignState.PAUSED


def test_without_a_breaker_nothing_pauses(db: Database) -> None:
    campaign_id = guarded(db, 60, None)
    commit(db, failed(claim(db, worker(db), campaign_id, 60)))
    assert state(db, campaign_id)[0] is CampaignState.SENDING


def test_after_a_resume_it_counts_anew_and_does_not_trip_at_once(db: Database) -> None:
    campaign_id = guarded(db, 60)
    claims = claim(db, worker(db), campaign_id, 60)
    commit(db, failed(claims[:20]))
    assert state(db, campaign_id)[0] is CampaignState.PAUSED
    with db.write() as connection:
        lifecycle.act(connection, campaign_id, CampaignAction.RESUME)
    commit(db, failed(claims[20:39]))
    assert state(db, campaign_id)[0] is CampaignState.SENDING
    commit(db, failed(claims[39:40]))
    assert state(db, campaign_id)[0] is CampaignState.PAUSED


def test_a_retry_of_those_that_failed_counts_anew(db: Database) -> None:
    campaign_id = guarded(db, 40)
    claims = claim(db, worker(db), campaign_id, 40)
    commit(db, failed(claims[:19], FULL))
    commit(db, sent(claims[19:]))
    with db.write() as connection:
        assert lifecycle.finish(connection, campaign_id)
        undertakings.begin(connection, campaign_id, RecipientAction.RETRY, EVERYBODY, 100)
    again = claim(db, worker(db), campaign_id, 19)
    commit(db, failed(again[:1], FULL))
    assert state(db, campaign_id)[0] is CampaignState.SENDING


def test_workers_that_fail_at_the_same_moment_are_counted_together_and_pause_once(db: Database) -> None:
    for _ in range(5):
        campaign_id = guarded(db, 30)
        hands = [claim(db, worker(db), campaign_id, 10) for _ in range(3)]
        barrier, found = threading.Barrier(3), list[bool]()

        def work(claims: list[Claim]) -> None:
            barrier.wait(30)  # noqa: B023 - all end before the next one
            outcome = commit(db, failed(claims))
            found.append(CampaignState.PAUSED in outcome.states.values())  # noqa: B023

        threads = [threading.Thread(target=work, args=(claims,)) for claims in hands]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sorted(found) == [False, False, True]
        paused, reason = state(db, campaign_id)
        assert paused is CampaignState.PAUSED
        assert reason.startswith("20 of the last 20 emails failed")


@pytest.mark.parametrize("others", [0, 4_000])
def test_what_it_costs_does_not_depend_on_how_much_was_deferred(db: Database, others: int) -> None:
    campaign_id = guarded(db, others + 30)
    claims = claim(db, worker(db), campaign_id, others + 30)
    commit(db, failed(claims[:19]))
    if others:
        commit(db, [refused(it, *LATER) for it in claims[30:]])
    commit(db, failed(claims[19:20]))
    assert state(db, campaign_id)[0] is CampaignState.PAUSED


def test_one_that_trips_with_its_last_email_is_finished_and_not_paused_for_ever(db: Database) -> None:
    campaign_id = guarded(db, 25)
    commit(db, failed(claim(db, worker(db), campaign_id, 25)))
    with db.write() as connection:
        lifecycle.finish(connection, campaign_id)
    assert state(db, campaign_id)[0] is CampaignState.FINISHED
