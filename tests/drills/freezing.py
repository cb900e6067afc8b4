"""A worker is frozen: its process stands still, with its connections open and perhaps in a transaction."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import time
from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from tests.support.stack import Stack


def freeze_one(stack: Stack, *, in_transaction: bool) -> int:
    """Stop a worker's process, in the middle of a transaction or outside of one; return its id."""
    while True:
        frozen = stack.worker_pids()[0]
        os.kill(frozen, signal.SIGSTOP)
        time.sleep(0.2)  # the others' transactions are shorter
        held = not free(str(stack.db.url.database)) if stack.db.sqlite else idle_transactions(stack) > 0
        if held is in_transaction:
            return frozen
        os.kill(frozen, signal.SIGCONT)


def idle_transactions(stack: Stack) -> int:
    """Count the transactions that hold something while PostgreSQL does nothing for them."""
    with stack.db.read() as connection:
        return connection.execute(
            text(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND state = 'idle in transaction' AND backend_xid IS NOT NULL "
                "AND state_change < now() - interval '0.15 s'"
            )
        ).scalar_one()


def free(database: str) -> bool:
    """Whether somebody can write to a SQLite file."""
    with contextlib.closing(sqlite3.connect(database, timeout=1, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        return True
