"""A sweep over what was asked for, and a queue that takes everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tasks import processes, sending, upkeep
from tests.support.undertakings import Nobody

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailing.core.database import Database


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
