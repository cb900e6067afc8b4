"""Who looks at the workers sees who lives, who is lost and what became of what it held."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from mailing.campaigns import share_links
from mailing.campaigns.lifecycle import NotAllowed
from mailing.core import clock, tables
from mailing.core.states import AttemptResult, CampaignState, RecipientState, WorkerState
from mailing.delivery import sweeper
from mailing.ledger import claims, leases
from mailing.reports import overview, worker_roster
from mailing.reports.worker_roster import LOST_S, Roster
from tests.support.web import deliver, register, store

SENT = (AttemptResult.SENT, 250, "2.0.0", "250 2.0.0 ok")
DAY_MS = 24 * 3600 * 1000


def look(db, watcher, now):
    with db.read() as connection:
        return list(watcher.look(connection, now))


def beat_again(db, worker_id, *, ms, done=0):
    with db.write() as connection:
        connection.execute(
            update(tables.workers)
            .where(tables.workers.c.id == worker_id)
            .values(seen_at=tables.workers.c.seen_at + ms, done=done)
        )


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ({"in_flight": 3}, WorkerState.SENDING),
        ({}, WorkerState.IDLE),
        ({"notice": "mx:25 does not answer", "in_flight": 1}, WorkerState.HELD_UP),
        ({"notice": "mx:25: 421 slowly", "notice_kind": "slowed", "in_flight": 1}, WorkerState.SENDING),
        ({"notice": "mx:25: 554 mx asks to be sent less", "notice_kind": "held up"}, WorkerState.HELD_UP),
        ({"consuming": False, "in_flight": 1}, WorkerState.RESTING),
    ],
)
def test_a_worker_is_seen_as_it_says(db, told, state):
    register(db, **told)
    [entry] = look(db, Roster(), clock.steady_s())
    assert entry.state is state
    assert entry.alive


def test_a_worker_whose_beat_stands_still_under_the_eyes_of_who_looks_is_lost(db):
    worker_id, watcher, now = register(db), Roster(), clock.steady_s()
    states = []
    for step in range(4):
        states.append(look(db, watcher, now + step * LOST_S * 0.9)[0].state)
        beat_again(db, worker_id, ms=1)
    assert set(states) == {WorkerState.IDLE}
    look(db, watcher, now + 4 * LOST_S)
    assert look(db, watcher, now + 5 * LOST_S)[0].state is WorkerState.LOST


def test_who_looks_for_the_first_time_sees_how_old_the_last_beat_is(db):
    worker_id = register(db)
    beat_again(db, worker_id, ms=-10_000)
    [entry] = look(db, Roster(), clock.steady_s())
    assert entry.state is WorkerState.LOST
    assert 10 <= entry.silent_s < 12


def test_a_rate_is_that_of_the_last_beats_by_the_worker_s_own_times(db):
    worker_id, watcher, now = register(db), Roster(), clock.steady_s()
    assert look(db, watcher, now)[0].per_minute is None
    for step in range(1, 31):
        beat_again(db, worker_id, ms=1_000, done=step * (10 if step < 20 else 20))
        entry = look(db, watcher, now + step)[0]
    assert entry.per_minute == 1200


def test_what_a_dead_worker_held_is_counted_until_it_is_settled(db):
    store(db, "\n".join(f"p{n}@b.example" for n in range(5)), send=True)
    worker_id = register(db)
    with db.write() as connection:
        claims.claim(connection, worker_id, 1, after=0, last=10**9, limit=3)
        leases.end_named(connection, "host:1")
    [entry] = look(db, Roster(), clock.steady_s())
    assert (entry.state, entry.held, entry.unknown) == (WorkerState.LOST, 3, 0)
    with db.write() as connection:
        sweeper.abandon(connection)
    [entry] = look(db, Roster(), clock.steady_s())
    assert (entry.state, entry.held, entry.unknown) == (WorkerState.LOST, 0, 3)


def test_a_worker_that_ended_in_order_is_listed_for_some_minutes_below_those_that_live(db):
    worker_id = register(db)
    register(db, "host:2")
    with db.write() as connection:
        leases.end(connection, worker_id)
    listed = look(db, Roster(), clock.steady_s())
    assert [entry.state for entry in listed] == [WorkerState.IDLE, WorkerState.ENDED]
    with db.write() as connection:
        connection.execute(
            update(tables.workers)
            .where(tables.workers.c.id == worker_id)
            .values(ended_at=clock.now_ms() - worker_roster.LISTED_MS)
        )
    assert len(look(db, Roster(), clock.steady_s())) == 1


def test_the_overview_holds_what_is_under_way_what_is_unknown_and_what_today_brought(db):
    now_s = clock.now_ms() // 1000
    with db.read() as connection:
        assert overview.load(connection, now_s - 60).empty
    store(db, "ann@b.example bob@b.example cat@b.example", send=True)
    store(db, "dan@b.example")
    deliver(db, SENT, (AttemptResult.UNKNOWN, None, "", "lost"))
    with db.read() as connection:
        found = overview.load(connection, now_s - 60)
        tomorrow = overview.load(connection, now_s + 3600)
    assert [each.id for each in found.under_way] == [1]
    assert found.speeds[1].per_minute > 0
    assert [(each.id, each.counts[RecipientState.UNKNOWN]) for each in found.unknown] == [(1, 1)]
    assert found.today == {AttemptResult.SENT: 1, AttemptResult.UNKNOWN: 1}
    assert found.waits
    assert not found.empty
    assert not tomorrow.today


def test_the_overview_names_few_campaigns_and_says_how_many_more_there_are(db):
    for _ in range(overview.UNDER_WAY + 3):
        store(db, "ann@b.example", send=True)
    with db.write() as connection:
        connection.execute(
            update(tables.campaigns)
            .where(tables.campaigns.c.id <= overview.DONE + 2)
            .values(state=CampaignState.FINISHED, finished_at=tables.campaigns.c.id)
        )
    with db.read() as connection:
        found = overview.load(connection, 0)
    assert [each.id for each in found.done] == [7, 6, 5, 4, 3]
    assert len(found.under_way) + found.more == overview.UNDER_WAY + 3 - 7
    assert found.done[0].counts[RecipientState.QUEUED] == 1


def test_a_watch_is_valid_until_it_expires_or_is_withdrawn(db):
    store(db, "ann@b.example")
    store(db, "ann@b.example")
    with db.write() as connection:
        one, other = (share_links.create(connection, 1, f"for {name}", 7) for name in ("Ann", "Bob"))
    with db.read() as connection:
        watch = share_links.find(connection, one)
        assert [each.id for each in share_links.listed(connection, 1)] == [other, one]
        assert not share_links.listed(connection, 2)
        assert share_links.find(connection, 99) is None
    assert watch.label == "for Ann"
    assert watch.expires_at - watch.created_at in range(7 * DAY_MS - 1000, 7 * DAY_MS + 1000)
    with db.write() as connection:
        share_links.revoke(connection, 2, one)
        assert share_links.find(connection, one), "it belongs to another campaign"
        share_links.revoke(connection, 1, one)
        connection.execute(
            update(tables.watches).where(tables.watches.c.id == other).values(expires_at=clock.now_ms())
        )
    with db.read() as connection:
        assert share_links.find(connection, one) is share_links.find(connection, other) is None
        assert not share_links.listed(connection, 1)


def test_a_campaign_has_no_more_watches_than_a_person_can_oversee(db):
    store(db, "ann@b.example")
    with db.write() as connection:
        for n in range(share_links.MOST):
            share_links.create(connection, 1, str(n), 1)
        with pytest.raises(NotAllowed, match="Revoke one"):
            share_links.create(connection, 1, "one more", 1)
        share_links.revoke(connection, 1, 1)
        share_links.create(connection, 1, "one more", 1)
