"""What people decide about recipients: it happens once, balances, and takes nothing from a worker."""

from __future__ import annotations

import contextlib
import random
import threading
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, text, update

from mailing import (
    batches,
    campaigns,
    decisions,
    finding,
    history,
    inbox,
    ledger,
    maillog,
    models,
    sweeping,
    workers,
)
from mailing.campaigns import Draft, NotAllowed
from mailing.decisions import EVERYBODY, Choice
from mailing.finding import Filter
from mailing.maillog import Search
from mailing.models import now_ms
from mailing.states import (
    DECISIONS,
    AttemptResult,
    CampaignAction,
    CampaignState,
    RecipientAction,
    RecipientState,
)
from tasks import sending
from tests.harness import wait_until
from tests.integration.test_ledger import FAR, check, claim, result, store, worker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mailing.campaigns import Campaign
    from mailing.database import Database
    from mailing.decisions import Step
    from mailing.ledger import Claim
    from mailing.states import Decision
    from tests.harness import Stack

RETRY, RESEND, MARK = RecipientAction
RESULTS = {
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
    claims = claim(db, worker(db), campaign_id, n)
    due = now_ms() + 3_600_000 if state is RecipientState.DEFERRED else None
    with db.write() as connection:
        ledger.settle(connection, [result(c, RESULTS[state], due) for c in claims])
        connection.execute(update(models.campaigns).values(state=campaign, finished_at=1))
    return campaign_id, claims


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


def together(*calls: object) -> None:
    """Call functions at the same moment, each in a thread of its own."""
    gate = threading.Barrier(len(calls))
    faults: list[BaseException] = []

    def run(call: object) -> None:
        gate.wait()
        try:
            call()  # type: ignore[operator]
        except Exception as error:  # noqa: BLE001 - told below, in the thread of the test
            faults.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults


@pytest.mark.parametrize(("action", "source"), MOVES)
def test_a_decision_moves_everybody_in_its_state_and_the_ledger_balances(
    db: Database, action: RecipientAction, source: RecipientState
) -> None:
    campaign_id, claims = ended(db, 3, source)
    step = decide(db, campaign_id, action)
    assert list(step.moved) == [c.recipient_id for c in claims]
    assert check(db, campaign_id, 3)[DECISIONS[action].target] == 3
    assert not decide(db, campaign_id, action).moved


@pytest.mark.parametrize("action", RecipientAction)
def test_a_recipient_that_a_worker_holds_cannot_be_touched(db: Database, action: RecipientAction) -> None:
    campaign_id = store(db, 2)
    claim(db, worker(db), campaign_id, 1)
    assert not decide(db, campaign_id, action).moved
    counts = check(db, campaign_id, 2)
    assert (counts[RecipientState.SENDING], counts[RecipientState.QUEUED]) == (1, 1)


def test_a_decision_may_be_about_a_state_a_search_or_one(db: Database) -> None:
    campaign_id, claims = ended(db, 12, RecipientState.FAILED)
    ids = [c.recipient_id for c in claims]
    assert not decide(db, campaign_id, RETRY, Choice(RecipientState.DEFERRED)).moved
    assert not decide(db, campaign_id, RETRY, Choice(RecipientState.UNKNOWN)).moved
    assert list(decide(db, campaign_id, RETRY, Choice(q="U1")).moved) == [ids[1], ids[10], ids[11]]
    assert list(decide(db, campaign_id, RETRY, Choice(recipient=ids[4])).moved) == [ids[4]]
    assert not decide(db, campaign_id, RETRY, Choice(recipient=ids[4])).moved
    with db.read() as connection:
        found = finding.count(connection, campaign_id, Filter(q="u1"))
    assert found == {RecipientState.QUEUED: 3}
    assert check(db, campaign_id, 12)[RecipientState.QUEUED] == 4


def test_another_campaigns_recipients_are_out_of_reach(db: Database) -> None:
    campaign_id, claims = ended(db, 1, RecipientState.FAILED)
    other = store(db, 1)
    assert not decide(db, other, RETRY, Choice(recipient=claims[0].recipient_id)).moved
    assert check(db, campaign_id, 1)[RecipientState.FAILED] == 1


def test_marking_as_sent_is_logged_as_a_persons_decision_beside_the_attempt(db: Database) -> None:
    campaign_id, claims = ended(db, 1, RecipientState.UNKNOWN, CampaignState.FINISHED)
    decide(db, campaign_id, MARK)
    with db.read() as connection:
        marked, lost = maillog.page(connection, Search(campaign_id=campaign_id)).rows
        (row,) = history.recipients_by_id(connection, [claims[0].recipient_id])
        rate = campaigns.rate(connection, get(db, campaign_id))
    assert (lost.result, lost.worker, lost.number) == ("unknown", "test:1", 1)
    assert (marked.result, marked.worker, marked.number) == ("sent", None, 1)
    assert (marked.code, marked.server, marked.reply) == (None, "", decisions.MARKED)
    assert (row.state, row.attempts, row.reply) == ("sent", 1, decisions.MARKED)
    assert get(db, campaign_id).state is CampaignState.FINISHED
    assert rate.overall == 0  # no email was sent


def test_the_log_accepts_no_other_result_without_a_worker(db: Database) -> None:
    ended(db, 1, RecipientState.FAILED)
    with pytest.raises(Exception, match="ck_attempts_worker"), db.write() as connection:
        connection.execute(update(models.attempts).values(worker_id=None))


@pytest.mark.parametrize("action", [RESEND, MARK])
def test_after_a_decision_the_worker_thought_dead_has_no_say(db: Database, action: RecipientAction) -> None:
    campaign_id = store(db, 2)
    me = worker(db)
    claims = claim(db, me, campaign_id, 2)
    with db.write() as connection:
        workers.end(connection, me)
        sweeping.abandon(connection)
    decide(db, campaign_id, action)
    before = check(db, campaign_id, 2)
    with db.write() as connection:
        assert ledger.settle(connection, [result(claims[0], AttemptResult.FAILED)]) == []
        ledger.release(connection, claims)
    assert check(db, campaign_id, 2) == before


@pytest.mark.parametrize("action", [RESEND, MARK])
def test_a_reply_that_comes_after_a_persons_decision_is_logged_once_and_moves_nobody(
    db: Database, action: RecipientAction
) -> None:
    campaign_id = store(db, 1)
    me = worker(db)
    claims = claim(db, me, campaign_id, 1)
    with db.write() as connection:
        workers.end(connection, me)
        sweeping.abandon(connection)
    decide(db, campaign_id, action)
    before = check(db, campaign_id, 1)
    for _ in range(2):
        with db.write() as connection:
            assert ledger.settle(connection, [result(claims[0], AttemptResult.SENT)]) == []
    assert check(db, campaign_id, 1) == before
    with db.read() as connection:
        log = connection.execute(
            select(models.attempts.c.result, models.attempts.c.worker_id).order_by(models.attempts.c.id)
        ).all()
    mark = [("sent", None)] if action is MARK else []
    assert log == [("unknown", me), *mark, ("sent", me)]


def test_a_resent_recipient_shows_both_attempts(db: Database) -> None:
    campaign_id, _ = ended(db, 1, RecipientState.UNKNOWN)
    decide(db, campaign_id, RESEND)
    again = claim(db, worker(db), campaign_id, 1)
    with db.write() as connection:
        ledger.settle(connection, [result(c, AttemptResult.SENT) for c in again])
        rows = maillog.page(connection, Search(campaign_id=campaign_id)).rows
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
        connection.execute(update(models.recipients).values(first_tried_at=1))
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
    campaign_id, claims = ended(db, 35, RecipientState.FAILED)
    one = decide(db, campaign_id, RETRY, Choice(recipient=claims[12].recipient_id))
    rest = decide(db, campaign_id, RETRY)
    with db.read() as connection:
        known = list(connection.execute(select(models.batches.c.id).order_by(models.batches.c.id)).scalars())
    assert [errand.batch_id for errand in one.errands] == [known[1]]
    assert [errand.batch_id for errand in rest.errands] == known


@pytest.mark.parametrize(("action", "source"), MOVES)
def test_two_people_who_press_at_once_act_once(
    db: Database, action: RecipientAction, source: RecipientState
) -> None:
    campaign_id, claims = ended(db, 40, source)
    moved: list[int] = []
    together(*(lambda: moved.extend(decide(db, campaign_id, action).moved) for _ in range(3)))
    assert sorted(moved) == [c.recipient_id for c in claims]
    assert check(db, campaign_id, 40)[DECISIONS[action].target] == 40
    with db.read() as connection:
        rows = maillog.page(connection, Search(campaign_id=campaign_id), limit=500).rows
    assert len(rows) == (80 if action is MARK else 40)


def test_a_retry_while_workers_claim_gives_nobody_to_two_of_them(db: Database) -> None:
    campaign_id, _ = ended(db, 60, RecipientState.FAILED)
    taken: list[int] = []
    retried: list[int] = []

    def work() -> None:
        me = worker(db)
        for _ in range(30):
            with db.write() as connection:
                claims = ledger.claim(connection, me, campaign_id, after=0, last=FAR, limit=5)
            taken.extend(c.recipient_id for c in claims)

    def press() -> None:
        retried.extend(decide(db, campaign_id, RETRY).moved)

    together(work, work, press, press)
    taken.extend(c.recipient_id for c in claim(db, worker(db), campaign_id, 60))
    assert len(retried) == len(set(retried)) == 60
    assert sorted(taken) == sorted(retried)
    assert check(db, campaign_id, 60)[RecipientState.SENDING] == 60


def test_a_campaign_does_not_finish_over_somebody_who_is_being_queued(db: Database) -> None:
    campaign_id, _ = ended(db, 1, RecipientState.FAILED)
    finished: list[bool] = []

    def finish() -> None:
        with db.write() as connection:
            finished.append(ledger.finish(connection, campaign_id))

    def waits() -> bool:
        if db.sqlite:  # there a writer waits before it begins
            return True
        with db.read() as connection:
            return bool(
                connection.execute(
                    text(
                        "SELECT 1 FROM pg_stat_activity "
                        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
                    )
                ).first()
            )

    thread = threading.Thread(target=finish)
    with db.write() as connection:
        decisions.decide(connection, campaign_id, RETRY, EVERYBODY, after=0)
        thread.start()
        wait_until(waits, "the other one waits for the campaign")
    thread.join()
    assert finished == [False]
    assert get(db, campaign_id).state is CampaignState.SENDING


class Telephone:
    """Stands for Redis: counts what is published, and lets a worker be as fast as it can be."""

    def __init__(self, db: Database, campaign_id: int) -> None:
        self.db, self.campaign_id, self.published = db, campaign_id, 0

    def pipeline(self, **_: object) -> Telephone:
        return self

    def publish(self, *_: object) -> None:
        self.published += 1

    def execute(self) -> None:
        claims = claim(self.db, worker(self.db), self.campaign_id, 100)
        with self.db.write() as connection:
            ledger.settle(connection, [result(c, AttemptResult.UNKNOWN) for c in claims])
            ledger.finish(connection, self.campaign_id)


def test_who_fails_again_at_once_is_not_sent_to_a_third_time(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign_id, _ = ended(db, 5, RecipientState.UNKNOWN, CampaignState.FINISHED)
    given: list[int] = []
    monkeypatch.setattr(decisions, "CHUNK", 2)
    monkeypatch.setattr(
        sending, "enqueue", lambda _database, errands: given.extend(e.batch_id for e in errands)
    )
    redis = Telephone(db, campaign_id)
    assert sending.decide(db, redis, campaign_id, RESEND, EVERYBODY) == 5  # type: ignore[arg-type]
    assert redis.published == 6  # for three chunks, on the campaign's channel and on that of the list
    assert len(given) == 3
    with db.read() as connection:
        assert set(connection.execute(select(models.recipients.c.attempts)).scalars()) == {2}
    assert check(db, campaign_id, 5)[RecipientState.UNKNOWN] == 5


def test_two_simultaneous_resends_send_once_more_with_the_same_message_id(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack(connections=2)
    stack.start("redis", "inbox", "worker", "beat")
    people = ["ann@x.example", "bob+drop@x.example", "cat+bounce@x.example"]
    campaign_id = stack.send(Draft("a@b.example", "s", "t"), people)
    stack.wait_for(campaign_id)

    def press() -> None:
        with contextlib.closing(stack.redis) as redis:
            sending.decide(stack.db, redis, campaign_id, RESEND, EVERYBODY)

    together(press, press)
    campaign = stack.wait_for(campaign_id)
    assert (campaign.counts[RecipientState.UNKNOWN], campaign.counts[RecipientState.SENT]) == (1, 1)

    def ids_of_bob() -> list[str]:
        mails = inbox.latest(stack.folder / inbox.FILE)
        return [mail.message_id for mail in mails if "+drop" in mail.recipient]

    wait_until(lambda: len(ids_of_bob()) >= 2, "the inbox, which writes in groups, has both")
    ids = ids_of_bob()
    assert len(ids) == 2
    assert len(set(ids)) == 1
    with stack.db.read() as connection:
        rows = maillog.page(connection, Search(campaign_id=campaign_id, address="bob+drop")).rows
    assert [(row.number, row.result) for row in rows] == [(2, "unknown"), (1, "unknown")]


def test_who_is_retried_in_a_paused_campaign_waits_for_resume_and_then_leaves_at_once(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack(connections=2)
    stack.start("redis", "inbox", "worker", "beat")
    campaign_id = stack.send(Draft("a@b.example", "s", "t"), ["ann+later@x.example", "bob+full@x.example"])
    stack.wait_for_count(campaign_id, RecipientState.DEFERRED, 2)
    later = Choice(RecipientState.DEFERRED, "ann+later")
    with contextlib.closing(stack.redis) as redis:
        sending.act(stack.db, redis, campaign_id, CampaignAction.PAUSE)
        assert sending.decide(stack.db, redis, campaign_id, RETRY, later) == 1
        assert stack.campaign(campaign_id).counts[RecipientState.QUEUED] == 1
        sending.act(stack.db, redis, campaign_id, CampaignAction.RESUME)
        stack.wait_for_count(campaign_id, RecipientState.SENT, 1)
        assert stack.campaign(campaign_id).counts[RecipientState.DEFERRED] == 1
        assert sending.decide(stack.db, redis, campaign_id, RETRY, EVERYBODY) == 1
    wait_until(lambda: tries(stack, campaign_id) == [2, 2], "both were tried again")


def tries(stack: Stack, campaign_id: int) -> list[int]:
    with stack.db.read() as connection:
        page = history.recipients_page(connection, campaign_id)
    return [row.attempts for row in page.rows]


@pytest.mark.parametrize("seed", range(4))
def test_any_mixture_of_work_death_and_decisions_keeps_the_ledger_balanced(db: Database, seed: int) -> None:
    """Random operations (P2); whoever is queued while the campaign is over would be lost (P3)."""
    dice = random.Random(seed)
    campaign_id = store(db, 40)
    me, held = worker(db), list[ledger.Claim]()
    for _ in range(100):
        with contextlib.suppress(NotAllowed), db.write() as connection:
            match dice.randrange(6):
                case 0 | 1:
                    held += ledger.claim(connection, me, campaign_id, after=0, last=FAR, limit=9)
                case 2:
                    outcomes = [result(c, dice.choice(list(AttemptResult))) for c in held]
                    ledger.settle(connection, dice.sample(outcomes, len(outcomes) // 2))
                case 3 if dice.random() < 0.3:
                    workers.end(connection, me)
                    sweeping.abandon(connection)
                    me = workers.register(connection, "test:1")
                case 4:
                    ledger.finish(connection, campaign_id)
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
        assert batches.wake(connection, campaign_id)
