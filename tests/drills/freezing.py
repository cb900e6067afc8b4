"""A worker is frozen: its process stands still, with its connections open and perhaps in a transaction."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import time
from typing import TYPE_CHECKING

from sqlalchemy import func, select, text

from mailing.core.tables import recipients, workers
from mailing.ledger import leases

if TYPE_CHECKING:
    from tests.support.stack import Stack

PATIENCE_S = 30


def freeze_one(stack: Stack, *, in_transaction: bool) -> int:
    """Stop a worker's process in the middle of a transaction, or outside with recipients in hand.

    :returns: its id
    :raises AssertionError: none was ever found so, as when the campaign was over too soon
    """
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        if in_transaction and not _in_transaction(stack, 0):
            time.sleep(0.001)
            continue  # nobody is: by chance alone hardly one in thirty tries finds its worker so
        frozen = random.choice(stack.worker_pids())
        os.kill(frozen, signal.SIGSTOP)
        if _in_transaction(stack, 0) or not in_transaction:
            time.sleep(0.2)  # the others' transactions are shorter
            held = _in_transaction(stack, 0.15)
            if held is in_transaction and (held or _holds_recipients(stack, frozen)):
                return frozen
        os.kill(frozen, signal.SIGCONT)
        time.sleep(random.uniform(0.01, 0.05))  # so that it goes on
    raise AssertionError("no worker could be frozen as wanted")


def _in_transaction(stack: Stack, for_s: float) -> bool:
    if stack.db.sqlite:
        return not free(str(stack.db.url.database), for_s)
    return idle_transactions(stack, for_s) > 0


def _holds_recipients(stack: Stack, process: int) -> bool:
    with stack.db.read() as connection:
        return bool(
            connection.execute(
                select(func.count())
                .select_from(recipients.join(workers, workers.c.id == recipients.c.worker_id))
                .where(recipients.c.state == "sending", workers.c.name == leases.name_of(process))
            ).scalar_one()
        )


def idle_transactions(stack: Stack, for_s: float = 0.15) -> int:
    """Count the transactions that hold something while PostgreSQL has done nothing for them so long."""
    with stack.db.read() as connection:
        return connection.execute(
            text(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND state = 'idle in transaction' AND backend_xid IS NOT NULL "
                "AND state_change <= now() - make_interval(secs => :for_s)"
            ),
            {"for_s": for_s},
        ).scalar_one()


def free(database: str, patience_s: float = 1) -> bool:
    """Whether somebody can write to a SQLite file within so long."""
    with contextlib.closing(
        sqlite3.connect(database, timeout=patience_s, isolation_level=None)
    ) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        return True
