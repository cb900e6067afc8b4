"""Strides: how many rows one transaction takes, so that nobody waits long for its lock.

SQLite has one lock, and a worker's results need it many times a second. So long work is done in many
transactions, and how many rows fit into one is measured as it goes.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailing.core import clock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from mailing.core.database import Database

HELD_S = 0.04  # how long a transaction should take; on a busy machine one may take twice that
FIRST, LEAST, MOST = 500, 100, 5_000  # with fewer rows, the fixed cost of a transaction would be most of it
STORED = 500  # rows that are only stored: this many take a fifth of the time of their commit


@dataclass(slots=True)
class Stride:
    """How many ``rows`` the next transaction of some long work takes, by how long the last one took.

    It is never fewer than the ``least``.
    """

    rows: int = FIRST
    least: int = LEAST
    took_s: float = 0.0

    def learn(self, took_s: float) -> None:
        """Take note that the last transaction, of ``rows``, took ``took_s``."""
        self.took_s = took_s
        fitting = int(self.rows * HELD_S / max(took_s, 0.001))
        self.rows = max(self.least, min(fitting, self.rows * 3 // 2, MOST))

    @contextmanager
    def write(self, database: Database) -> Iterator[Connection]:
        """Open a transaction for the next ``rows``, and learn from how long it holds its lock."""
        with database.write() as connection, no_collection():
            begun = clock.steady_s()
            if connection.dialect.name == "postgresql":
                # A bitmap scan collects every matching row before it returns the first one, and the planner
                # does not know yet that a list which was just stored has many.
                connection.exec_driver_sql("SET LOCAL enable_bitmapscan = off")
            yield connection
        self.learn(clock.steady_s() - begun)


@contextmanager
def no_collection() -> Iterator[None]:
    """Put off the garbage collector: with a list of 1,000,000 alive, a full round takes a second."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
