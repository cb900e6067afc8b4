"""What a request, a sweep or a transaction does is little, however long the list is."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from mailing.core import tables
from mailing.core.clock import now_ms
from mailing.core.states import (
    DECISIONS,
    CampaignAction,
    CampaignState,
    RecipientAction,
    RecipientState,
)
from mailing.core.tables import recipients
from mailing.delivery import sweeper
from mailing.ledger import batches, counters
from mailing.recipients import undertakings
from mailing.recipients.search import EVERYBODY
from tasks import upkeep
from tasks.commands import campaigns as commands
from tests.support.undertakings import BATCH, BULK, MANY, PERSON, counts, reachable, store

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailing.core.database import Database


def moved_by(db: Database, campaign_id: int, was: RecipientState) -> int:
    told = counts(db, campaign_id)
    return sum(told.values()) - told[was]


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
