"""What is asked for very many is done piece by piece, each once, whoever dies."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, insert, select, update

from mailing.campaigns import lifecycle
from mailing.campaigns.lifecycle import NotAllowed
from mailing.core import tables
from mailing.core.clock import now_ms
from mailing.core.states import (
    AttemptResult,
    CampaignAction,
    CampaignState,
    RecipientState,
)
from mailing.core.tables import recipients
from mailing.ledger import claims, results
from mailing.recipients import undertakings
from mailing.recipients.search import EVERYBODY, Choice
from mailing.smtp.replies import ReplyCode
from tasks.commands import campaigns as commands
from tasks.commands.backend import Backend
from tests.support.stack import wait_until
from tests.support.undertakings import (
    MANY,
    MARK,
    PERSON,
    RESEND,
    RETRY,
    act,
    begin,
    counts,
    go_on,
    state_of,
    store,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailing.core.database import Database
    from tests.support.stack import Stack


# Whoever is meant, a piece costs the same.


def fail_with(db: Database, campaign_id: int, code: int, enhanced: str, every: int) -> set[int]:
    with db.write() as connection:
        ids = (
            connection.execute(
                select(recipients.c.id)
                .where(recipients.c.campaign_id == campaign_id)
                .order_by(recipients.c.id)
            )
            .scalars()
            .all()[::every]
        )
        worker_id = connection.execute(
            insert(tables.workers).values(name="h:1", started_at=1, seen_at=1).returning(tables.workers.c.id)
        ).scalar_one()
        row = {"number": 1, "domain": "d", "server": "s", "started_at": 1, "ended_at": 1}
        row |= {"campaign_id": campaign_id, "worker_id": worker_id, "result": AttemptResult.FAILED}
        connection.execute(
            insert(tables.attempts),
            [row | {"recipient_id": id_, "code": code, "enhanced": enhanced} for id_ in ids],
        )
    return set(ids)


@pytest.mark.parametrize("rows", [1, 7, 1_000])
def test_a_decision_in_pieces_moves_exactly_whom_it_is_about(db: Database, rows: int) -> None:
    campaign_id = store(db, 60, RecipientState.FAILED, CampaignState.SENDING)
    store(db, 60, RecipientState.FAILED, CampaignState.SENDING)
    meant = fail_with(db, campaign_id, 552, "5.2.2", 5)
    with db.read() as connection:
        mine = select(recipients.c.id).where(recipients.c.campaign_id == campaign_id)
        third = set(connection.execute(mine.where(recipients.c.domain == "d3.example")).scalars())
        ones = set(connection.execute(mine.where(recipients.c.email.startswith("u1"))).scalars())
    choices = {
        Choice(reply=ReplyCode(552, "5.2.2")): meant,
        Choice(RecipientState.FAILED, q="@d3.example"): third - meant,
        Choice(q="U1"): ones - third - meant,
        Choice(RecipientState.DEFERRED): set(),
        Choice(reply=ReplyCode(451, "4.7.1")): set(),
    }
    for choice, wanted in choices.items():
        with db.read() as connection:
            before = set(_failed(connection, campaign_id))
        done = begin(db, campaign_id, RETRY, choice, rows)
        while done.going_on:
            more = go_on(db, rows)
            assert more
            done = more
        with db.read() as connection:
            assert before - set(_failed(connection, campaign_id)) == wanted
        assert done.moved == len(wanted)
    with db.read() as connection:
        assert (
            connection.execute(select(func.count()).where(recipients.c.state == "failed")).scalar_one() > 60
        )


def test_a_retry_of_many_leaves_out_those_whose_mailbox_does_not_exist(db: Database) -> None:
    campaign_id = store(db, 60, RecipientState.FAILED, CampaignState.SENDING)
    gone = fail_with(db, campaign_id, 550, "5.1.1", 5)
    for choice in (Choice(reply=ReplyCode(550, "5.1.1")), Choice(RecipientState.FAILED), Choice()):
        begin(db, campaign_id, RETRY, choice, 1_000)
        with db.read() as connection:
            assert gone <= set(_failed(connection, campaign_id))
    assert counts(db, campaign_id)[RecipientState.QUEUED] == 60 - len(gone)
    one = min(gone)
    assert begin(db, campaign_id, RETRY, Choice(recipient=one), 1_000).moved == 1


def _failed(connection, campaign_id):
    mine = recipients.c.campaign_id == campaign_id
    return connection.execute(select(recipients.c.id).where(mine, recipients.c.state == "failed")).scalars()


# It is done once, and stops where it should.


def test_who_fails_again_is_not_retried_by_the_same_decision_and_the_campaign_is_not_finished(
    db: Database,
) -> None:
    campaign_id = store(db, 50, RecipientState.FAILED, CampaignState.FINISHED)
    with db.write() as connection:
        me = connection.execute(
            insert(tables.workers).values(name="h:1", started_at=1, seen_at=1).returning(tables.workers.c.id)
        ).scalar_one()

    def fail_all() -> None:
        with db.write() as connection:
            held = claims.claim(connection, me, campaign_id, after=0, last=10**9, limit=100)
            now = now_ms()
            failed = [results.Result(c, AttemptResult.FAILED, "s", now, now, 550, "", "no") for c in held]
            results.settle(connection, failed)
            lifecycle.finish(connection, campaign_id)

    done = begin(db, campaign_id, RETRY)
    rounds = 0
    while done.going_on:
        fail_all()
        assert state_of(db, campaign_id) is CampaignState.SENDING
        done = go_on(db) or done
        rounds += 1
    fail_all()
    assert rounds == 5
    assert state_of(db, campaign_id) is CampaignState.FINISHED
    with db.read() as connection:
        assert set(connection.execute(select(recipients.c.attempts)).scalars()) == {1}


@pytest.mark.parametrize("action", [CampaignAction.PAUSE, CampaignAction.CANCEL])
def test_a_pause_or_a_cancel_ends_what_would_mail_more(db: Database, action: CampaignAction) -> None:
    campaign_id = store(db, 50, RecipientState.FAILED, CampaignState.FINISHED)
    begin(db, campaign_id, RETRY)
    act(db, campaign_id, action)
    ended = go_on(db)
    assert ended
    assert (ended.moved, ended.going_on) == (10, False)
    assert go_on(db) is None
    assert counts(db, campaign_id)[RecipientState.FAILED] == 40


def test_a_fault_that_pauses_the_campaign_ends_it_too(db: Database) -> None:
    campaign_id = store(db, 50, RecipientState.UNKNOWN, CampaignState.SENDING)
    begin(db, campaign_id, RESEND)
    with db.write() as connection:
        assert lifecycle.pause(connection, campaign_id, "The relay refused the sender.")
    go_on(db)
    assert counts(db, campaign_id)[RecipientState.UNKNOWN] == 40


def test_what_was_begun_in_a_paused_campaign_goes_on_and_also_after_a_resume(db: Database) -> None:
    campaign_id = store(db, 50, RecipientState.FAILED, CampaignState.PAUSED)
    begin(db, campaign_id, RETRY)
    go_on(db)
    act(db, campaign_id, CampaignAction.RESUME)
    go_on(db)
    assert counts(db, campaign_id)[RecipientState.QUEUED] == 30
    act(db, campaign_id, CampaignAction.PAUSE)
    go_on(db)
    assert counts(db, campaign_id)[RecipientState.QUEUED] == 30


def test_marking_as_sent_mails_nobody_and_goes_on_over_a_pause_and_a_cancel(db: Database) -> None:
    campaign_id = store(db, 25, RecipientState.UNKNOWN, CampaignState.SENDING)
    begin(db, campaign_id, MARK)
    act(db, campaign_id, CampaignAction.PAUSE)
    go_on(db)
    act(db, campaign_id, CampaignAction.CANCEL)
    go_on(db)
    assert counts(db, campaign_id)[RecipientState.SENT] == 25
    with db.read() as connection:
        assert connection.execute(select(func.count()).select_from(tables.attempts)).scalar_one() == 25


def test_the_same_decision_about_many_cannot_be_begun_twice_but_one_about_few_can(db: Database) -> None:
    campaign_id = store(db, 50, RecipientState.FAILED, CampaignState.SENDING)
    begin(db, campaign_id, RETRY)
    with pytest.raises(NotAllowed, match="already doing this: retry"):
        begin(db, campaign_id, RETRY)
    assert counts(db, campaign_id)[RecipientState.QUEUED] == 10
    with db.read() as connection:
        last = connection.execute(select(func.max(recipients.c.id))).scalar_one()
    assert begin(db, campaign_id, RETRY, Choice(recipient=last)).moved == 1
    other = store(db, 50, RecipientState.FAILED, CampaignState.SENDING)
    assert begin(db, other, RETRY).going_on


def test_several_decisions_go_on_in_turn(db: Database) -> None:
    both = [store(db, 50, RecipientState.FAILED, CampaignState.SENDING) for _ in range(2)]
    for campaign_id in both:
        begin(db, campaign_id, RETRY)
    for _ in range(4):
        with db.write() as connection:  # as if time had passed
            connection.execute(
                update(tables.decisions).values(touched_at=tables.decisions.c.touched_at - 1_000)
            )
        go_on(db)
    assert [counts(db, id_)[RecipientState.QUEUED] for id_ in both] == [30, 30]


def test_two_who_go_on_at_once_move_everybody_once(db: Database) -> None:
    campaign_id = store(db, 3_000, RecipientState.UNKNOWN, CampaignState.FINISHED)
    begin(db, campaign_id, MARK, rows=100)

    def carry() -> None:
        while counts(db, campaign_id)[RecipientState.UNKNOWN]:
            go_on(db, 100)

    threads = [threading.Thread(target=carry) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts(db, campaign_id)[RecipientState.SENT] == 3_000
    with db.read() as connection:
        marks = select(func.count(), func.count(tables.attempts.c.recipient_id.distinct()))
        assert tuple(connection.execute(marks).one()) == (3_000, 3_000)
        assert connection.execute(select(tables.decisions.c.moved)).scalar_one() == 3_000


# Whoever dies.


def test_a_decision_whose_worker_is_killed_in_the_middle_is_carried_out_once_by_the_next(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack(workers=1)
    n = MANY
    campaign_id = store(stack.db, n, RecipientState.UNKNOWN, CampaignState.FINISHED)
    stack.start("redis", "worker", "beat")
    with contextlib.closing(stack.redis) as redis:
        done = commands.decide(Backend(stack.db, redis), PERSON, campaign_id, MARK, EVERYBODY)
    assert done.going_on

    def moved() -> int:
        return stack.campaign(campaign_id).counts[RecipientState.SENT]

    wait_until(lambda: moved() > done.moved, "a worker goes on with it")
    for pid in stack.worker_pids():
        os.kill(pid, signal.SIGKILL)
    assert moved() < n

    def going_on() -> bool:
        with stack.db.read() as connection:
            return bool(undertakings.under_way(connection, [campaign_id])[campaign_id])

    wait_until(lambda: not going_on(), "its successor carries it out")
    assert moved() == n
    with stack.db.read() as connection:
        marks = select(func.count(), func.count(tables.attempts.c.recipient_id.distinct()))
        assert tuple(connection.execute(marks).one()) == (n, n)
