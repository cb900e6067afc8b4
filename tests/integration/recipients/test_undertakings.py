"""What is asked for very many is answered at once and done piece by piece, once, whoever dies."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import threading
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, insert, literal, select, union_all, update

from mailing.campaigns import lifecycle
from mailing.campaigns import queries as campaigns
from mailing.campaigns.lifecycle import NotAllowed
from mailing.core import logs, tables
from mailing.core.actors import Actor, ActorKind
from mailing.core.clock import now_ms
from mailing.core.states import (
    DECISIONS,
    AttemptResult,
    CampaignAction,
    CampaignState,
    RecipientAction,
    RecipientState,
)
from mailing.core.tables import recipients
from mailing.delivery import sweeper
from mailing.ledger import batches, claims, counters, results
from mailing.recipients import undertakings
from mailing.recipients.search import EVERYBODY, Choice
from mailing.smtp.replies import ReplyCode
from tasks import processes, sending, upkeep
from tasks.commands import campaigns as commands
from tasks.commands.campaigns import Backend
from tests.support.stack import wait_until
from tests.support.web import running
from webapp.cli.commands import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from quart.typing import TestClientProtocol

    from mailing.core.database import Database
    from mailing.settings import Settings
    from tests.support.stack import Stack

PERSON = Actor(ActorKind.PERSON)
MANY = 20_000
BATCH = 500
RETRY, RESEND, MARK = RecipientAction.RETRY, RecipientAction.RESEND_UNKNOWN, RecipientAction.MARK_UNKNOWN_SENT
BULK = [(RETRY, RecipientState.FAILED), (RESEND, RecipientState.UNKNOWN), (MARK, RecipientState.UNKNOWN)]


def store(db: Database, n: int, state: RecipientState, campaign: CampaignState, batch: int = BATCH) -> int:
    """Store a campaign in which ``n`` recipients are in ``state``."""
    values = {"sender_from": "a@b.example", "subject": "s", "text": "t", "token": secrets.token_hex(8)}
    due = now_ms() - 1 if state is RecipientState.DEFERRED else None
    with db.write() as connection:
        campaign_id = connection.execute(
            insert(tables.campaigns)
            .values(**values, total=n, state=campaign, started_at=1)
            .returning(tables.campaigns.c.id)
        ).scalar_one()
        people = [
            {
                "campaign_id": campaign_id,
                "email": f"u{i}@d{i % 7}.example",
                "domain": f"d{i % 7}.example",
                "state": state,
                "due_at": due,
            }
            for i in range(n)
        ]
        for start in range(0, n, 5_000):
            connection.execute(insert(recipients), people[start : start + 5_000])
        ids = (
            connection.execute(
                select(recipients.c.id)
                .where(recipients.c.campaign_id == campaign_id)
                .order_by(recipients.c.id)
            )
            .scalars()
            .all()
        )
        ranges = [ids[start : start + batch] for start in range(0, n, batch)]
        connection.execute(
            insert(tables.batches),
            [{"campaign_id": campaign_id, "first_id": part[0], "last_id": part[-1]} for part in ranges],
        )
        counters.add(connection, campaign_id, state, n)
    return int(campaign_id)


def counts(db: Database, campaign_id: int) -> dict[RecipientState, int]:
    """The ledger, which must be what the table holds: both are read in one statement, at one moment."""
    told, found = tables.tallies.c, recipients.c
    statement = union_all(
        select(literal("told"), told.state, func.sum(told.n))
        .where(told.campaign_id == campaign_id)
        .group_by(told.state),
        select(literal("found"), found.state, func.count())
        .where(found.campaign_id == campaign_id)
        .group_by(found.state),
    )
    with db.read() as connection:
        rows = connection.execute(statement).all()
    ledger_says, table_holds = (
        {RecipientState(state): int(n) for who, state, n in rows if who == kind and n}
        for kind in ("told", "found")
    )
    assert ledger_says == table_holds
    return {state: ledger_says.get(state, 0) for state in RecipientState}


def state_of(db: Database, campaign_id: int) -> CampaignState:
    with db.read() as connection:
        campaign = campaigns.get(connection, campaign_id)
    assert campaign
    return campaign.state


def act(db: Database, campaign_id: int, action: CampaignAction) -> None:
    with db.write() as connection:
        lifecycle.act(connection, campaign_id, action)


def begin(
    db: Database, campaign_id: int, action: RecipientAction, choice: Choice = EVERYBODY, rows: int = 10
) -> undertakings.Undertaking:
    with db.write() as connection:
        return undertakings.begin(connection, campaign_id, action, choice, rows)[0]


def go_on(db: Database, rows: int = 10) -> undertakings.Undertaking | None:
    with db.write() as connection:
        return undertakings.go_on(connection, rows)


class Nobody:
    """Stands for a Redis that takes everything."""

    prefix = ""

    def pipeline(self, **_: object) -> Nobody:
        return self

    def publish(self, *_: object) -> None:
        pass

    def execute(self) -> None:
        pass


def reachable(db: Database) -> Backend:
    """Where changes go, with a Redis that takes everything."""
    return Backend(db, Nobody())  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _no_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands run in this process: they must not redirect its log."""
    monkeypatch.setattr(logs, "configure", lambda _kind, **_more: None)


@pytest.fixture
def given_out(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Batches that were given to the queue, which takes everything."""
    given: list[int] = []
    for module in (sending, upkeep):
        monkeypatch.setattr(module, "enqueue", lambda _db, errands: given.extend(e.batch_id for e in errands))
    monkeypatch.setattr(sending, "ask_for_a_sweep", lambda: None)
    return given


@pytest.fixture
def sweep(db: Database, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Sweep once, with an empty queue."""
    monkeypatch.setattr(processes, "redis_client", Nobody)
    monkeypatch.setattr(upkeep, "_waiting", lambda: [0, 0, 0, 0])
    return lambda: upkeep._sweep(db)


def moved_by(db: Database, campaign_id: int, was: RecipientState) -> int:
    told = counts(db, campaign_id)
    return sum(told.values()) - told[was]


# What a request does does not depend on how long the list is.


@pytest.mark.parametrize(("action", "source"), BULK)
def test_a_decision_about_many_moves_few_in_the_request_and_the_sweeps_move_the_rest(
    db: Database,
    given_out: list[int],
    sweep: Callable[[], None],
    action: RecipientAction,
    source: RecipientState,
) -> None:
    campaign_id = store(db, MANY, source, CampaignState.FINISHED)
    done = commands.decide(reachable(db), PERSON, campaign_id, action, EVERYBODY)
    assert done.going_on
    assert done.expected == MANY
    assert 0 < done.moved == moved_by(db, campaign_id, source) <= 5_000
    assert len(given_out) <= batches.AT_ONCE
    with db.read() as connection:
        (told,) = undertakings.under_way(connection, [campaign_id])[campaign_id]
    assert (told.moved, told.expected) == (done.moved, MANY)
    for _ in range(200):
        if not counts(db, campaign_id)[source]:
            break
        sweep()
    assert counts(db, campaign_id)[DECISIONS[action].target] == MANY
    with db.read() as connection:
        ended = undertakings.find(connection, done.id)
    assert ended
    assert (ended.moved, ended.going_on) == (MANY, False)
    if DECISIONS[action].target is RecipientState.QUEUED:
        sweep()
        assert len(set(given_out)) == MANY // BATCH  # each batch was given out


def test_a_cancel_of_many_stops_at_once_and_marks_few_in_the_request(
    db: Database, given_out: list[int], sweep: Callable[[], None]
) -> None:
    campaign_id = store(db, MANY, RecipientState.QUEUED, CampaignState.SENDING)
    campaign = commands.act(reachable(db), PERSON, campaign_id, CampaignAction.CANCEL)
    assert campaign.state is CampaignState.CANCELED
    assert MANY - 5_000 <= campaign.left_over < MANY
    assert campaign.left_over == counts(db, campaign_id)[RecipientState.QUEUED]
    for _ in range(200):
        if not counts(db, campaign_id)[RecipientState.QUEUED]:
            break
        sweep()
    assert counts(db, campaign_id)[RecipientState.CANCELED] == MANY
    assert not given_out


@pytest.mark.parametrize(
    ("state", "action"),
    [(CampaignState.DRAFT, CampaignAction.SEND), (CampaignState.PAUSED, CampaignAction.RESUME)],
)
def test_send_and_resume_give_out_few_batches_and_the_sweep_the_rest_each_once(
    db: Database,
    given_out: list[int],
    sweep: Callable[[], None],
    state: CampaignState,
    action: CampaignAction,
) -> None:
    campaign_id = store(db, MANY, RecipientState.QUEUED, state, batch=100)
    with db.write() as connection:
        connection.execute(update(tables.batches).values(woken_at=now_ms()))  # as they were before a pause
    commands.act(reachable(db), PERSON, campaign_id, action)
    first = list(given_out)
    assert len(first) == batches.AT_ONCE
    sweep()
    assert len(given_out) == len(set(given_out)) == MANY // 100
    assert given_out == sorted(given_out)
    sweep()
    assert len(given_out) == MANY // 100


def test_a_campaign_is_resumed_where_it_stopped(db: Database, given_out: list[int]) -> None:
    campaign_id = store(db, 2_000, RecipientState.QUEUED, CampaignState.PAUSED, batch=10)
    with db.write() as connection:
        last = connection.execute(select(func.max(recipients.c.id))).scalar_one()
        some = recipients.c.id <= last - 100
        connection.execute(update(recipients).where(some).values(state=RecipientState.SENT))
        n = 1_900
        counters.add(connection, campaign_id, RecipientState.QUEUED, -n)
        counters.add(connection, campaign_id, RecipientState.SENT, n)
    commands.act(reachable(db), PERSON, campaign_id, CampaignAction.RESUME)
    with db.read() as connection:
        known = connection.execute(select(tables.batches.c.id).order_by(tables.batches.c.id)).scalars().all()
    assert given_out == list(known)[-10:]


def test_the_queue_is_filled_up_and_not_filled_over_and_priority_holds(
    db: Database, given_out: list[int], sweep: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    low = store(db, 50, RecipientState.QUEUED, CampaignState.SENDING, batch=1)
    high = store(db, 50, RecipientState.QUEUED, CampaignState.SENDING, batch=1)
    with db.write() as connection:
        connection.execute(update(tables.campaigns).where(tables.campaigns.c.id == high).values(priority=0))
        connection.execute(update(tables.campaigns).where(tables.campaigns.c.id == low).values(priority=9))
    monkeypatch.setattr(upkeep, "QUEUED", 10)
    monkeypatch.setattr(upkeep, "_waiting", lambda: [4, 0, 0, 10])
    sweep()
    with db.read() as connection:
        of = dict(connection.execute(select(tables.batches.c.id, tables.batches.c.campaign_id)).all())
    assert [of[id_] for id_ in given_out] == [high] * 6


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


def test_two_sweeps_at_once_cancel_everybody_once(db: Database) -> None:
    campaign_id = store(db, 3_000, RecipientState.QUEUED, CampaignState.CANCELED)

    def carry() -> None:
        while counts(db, campaign_id)[RecipientState.QUEUED]:
            with db.write() as connection:
                sweeper.cancel_leftovers(connection, 100)

    threads = [threading.Thread(target=carry) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts(db, campaign_id)[RecipientState.CANCELED] == 3_000


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.integers(1, 30), min_size=1, max_size=5), rows=st.integers(1, 40))
def test_one_transaction_cancels_as_many_as_it_may_over_all_campaigns_and_starves_none(
    db: Database, sizes: list[int], rows: int
) -> None:
    ids = [store(db, n, RecipientState.QUEUED, CampaignState.CANCELED) for n in sizes]
    left = dict(zip(ids, sizes, strict=True))
    while any(left.values()):
        with db.write() as connection:
            moved = sweeper.cancel_leftovers(connection, rows)
        now = {id_: counts(db, id_)[RecipientState.QUEUED] for id_ in ids}
        assert sum(left.values()) - sum(now.values()) == min(rows, sum(left.values()))
        waiting = {id_ for id_ in ids if left[id_]}
        assert rows < len(waiting) or set(moved) == waiting
        left = now


def test_deferred_recipients_are_woken_in_pieces_and_only_their_batches(db: Database) -> None:
    campaign_id = store(db, 1_000, RecipientState.DEFERRED, CampaignState.SENDING, batch=10)
    with db.write() as connection:
        connection.execute(update(tables.batches).values(woken_at=now_ms()))
        assert sweeper.wake_deferred(connection, 25) == {campaign_id}
    assert counts(db, campaign_id)[RecipientState.QUEUED] == 25
    with db.write() as connection:
        assert len(sweeper.vanished_batches(connection, queue_empty=False)) <= 25
        statement = select(func.count()).where(recipients.c.state == RecipientState.QUEUED)
        assert connection.execute(statement).scalar_one() == 25


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


# What the doors say of it.


async def test_the_api_answers_202_while_it_goes_on_and_says_how_far_it_is(
    client: TestClientProtocol, db: Database, sweep: Callable[[], None]
) -> None:
    campaign_id = store(db, 6_000, RecipientState.FAILED, CampaignState.FINISHED)
    path = f"/api/v1/campaigns/{campaign_id}"
    response = await client.post(f"{path}/retry")
    answer = await response.get_json()
    assert response.status_code == 202
    told = {"action": "retry", "affected": answer["affected"], "expected": 6_000}
    assert 0 < answer["affected"] < 6_000
    assert answer["counts"]["queued"] == answer["affected"]
    assert answer["under_way"] == [told]
    assert (await (await client.get(path)).get_json())["under_way"] == [told]
    listed = await (await client.get("/api/v1/campaigns")).get_json()
    assert listed["campaigns"][0]["under_way"] == [told]
    again = await client.post(f"{path}/retry")
    assert again.status_code == 409
    while counts(db, campaign_id)[RecipientState.FAILED]:
        sweep()
    assert (await (await client.get(path)).get_json())["under_way"] == []
    response = await client.post(f"{path}/cancel")
    answer = await response.get_json()
    assert (response.status_code, answer["state"]) == (202, "canceled")
    assert 0 < answer["counts"]["canceled"] < 6_000
    assert sum(answer["counts"].values()) == 6_000


async def test_the_page_says_how_far_it_is(db: Database, chosen: Settings, sweep: Callable[[], None]) -> None:
    campaign_id = store(db, 6_000, RecipientState.FAILED, CampaignState.FINISHED)
    async with running(chosen) as visitor:
        page = f"/campaigns/{campaign_id}"
        await visitor.read(page)
        assert (await visitor.post(f"{page}/retry")).status_code == 303
        moved = counts(db, campaign_id)[RecipientState.QUEUED]
        assert f"Retrying: {moved:,} of 6,000" in await visitor.read(page)
        while counts(db, campaign_id)[RecipientState.FAILED]:
            sweep()
        assert "Retrying" not in await visitor.read(page)
        assert (await visitor.post(f"{page}/cancel")).status_code == 303
        left = counts(db, campaign_id)[RecipientState.QUEUED]
        assert 0 < left < 6_000
        assert f"Canceling: {left:,}\N{NO-BREAK SPACE}emails left to mark" in await visitor.read(page)
        while counts(db, campaign_id)[RecipientState.QUEUED]:
            sweep()
        assert "Canceling" not in await visitor.read(page)


def test_the_command_line_goes_on_until_all_is_done_also_without_a_worker(
    db: Database, chosen: Settings, tmp_path: Path, database_url: str
) -> None:
    campaign_id = store(db, 6_000, RecipientState.UNKNOWN, CampaignState.FINISHED)
    env = {"VOLLEY_DATABASE_URL": database_url, "VOLLEY_REDIS_URL": chosen.redis_url}
    env["VOLLEY_INSTANCE"] = str(tmp_path)
    result = CliRunner().invoke(main, ["mark-sent", str(campaign_id)], env=env)
    assert result.exit_code == 0, result.output
    assert "6,000 recipients changed." in result.output
    assert counts(db, campaign_id)[RecipientState.SENT] == 6_000
    store(db, 6_000, RecipientState.QUEUED, CampaignState.SENDING)
    result = CliRunner().invoke(main, ["cancel", str(campaign_id + 1)], env=env)
    left = counts(db, campaign_id + 1)[RecipientState.QUEUED]
    assert left
    assert f"{left:,} emails are left to mark as canceled." in result.output
