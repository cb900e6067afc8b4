"""A worker lives by its beats, whatever any clock says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from mailing.core import clock, tables
from mailing.ledger import leases as workers
from mailing.ledger.leases import LEASE_S, Leases

if TYPE_CHECKING:
    from mailing.core.database import Database


def register(db: Database) -> int:
    with db.write() as connection:
        return workers.register(connection, "host:1")


def look(db: Database, leases: Leases, now: float) -> int:
    with db.write() as connection:
        return leases.end_expired(connection, now)


def beat(db: Database, worker_id: int, notice: str = "") -> bool:
    with db.write() as connection:
        return workers.beat(connection, worker_id, workers.Status(notice, True, 10, 0, 0, 0, None))


def test_a_worker_that_does_not_beat_for_the_length_of_a_lease_is_ended_once(db: Database) -> None:
    worker_id, leases = register(db), Leases()
    assert [look(db, leases, now) for now in (0, LEASE_S - 1)] == [0, 0]
    assert look(db, leases, LEASE_S) == 1
    assert look(db, leases, LEASE_S + 1) == 0
    assert not beat(db, worker_id)


@pytest.mark.parametrize("skew_ms", [-3_600_000, 3_600_000])
def test_a_worker_whose_clock_is_an_hour_off_lives_as_long_as_it_beats(db: Database, skew_ms: int) -> None:
    worker_id, leases = register(db), Leases()
    for step in range(1, 5):
        with db.write() as connection:
            connection.execute(
                update(tables.workers)
                .where(tables.workers.c.id == worker_id)
                .values(seen_at=clock.now_ms() + skew_ms + step)
            )
        assert look(db, leases, step * LEASE_S) == 0


def test_a_process_that_only_begins_to_look_gives_every_worker_a_whole_lease(db: Database) -> None:
    register(db)
    assert look(db, Leases(), 10 * LEASE_S) == 0


def test_a_worker_says_what_keeps_it_from_sending_with_its_beat(db: Database) -> None:
    worker_id = register(db)
    assert beat(db, worker_id, "mx:25 does not answer")
    with db.read() as connection:
        assert [worker.notice for worker in workers.alive(connection)] == ["mx:25 does not answer"]


def test_the_workers_of_a_dead_process_end_by_its_name(db: Database) -> None:
    worker_id = register(db)
    with db.write() as connection:
        workers.end_named(connection, "host:1")
    assert not beat(db, worker_id)
    with db.read() as connection:
        assert not workers.alive(connection)
