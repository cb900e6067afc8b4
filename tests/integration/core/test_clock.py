"""All who use one database agree on the time, whatever their own wall clocks say."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from mailing.core import clock

if TYPE_CHECKING:
    from pathlib import Path

    from mailing.core.database import Database

HOUR_MS = 3_600_000
AGREES_MS = 1_000  # this machine is the database's, too


@pytest.fixture(autouse=True)
def looks_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is looked at by the next transaction, and is as before after the test."""
    monkeypatch.setattr(clock, "_reading", clock._Reading(clock._reading.ahead, -clock.LOOK_MS))


def difference_ms() -> int:
    return abs(clock.now_ms() - time.time_ns() // 1_000_000)


def look(db: Database) -> None:
    with db.write() as connection:
        clock.look(connection)


@pytest.mark.parametrize("wrong_by_ms", [HOUR_MS, -HOUR_MS])
def test_a_wrong_clock_is_set_right_by_the_next_transaction(
    db: Database, monkeypatch: pytest.MonkeyPatch, wrong_by_ms: int
) -> None:
    monkeypatch.setattr(clock, "_reading", clock._Reading(clock._reading.ahead + wrong_by_ms, -clock.LOOK_MS))
    assert difference_ms() > HOUR_MS - AGREES_MS
    with db.read():
        assert difference_ms() < AGREES_MS


@pytest.mark.parametrize("wrong_by_ms", [HOUR_MS, -HOUR_MS])
def test_a_process_with_a_wrong_wall_clock_goes_by_the_databases(
    db: Database, monkeypatch: pytest.MonkeyPatch, wrong_by_ms: int
) -> None:
    right = time.time_ns
    look(db)
    monkeypatch.setattr(time, "time_ns", lambda: right() + wrong_by_ms * 1_000_000)
    monkeypatch.setattr(clock, "_reading", clock._Reading(clock._reading.ahead, -clock.LOOK_MS))
    look(db)
    assert abs(clock.now_ms() - right() // 1_000_000) <= AGREES_MS


def test_a_clock_that_is_right_is_not_moved_by_the_noise_of_looking(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(db)
    ahead = clock._reading.ahead
    for _ in range(20):
        monkeypatch.setattr(clock, "_reading", clock._Reading(ahead, -clock.LOOK_MS))
        look(db)
        assert clock._reading.ahead == ahead


def test_the_database_is_asked_once_a_second_at_most(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "LOOK_MS", HOUR_MS)  # a second may pass between two lines
    monkeypatch.setattr(clock, "_reading", clock._Reading(clock._reading.ahead, -HOUR_MS))
    look(db)
    seen = clock._reading
    look(db)
    assert clock._reading is seen


def test_where_the_kernel_says_nothing_the_wall_clock_counts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(clock, "_STAT", tmp_path / "none")
    assert abs(clock._kernel_ms() - time.time_ns() // 1_000_000) < AGREES_MS
