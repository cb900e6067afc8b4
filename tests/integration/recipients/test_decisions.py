"""What people decide about recipients: it happens once, balances, and takes nothing from a worker."""

from __future__ import annotations

import contextlib
import random
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, update

from mailing.campaigns import lifecycle
from mailing.campaigns import queries as campaigns
from mailing.campaigns.lifecycle import NotAllowed
from mailing.core import tables
from mailing.core.clock import now_ms
from mailing.core.states import (
    DECISIONS,
    ENDED,
    AttemptResult,
    CampaignState,
    RecipientAction,
    RecipientState,
)
from mailing.delivery import sweeper
from mailing.ledger import batches, claims, leases, results
from mailing.recipients import decisions, listing, search
from mailing.recipients.search import EVERYBODY, Choice
from mailing.reports.log import email_log
from mailing.reports.log.walks import Search
from tests.integration.ledger.test_ledger import FAR, check, claim, result, store, worker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailing.campaigns.queries import Campaign
    from mailing.core.database import Database
    from mailing.core.states import Decision
    from mailing.ledger.claims import Claim
    from mailing.recipients.decisions import Step

RETRY, RESEND, MARK, SKIP, FAIL = RecipientAction
RESULTS = {
    RecipientState.QUEUED: AttemptResult.RETURNED,
    RecipientState.DEFERRED: AttemptResult.DEFERRED,
    RecipientState.FAILED: AttemptResult.FAILED,
    RecipientState.UNKNOWN: AttemptResult.UNKNOWN,
}
MOVES = [(action, source) for action, decision in DECISIONS.items() for source in decision.sources]


def ended(
    db: Database, n: int, state: RecipientState, campaign: CampaignState = CampaignState.SENDING
) -> tuple[int, list[Claim]]:
    """Store a campaign in which ``n`` recipients are in ``state`` after one try."""
    campaign_id = store(db, n)
    claimed = claim(db, worker(db), campaign_id, n)
    due = now_ms() + 3_600_000 if state is RecipientState.DEFERRED else None
    with db.write() as connection:
        results.settle(connection, [result(c, RESULTS[state], due) for c in claimed])
        connection.execute(update(tables.campaigns).values(state=campaign, finished_at=1))
    return campaign_id, claimed


def decide(
    db: Database, campaign_id: int, action: RecipientAction, choice: Choice = EVERYBODY, after: int = 0
) -> Step:
    with db.write() as connection:
        return decisions.decide(connection, campaign_id, action, choice, after=after)


def get(db: Database, campaign_id: int) -> Campaign:
    with db.read() as connection:
        found = campaigns.get(connection, campaign_id)
    assert found
    return found


@pytest.mark.parametrize(("action", "source"), MOVES)
def test_a_decision_moves_everybody_in_its_state_and_the_ledger_balances(
    db: Database, action: RecipientAction, source: RecipientState
) -> None:
    campaign_id, claimed = ended(db, 3, source)
    step = decide(db, campaign_id, action)
    assert list(step.moved) == [c.recipient_id for c in claimed]
    assert check(db, campaign_id, 3)[DECISIONS[action].target] == 3
    assert not decide(db, campaign_id, action).moved


@pytest.mark.parametrize("action", RecipientAction)
def test_a_recipient_that_a_worker_holds_cannot_be_touched(db: Database, action: RecipientAction) -> None:
    campaign_id = store(db, 1)
    claim(db, worker(db), campaign_id, 1)
    assert not decide(db, campaign_id, action).moved
    assert check(db, campaign_id, 1)[RecipientState.SENDING] == 1


def test_a_decision_may_be_about_a_state_a_search_or_one(db: Database) -> None:
    campaign_id, claimed = ended(db, 12, RecipientState.FAILED)
    ids = [c.recipient_id for c in claimed]
    assert not decide(db, campaign_id, RETRY, Choice(RecipientState.DEFERRED)).moved
    assert not decide(db, campaign_id, RETRY, Choice(RecipientState.UNKNOWN)).moved
    assert list(decide(db, campaign_id, RETRY, Choice(q="U1")).moved) == [ids[1], ids[10], ids[11]]
    assert list(decide(db, campaign_id, RETRY, Choice(recipient=ids[4])).moved) == [ids[4]]
    assert not decide(db, campaign_id, RETRY, Choice(recipient=ids[4])).moved
    with db.read() as connection:
        found = search.count(connection, campaign_id, Choice(q="u1"))
    assert found == {RecipientState.QUEUED: 3}
    assert check(db, campaign_id, 12)[RecipientState.QUEUED] == 4


def test_another_campaigns_recipients_are_out_of_reach(db: Database) -> None:
    campaign_id, claimed = ended(db, 1, RecipientState.FAILED)
    other = store(db, 1)
    assert not decide(db, other, RETRY, Choice(recipient=claimed[0].recipient_id)).moved
    assert check(db, campaign_id, 1)[RecipientState.FAILED] == 1


def test_marking_as_sent_is_logged_as_a_persons_decision_beside_the_attempt(db: Database) -> None:
    campaign_id, claimed = ended(db, 1, RecipientState.UNKNOWN, CampaignState.FINISHED)
    decide(db, campaign_id, MARK)
    with db.read() as connection:
        marked, lost = email_log.page(connection, Search(campaign_id=campaign_id)).rows
        (row,) = listing.recipients_by_id(connection, [claimed[0].recipient_id])
        paces = connection.execute(tables.paces.select()).all()
    assert (lost.result, lost.worker, lost.number) == ("unknown", "test:1", 1)
    assert (marked.result, marked.worker, marked.number) == ("sent", None, 1)
    assert (marked.code, marked.server, marked.reply) == (None, "", decisions.MARKED)
    assert (row.state, row.attempts, row.reply) == ("sent", 1, decisions.MARKED)
    assert get(db, campaign_id).state is CampaignState.FINISHED
    assert [row.result for row in paces] == ["unknown"]  # no email was sent


def test_the_log_accepts_no_other_result_without_a_worker(db: Database) -> None:
    ended(db, 1, RecipientState.FAILED)
    with pytest.raises(Exception, match="ck_attempts_worker"), db.write() as connection:
        connection.execute(update(tables.attempts).values(worker_id=None))


@pytest.mark.parametrize("action", [RESEND, MARK])
def test_after_a_decision_the_worker_thought_dead_has_no_say(db: Database, action: RecipientAction) -> None:
    campaign_id = store(db, 2)
    me = worker(db)
    claimed = claim(db, me, campaign_id, 2)
    with db.write() as connection:
        leases.end(connection, me)
        sweeper.abandon(connection)
    decide(db, campaign_id, action)
    before = check(db, campaign_id, 2)
    with db.write() as connection:
        assert results.settle(connection, [result(claimed[0], AttemptResult.FAILED)]) == []
        claims.release(connection, claimed)
    assert check(db, campaign_id, 2) == before


@pytest.mark.parametrize("action", [RESEND, MARK])
def test_a_reply_that_comes_after_a_persons_decision_is_logged_once_and_moves_nobody(
    db: Database, action: RecipientAction
) -> None:
    campaign_id = store(db, 1)
    me = worker(db)
    claimed = claim(db, me, campaign_id, 1)
    with db.write() as connection:
        leases.end(connection, me)
        sweeper.abandon(connection)
    decide(db, campaign_id, action)
    before = check(db, campaign_id, 1)
    for _ in range(2):
        with db.write() as connection:
            assert results.settle(connection, [result(claimed[0], AttemptResult.SENT)]) == []
    assert check(db, campaign_id, 1) == before
    with db.read() as connection:
        log = connection.execute(
            select(tables.attempts.c.result, tables.attempts.c.worker_id).order_by(tables.attempts.c.id)
        ).all()
    mark = [("sent", None)] if action is MARK else []
    assert log == [("unknown", me), *mark, ("sent", me)]


def test_a_resent_recipient_shows_both_attempts(db: Database) -> None:
    campaign_id, _ = ended(db, 1, RecipientState.UNKNOWN)
    decide(db, campaign_id, RESEND)
    again = claim(db, worker(db), campaign_id, 1)
    with db.write() as connection:
        results.settle(connection, [result(c, AttemptResult.SENT) for c in again])
        rows = email_log.page(connection, Search(campaign_id=campaign_id)).rows
    assert [(row.number, row.result) for row in rows] == [(2, "sent"), (1, "unknown")]


@pytest.mark.parametrize(
    ("action", "source", "anew"),
    [
        (RETRY, RecipientState.FAILED, True),
        (RETRY, RecipientState.DEFERRED, False),
        (RESEND, RecipientState.UNKNOWN, True),
    ],
)
def test_the_hours_until_it_is_given_up_count_anew_after_an_end(
    db: Database, action: RecipientAction, source: RecipientState, anew: bool
) -> None:
    campaign_id, _ = ended(db, 1, source)
    with db.write() as connection:
        connection.execute(update(tables.recipients).values(first_tried_at=1))
    decide(db, campaign_id, action)
    (again,) = claim(db, worker(db), campaign_id, 1)
    assert (again.first_tried_at > 1) is anew
    assert again.attempt == 2


@pytest.mark.parametrize(("action", "source"), MOVES)
@pytest.mark.parametrize("state", CampaignState)
def test_a_decision_is_possible_exactly_where_it_is_offered(
    db: Database, action: RecipientAction, source: RecipientState, state: CampaignState
) -> None:
    campaign_id, _ = ended(db, 1, source, state)
    decision: Decision = DECISIONS[action]
    if state not in decision.campaigns:
        with pytest.raises(NotAllowed, match=f"is {state}"):
            decide(db, campaign_id, action)
        assert get(db, campaign_id).state is state
        assert check(db, campaign_id, 1)[source] == 1
        return
    step = decide(db, campaign_id, action)
    after = get(db, campaign_id)
    assert step.campaign is after.state is decision.campaigns[state]
    assert (after.finished_at is None) is (after.state is not state)
    assert bool(step.errands) is (
        after.state is CampaignState.SENDING and decision.target is RecipientState.QUEUED
    )


def test_a_finished_campaign_in_which_nobody_is_moved_stays_finished(db: Database) -> None:
    campaign_id, _ = ended(db, 1, RecipientState.UNKNOWN, CampaignState.FINISHED)
    assert not decide(db, campaign_id, RETRY).moved
    assert get(db, campaign_id).state is CampaignState.FINISHED


def test_only_the_batches_in_which_somebody_was_queued_are_given_out(db: Database) -> None:
    campaign_id, claimed = ended(db, 35, RecipientState.FAILED)
    one = decide(db, campaign_id, RETRY, Choice(recipient=claimed[12].recipient_id))
    rest = decide(db, campaign_id, RETRY)
    with db.read() as connection:
        known = list(connection.execute(select(tables.batches.c.id).order_by(tables.batches.c.id)).scalars())
    assert [errand.batch_id for errand in one.errands] == [known[1]]
    assert [errand.batch_id for errand in rest.errands] == known


@pytest.mark.parametrize("seed", range(4))
def test_any_mixture_of_work_death_and_decisions_keeps_the_ledger_balanced(db: Database, seed: int) -> None:
    """Random operations (P2); whoever is queued while the campaign is over would be lost (P3)."""
    dice = random.Random(seed)
    campaign_id = store(db, 40)
    me, held = worker(db), list[claims.Claim]()
    for _ in range(100):
        with contextlib.suppress(NotAllowed), db.write() as connection:
            match dice.randrange(6):
                case 0 | 1:
                    held += claims.claim(connection, me, campaign_id, after=0, last=FAR, limit=9)
                case 2:
                    outcomes = [result(c, dice.choice(list(AttemptResult))) for c in held]
                    news = results.settle(connection, dice.sample(outcomes, len(outcomes) // 2))
                    if any(it.state not in ENDED for it in news):  # as a round does
                        lifecycle.reopen(connection, campaign_id)
                case 3 if dice.random() < 0.3:
                    leases.end(connection, me)
                    sweeper.abandon(connection)
                    me = leases.register(connection, "test:1")
                case 4:
                    lifecycle.finish(connection, campaign_id)
                case 5:
                    some: Sequence[Choice] = (EVERYBODY, Choice(q="3"), Choice(recipient=dice.randint(1, 40)))
                    decisions.decide(
                        connection,
                        campaign_id,
                        dice.choice(list(RecipientAction)),
                        dice.choice(some),
                        after=0,
                    )
        counts = check(db, campaign_id, 40)
        if get(db, campaign_id).state is CampaignState.FINISHED:
            assert not counts[RecipientState.QUEUED] + counts[RecipientState.DEFERRED]
    with db.write() as connection:
        errands = batches.wake(connection, campaign_id)
    assert bool(errands) is bool(check(db, campaign_id, 40)[RecipientState.QUEUED])
