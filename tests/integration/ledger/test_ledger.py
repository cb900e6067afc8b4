"""The ledger balances whatever happens, and every change happens once."""

from __future__ import annotations

import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, insert, select, update

from mailing.campaigns import lifecycle
from mailing.core import tables
from mailing.core.clock import now_ms
from mailing.core.states import RECIPIENT_CHANGES, RESULT_STATES, AttemptResult, CampaignState, RecipientState
from mailing.delivery import sweeper
from mailing.ledger import batches, claims, counters, leases, results

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailing.core.database import Database

FAR = 10**12


def store(db: Database, n: int, state: CampaignState = CampaignState.SENDING) -> int:
    """Store a campaign of ``n`` recipients; return its id."""
    with db.write() as connection:
        campaign_id = connection.execute(
            insert(tables.campaigns)
            .values(
                sender_from="a@b.example",
                subject="s",
                text="t",
                token=random.randbytes(8).hex(),
                total=n,
                state=state,
            )
            .returning(tables.campaigns.c.id)
        ).scalar_one()
        rows = [
            {"campaign_id": campaign_id, "email": f"u{i}@x.example", "domain": "x.example", "name": ""}
            for i in range(n)
        ]
        connection.execute(insert(tables.recipients), rows)
        counters.add(connection, campaign_id, RecipientState.QUEUED, n)
        batches.cut(connection, campaign_id, n)
    return int(campaign_id)


def worker(db: Database) -> int:
    with db.write() as connection:
        return leases.register(connection, "test:1")


def claim(db: Database, worker_id: int, campaign_id: int, limit: int) -> list[claims.Claim]:
    with db.write() as connection:
        return claims.claim(connection, worker_id, campaign_id, after=0, last=FAR, limit=limit)


def result(claimed: claims.Claim, outcome: AttemptResult, due_at: int | None = None) -> results.Result:
    now = now_ms()
    due_at = (due_at or now) if outcome is AttemptResult.DEFERRED else None
    return results.Result(claimed, outcome, "mx:25", now, now, 250, "2.0.0", "250 2.0.0 Ok", due_at)


def counted(connection: Connection, campaign_id: int) -> dict[RecipientState, int]:
    """Count the rows themselves, as the slow but certain check of the tallies."""
    statement = (
        select(tables.recipients.c.state, func.count())
        .where(tables.recipients.c.campaign_id == campaign_id)
        .group_by(tables.recipients.c.state)
    )
    found = {RecipientState(state): n for state, n in connection.execute(statement)}
    return {state: found.get(state, 0) for state in RecipientState}


def check(db: Database, campaign_id: int, total: int) -> dict[RecipientState, int]:
    with db.read() as connection:
        kept = counters.counts(connection, campaign_id)
        assert kept == counted(connection, campaign_id)
    assert sum(kept.values()) == total
    return kept


def test_two_workers_that_claim_at_the_same_moment_share_the_list_without_overlap(db: Database) -> None:
    campaign_id = store(db, 200)
    taken: list[int] = []

    def work() -> None:
        me = worker(db)
        while claimed := claim(db, me, campaign_id, 7):
            taken.extend(c.recipient_id for c in claimed)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(Counter(taken).values()) == 1
    assert len(taken) == 200
    assert check(db, campaign_id, 200)[RecipientState.SENDING] == 200


def test_a_claim_never_takes_more_than_its_limit(db: Database) -> None:
    campaign_id = store(db, 50)
    assert len(claim(db, worker(db), campaign_id, 7)) == 7


def test_a_result_recorded_twice_counts_once(db: Database) -> None:
    campaign_id = store(db, 3)
    claimed = claim(db, worker(db), campaign_id, 3)
    sent = [result(c, AttemptResult.SENT) for c in claimed]
    with db.write() as connection:
        assert len(results.settle(connection, sent)) == 3
    with db.write() as connection:
        assert results.settle(connection, sent) == []
        attempts = connection.execute(select(func.count()).select_from(tables.attempts)).scalar_one()
    assert attempts == 3
    assert check(db, campaign_id, 3)[RecipientState.SENT] == 3


def test_in_a_group_with_one_stale_result_the_others_are_recorded(db: Database) -> None:
    campaign_id = store(db, 3)
    claimed = claim(db, worker(db), campaign_id, 3)
    with db.write() as connection:
        results.settle(connection, [result(claimed[0], AttemptResult.FAILED)])
    with db.write() as connection:
        fresh = results.settle(connection, [result(c, AttemptResult.SENT) for c in claimed])
    assert [r.claim for r in fresh] == claimed[1:]
    counts = check(db, campaign_id, 3)
    assert (counts[RecipientState.FAILED], counts[RecipientState.SENT]) == (1, 2)


def test_what_an_ended_worker_held_becomes_unknown_and_a_late_reply_still_counts(db: Database) -> None:
    campaign_id = store(db, 2)
    me = worker(db)
    claimed = claim(db, me, campaign_id, 2)
    with db.write() as connection:
        leases.end(connection, me)
        assert sweeper.abandon(connection) == {campaign_id: 2}
    assert check(db, campaign_id, 2)[RecipientState.UNKNOWN] == 2
    with db.write() as connection:
        assert len(results.settle(connection, [result(claimed[0], AttemptResult.SENT)])) == 1
    counts = check(db, campaign_id, 2)
    assert (counts[RecipientState.SENT], counts[RecipientState.UNKNOWN]) == (1, 1)


def test_work_handed_back_after_the_lease_ended_is_no_longer_in_doubt(db: Database) -> None:
    campaign_id = store(db, 1)
    me = worker(db)
    claimed = claim(db, me, campaign_id, 1)
    with db.write() as connection:
        leases.end(connection, me)
        sweeper.abandon(connection)
        claims.release(connection, claimed)
    assert check(db, campaign_id, 1)[RecipientState.QUEUED] == 1


def test_a_claim_that_was_handed_back_and_taken_by_another_worker_is_out_of_reach(db: Database) -> None:
    campaign_id = store(db, 1)
    first, second = worker(db), worker(db)
    stale = claim(db, first, campaign_id, 1)
    with db.write() as connection:
        claims.release(connection, stale)
    claim(db, second, campaign_id, 1)
    with db.write() as connection:
        assert results.settle(connection, [result(stale[0], AttemptResult.SENT)]) == []
        claims.release(connection, stale)
    assert check(db, campaign_id, 1)[RecipientState.SENDING] == 1


def test_claims_whose_commit_was_never_acknowledged_are_handed_back(db: Database) -> None:
    campaign_id = store(db, 5)
    me = worker(db)
    claimed = claim(db, me, campaign_id, 5)
    with db.write() as connection:
        assert claims.release_strays(connection, me, {c.recipient_id for c in claimed[:2]}) == 3
    assert check(db, campaign_id, 5)[RecipientState.QUEUED] == 3


def test_deferred_recipients_wait_until_they_are_due_and_their_batch_is_given_out(db: Database) -> None:
    campaign_id = store(db, 2)
    claimed = claim(db, worker(db), campaign_id, 2)
    with db.write() as connection:
        results.settle(connection, [result(claimed[0], AttemptResult.DEFERRED, now_ms() - 1)])
        results.settle(connection, [result(claimed[1], AttemptResult.DEFERRED, now_ms() + 60_000)])
        batches.wake(connection, campaign_id)
    with db.write() as connection:
        assert sweeper.wake_deferred(connection) == {campaign_id}
        assert len(sweeper.vanished_batches(connection, queue_empty=False)) == 1
    counts = check(db, campaign_id, 2)
    assert (counts[RecipientState.QUEUED], counts[RecipientState.DEFERRED]) == (1, 1)


def test_the_deferred_of_a_paused_campaign_sleep_on(db: Database) -> None:
    campaign_id = store(db, 1)
    claimed = claim(db, worker(db), campaign_id, 1)
    with db.write() as connection:
        results.settle(connection, [result(claimed[0], AttemptResult.DEFERRED, now_ms() - 1)])
        lifecycle.pause(connection, campaign_id, "why")
        assert sweeper.wake_deferred(connection) == set()


def test_a_lost_batch_is_given_out_once_by_two_sweepers(db: Database) -> None:
    store(db, 20)
    given: list[int] = []

    def sweep() -> None:
        with db.write() as connection:
            given.extend(e.batch_id for e in sweeper.vanished_batches(connection, queue_empty=True))

    threads = [threading.Thread(target=sweep) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(given) == len(set(given)) == 2


def test_a_campaign_finishes_when_nobody_waits_and_not_before(db: Database) -> None:
    campaign_id = store(db, 2)
    claimed = claim(db, worker(db), campaign_id, 2)
    with db.write() as connection:
        results.settle(connection, [result(claimed[0], AttemptResult.SENT)])
        assert not lifecycle.finish(connection, campaign_id)
        results.settle(connection, [result(claimed[1], AttemptResult.FAILED)])
        assert lifecycle.finish(connection, campaign_id)
        assert not lifecycle.finish(connection, campaign_id)


def test_the_hours_until_it_is_given_up_count_from_a_try_not_from_a_claim(db: Database) -> None:
    """A person may pause for days: who was only held then must not be given up at the first refusal."""
    campaign_id = store(db, 2)
    me = worker(db)
    held, returned = claim(db, me, campaign_id, 2)
    with db.write() as connection:
        claims.release(connection, [held])
    with db.write() as connection:
        results.settle(connection, [result(returned, AttemptResult.RETURNED)])
        claims.forgive(connection, returned)
    with db.write() as connection:
        connection.execute(update(tables.recipients).values(claimed_at=0))
    later = now_ms()
    assert [again.first_tried_at >= later for again in claim(db, me, campaign_id, 2)] == [True, True]


def test_the_hours_go_on_counting_where_a_later_claim_is_handed_back(db: Database) -> None:
    campaign_id = store(db, 1)
    me = worker(db)
    [first] = claim(db, me, campaign_id, 1)
    with db.write() as connection:
        results.settle(connection, [result(first, AttemptResult.DEFERRED)])
        sweeper.wake_deferred(connection)
    [second] = claim(db, me, campaign_id, 1)
    with db.write() as connection:
        claims.release(connection, [second])
    [third] = claim(db, me, campaign_id, 1)
    assert third.first_tried_at == first.first_tried_at


def test_a_campaign_that_finishes_just_when_somebody_comes_back_to_it_sends_on(db: Database) -> None:
    """The two writers do not see each other's rows, so the one that gives back has to wait for the other."""
    if db.sqlite:  # whose writers take turns
        return
    campaign_id = store(db, 1)
    me = worker(db)
    claimed = claim(db, me, campaign_id, 1)
    with db.write() as connection:
        leases.end(connection, me)
        sweeper.abandon(connection)
    with ThreadPoolExecutor() as threads, db.write() as giving:
        claims.release(giving, claimed)
        with db.write() as finishing:
            assert lifecycle.finish(finishing, campaign_id)
            reopening = threads.submit(lifecycle.reopen, giving, campaign_id)
            wait([reopening], timeout=0.3)  # it should not end before the other one
        assert reopening.result()
    assert check(db, campaign_id, 1)[RecipientState.QUEUED] == 1


def test_the_database_refuses_a_deferred_recipient_without_a_due_time(db: Database) -> None:
    campaign_id = store(db, 1)
    broken = (
        update(tables.recipients)
        .where(tables.recipients.c.campaign_id == campaign_id)
        .values(state=RecipientState.DEFERRED)
    )
    with pytest.raises(Exception, match="ck_recipients_due"), db.write() as connection:
        connection.execute(broken)


def test_every_result_leads_to_a_state_that_the_table_of_changes_allows() -> None:
    for state in RESULT_STATES.values():
        assert (RecipientState.SENDING, state) in RECIPIENT_CHANGES


@pytest.mark.parametrize("seed", range(4))
def test_any_mixture_of_work_death_and_sweeping_keeps_the_ledger_balanced(db: Database, seed: int) -> None:
    """Random operations, many out of order, some on claims that are no longer owned (P2)."""
    dice = random.Random(seed)
    campaign_id = store(db, 60)
    workers_, held = [worker(db)], []
    for _ in range(120):
        with db.write() as connection:
            match dice.randrange(9):
                case 0 | 1 | 2:
                    limit = dice.randint(1, 6)
                    held += claims.claim(
                        connection, dice.choice(workers_), campaign_id, after=0, last=FAR, limit=limit
                    )
                case 3 | 4 if held:
                    some = dice.sample(held, dice.randint(1, len(held)))
                    outcomes = [result(c, dice.choice(list(AttemptResult))) for c in some]
                    results.settle(connection, outcomes)
                case 5 if held:
                    claims.release(connection, dice.sample(held, 1))
                case 6:
                    leases.end(connection, dice.choice(workers_))
                    sweeper.abandon(connection)
                    workers_.append(leases.register(connection, "test:1"))
                case 7:
                    sweeper.wake_deferred(connection)
                case 8 if dice.random() < 0.1:
                    connection.execute(update(tables.campaigns).values(state=CampaignState.CANCELED))
                    sweeper.cancel_leftovers(connection)
        check(db, campaign_id, 60)


def test_a_change_that_no_recipient_may_make_is_undone_with_all_that_came_with_it(db: Database) -> None:
    campaign_id = store(db, 2)

    def mail_again_who_has_it() -> None:
        with db.write() as connection:
            connection.execute(update(tables.recipients).values(state=RecipientState.SENT))
            counters.move(connection, campaign_id, 0, {(RecipientState.SENT, RecipientState.QUEUED): 2})

    with pytest.raises(AssertionError, match="cannot change so"):
        mail_again_who_has_it()
    assert check(db, campaign_id, 2)[RecipientState.QUEUED] == 2
