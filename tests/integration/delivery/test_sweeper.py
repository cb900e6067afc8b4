"""What a frozen process holds is taken from it where that can be done."""

from __future__ import annotations

import sqlite3
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from mailing.core import database
from mailing.delivery import sweeper
from mailing.ledger import leases
from tasks import processes, upkeep

if TYPE_CHECKING:
    from mailing.core.database import Database

RENAME = text("UPDATE workers SET notice = :notice")


def end_silent_writers(db: Database) -> int:
    with db.read() as connection:
        return sweeper.end_silent_writers(connection)


@pytest.fixture(autouse=True)
def impatient(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper, "SILENT_S", 0.2)
    with db.write() as connection:
        leases.register(connection, "host:1")


def test_who_says_nothing_after_a_pipeline_in_a_transaction_loses_its_session(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    if db.sqlite:  # nobody can be robbed of its lock
        assert end_silent_writers(db) == 0
        return
    with pytest.raises(DBAPIError), db.write() as connection:  # noqa: PT012 - all of it is one fault
        connection.execute(RENAME, [{"notice": "one"}, {"notice": "two"}])
        monkeypatch.setattr(sweeper, "SILENT_S", 60)
        assert end_silent_writers(db) == 0
        monkeypatch.setattr(sweeper, "SILENT_S", 0.2)
        time.sleep(0.3)  # the silence
        assert end_silent_writers(db) == 1
        connection.execute(RENAME, {"notice": "three"})
    with db.write() as connection:
        assert not connection.execute(text("SELECT notice FROM workers")).scalar_one()


def test_a_reader_may_be_silent_for_as_long_as_it_likes(db: Database) -> None:
    with db.read() as connection:
        connection.execute(text("SELECT notice FROM workers"))
        time.sleep(0.3)  # the silence
        assert end_silent_writers(db) == 0
        assert connection.execute(text("SELECT count(*) FROM workers")).scalar_one() == 1


def test_a_writer_between_two_transactions_may_be_silent(db: Database) -> None:
    with db.write() as connection:
        connection.execute(RENAME, {"notice": "one"})
    time.sleep(0.3)  # the silence
    assert end_silent_writers(db) == 0


def test_a_sweep_waits_for_no_frozen_writer_so_that_the_next_one_can_end_it(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    if db.sqlite:
        return
    monkeypatch.setattr(processes, "database", lambda: db)
    monkeypatch.setattr(sweeper, "SILENT_S", 60)
    with db.write() as connection:
        connection.execute(text("LOCK TABLE workers, tallies, campaigns, recipients, batches"))
        begun = time.monotonic()
        upkeep.sweep()
        assert 1 <= time.monotonic() - begun < 30  # a sweep that waited would do so for ever


def test_a_writer_waits_its_turn_also_while_sqlite_recovers_from_a_crash() -> None:
    """Which is another error than the usual one, to SQLite."""
    asked: list[str] = []

    def execute(statement: str) -> None:
        asked.append(statement)
        if asked.count("BEGIN IMMEDIATE") == 1 and statement == "BEGIN IMMEDIATE":
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = sqlite3.SQLITE_BUSY_RECOVERY
            raise error

    database._begin_sqlite(
        SimpleNamespace(
            get_execution_options=lambda: {"volley_write": True},
            connection=SimpleNamespace(driver_connection=SimpleNamespace(execute=execute)),
            exec_driver_sql=lambda _: pytest.fail("it gave up"),
        )
    )
    assert asked.count("BEGIN IMMEDIATE") == 2
