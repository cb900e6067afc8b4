"""A sender whose own limit is reached: all processes wait, one email is tried, nothing is counted twice."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import delete, select, update

from mailing.campaigns import queries as campaigns
from mailing.core import tables
from mailing.core.clock import now_ms
from mailing.delivery import sweeper
from mailing.ledger import rests
from mailing.ledger.rests import LONGEST_S, PROBE_MS, Rest, Seen
from mailing.senders import store as senders
from mailing.senders.entries import Entry
from mailing.smtp.account import REHEARSALS, Sender, kept_as
from tests.integration.ledger.test_ledger import store

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailing.core.database import Database

ME = "user@mx.example:587"
LATER = 2**60


def keep_sender(db: Database) -> None:
    """Have the sender of the settings among those that are kept."""
    with db.write() as connection:
        senders.keep_default(connection, Sender("mx.example", 587, username="user", password="secret"))


def begin(db: Database, wait_s: int = 60, *, tried_at: int = 0, sender: str = ME) -> None:
    with db.write() as connection:
        rests.begin(connection, sender, wait_s, "452 daily quota", tried_at=tried_at)


def rest(db: Database, sender: str = ME) -> Rest:
    with db.read() as connection:
        found = rests.of(connection, sender)
    assert found
    return found


def probe(db: Database) -> bool:
    with db.write() as connection:
        return rests.probe(connection, ME)


def pass_time(db: Database) -> None:
    """Let the time of the rest be over."""
    with db.write() as connection:
        connection.execute(update(tables.rests).values(until=now_ms() - 1))


def at_once(db: Database, do: Callable[[], object], n: int = 4) -> list[object]:
    barrier, found = threading.Barrier(n), list[object]()

    def work() -> None:
        barrier.wait(30)
        found.append(do())

    threads = [threading.Thread(target=work) for _ in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(found) == n
    return found


def test_workers_that_are_refused_at_the_same_moment_begin_one_rest(db: Database) -> None:
    at_once(db, lambda: begin(db))
    assert rest(db).times == 1
    assert 50_000 < rest(db).until - now_ms() <= 60_000


def test_what_was_under_way_when_a_rest_began_makes_it_no_longer(db: Database) -> None:
    begin(db)
    first = rest(db)
    begin(db, 3600, tried_at=first.until - 1)
    assert rest(db) == first


def test_a_try_after_a_rest_that_is_refused_again_doubles_it_once_up_to_some_hours(db: Database) -> None:
    begin(db)
    for times in range(2, 12):
        pass_time(db)
        tried_at = now_ms()
        at_once(db, lambda: begin(db, tried_at=tried_at), 2)  # noqa: B023 - all end before the next one
        assert rest(db).times == times
        waits = min(60 * 2 ** (times - 1), LONGEST_S)
        assert waits - 10 < (rest(db).until - now_ms()) / 1000 <= waits


def test_of_all_workers_one_tries_and_only_after_the_rest(db: Database) -> None:
    begin(db)
    assert at_once(db, lambda: probe(db)) == [False] * 4
    pass_time(db)
    assert sorted(map(bool, at_once(db, lambda: probe(db)))) == [False, False, False, True]


def test_a_try_that_tells_nothing_lets_the_next_one_try(db: Database) -> None:
    begin(db)
    pass_time(db)
    assert probe(db)
    with db.write() as connection:
        rests.probed(connection, ME, tried_at=now_ms(), accepted=False)
    assert probe(db)
    with db.write() as connection:  # a worker that died with it
        connection.execute(update(tables.rests).values(probed_at=tables.rests.c.probed_at - PROBE_MS - 1))
    assert probe(db)


def test_what_is_accepted_after_a_rest_ends_it_and_what_was_under_way_before_does_not(db: Database) -> None:
    begin(db)
    with db.write() as connection:
        rests.probed(connection, ME, tried_at=rest(db).until - 1, accepted=True)
    assert rest(db).lasts
    pass_time(db)
    with db.write() as connection:
        rests.probed(connection, ME, tried_at=now_ms(), accepted=True)
    assert not rest(db).lasts
    with db.read() as connection:
        assert not rests.lasting(connection).rests


def test_a_rest_that_ended_can_begin_anew(db: Database) -> None:
    begin(db)
    with db.write() as connection:
        connection.execute(update(tables.rests).values(ended_at=now_ms(), times=7))
    begin(db, tried_at=LATER)
    assert (rest(db).lasts, rest(db).times) == (True, 1)


def test_the_rest_of_a_sender_that_is_no_longer_used_holds_nobody_up(db: Database) -> None:
    begin(db, sender="old")
    with db.write() as connection:
        rests.end_others(connection, [ME])
    assert not rest(db, "old").lasts


def test_neither_mail_nor_what_is_rehearsed_waits_for_the_senders_of_the_other(db: Database) -> None:
    keep_sender(db)
    mail, rehearsal = store(db, 20), store(db, 20)
    with db.write() as connection:
        this = tables.campaigns.c.id == rehearsal
        connection.execute(update(tables.campaigns).where(this).values(rehearses=mail))
    for rests_now, goes_on in ((REHEARSALS, mail), (ME, rehearsal)):
        begin(db, sender=rests_now)
        with db.write() as connection:
            given = {errand.batch_id for errand in sweeper.vanished_batches(connection, queue_empty=True)}
            of = select(tables.batches.c.id).where(tables.batches.c.campaign_id == goes_on)
            assert given == set(connection.execute(of).scalars())
            assert not campaigns.get(connection, goes_on).rest
            connection.execute(delete(tables.rests))
            connection.execute(update(tables.batches).values(woken_at=0))


def test_a_campaign_waits_only_while_all_its_senders_do(db: Database) -> None:
    with db.write() as connection:
        first, second = (
            senders.create(connection, Entry(name, name, 587), "a secret key that is long enough")
            for name in ("one", "two")
        )
        rests.begin(connection, kept_as(first), 60, "550 quota", tried_at=0)
        both, one, other = [first, second], [first], [second]
        assert rests.lasting(connection).of(one, None)
        assert not rests.lasting(connection).of(both, None)
        assert not rests.lasting(connection).of(other, None)
        rests.begin(connection, kept_as(second), 30, "550 quota too", tried_at=0)
        assert rests.lasting(connection).of(both, None).reason == "550 quota too"  # the first to end
        assert not rests.lasting(connection).of(None, None)


def test_batches_are_not_given_out_while_the_sender_rests(db: Database) -> None:
    keep_sender(db)
    store(db, 20)
    begin(db)
    with db.write() as connection:
        assert not sweeper.vanished_batches(connection, queue_empty=True)
    pass_time(db)
    with db.write() as connection:
        assert sweeper.vanished_batches(connection, queue_empty=True)
        assert connection.execute(select(tables.batches.c.woken_at)).scalars().first()


@pytest.mark.parametrize(
    ("first_at", "now", "rested"),
    [(0, 500, 0), (0, 1500, 500), (0, 5000, 1000), (1400, 5000, 600), (3000, 5000, 0)],
)
def test_only_the_time_of_a_rest_in_which_somebody_was_being_tried_is_not_held_against_them(
    first_at: int, now: int, rested: int
) -> None:
    seen = Seen()
    assert seen.time_since(first_at, now) == 0
    seen.take(Rest(1000, 1800, "", 1, 2000), denied=False, now_s=0)
    assert seen.time_since(first_at, now) == rested


def test_a_process_asks_for_one_email_after_a_rest_and_not_ever_again_at_once() -> None:
    seen, now = Seen(), now_ms()
    assert seen.room(10, 0, 5.0) == 10
    seen.take(Rest(now, now + 60_000, "", 1, None), denied=False, now_s=5.0)
    assert seen.room(10, 0, 5.0) == 0
    seen.take(Rest(now, now - 1, "", 1, None), denied=False, now_s=5.0)
    assert (seen.room(10, 0, 5.0), seen.room(10, 1, 5.0), seen.room(0, 0, 5.0)) == (1, 0, 0)
    seen.take(seen.rest, denied=True, now_s=5.0)
    assert (seen.room(10, 0, 5.1), seen.room(10, 0, 5.3)) == (0, 1)
