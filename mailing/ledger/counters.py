"""How many recipients of each campaign are in each state.

The counters move in the transaction that moves the recipients, so the ledger balances at every instant
(P2). Each is kept in some shards, so that workers that count at once do not wait for each other. Whoever
changes a recipient's state calls ``move``, which refuses what ``states.RECIPIENT_CHANGES`` does not allow.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from mailing.core.statements import run_many
from mailing.core.states import RECIPIENT_CHANGES, RecipientState
from mailing.core.tables import tallies

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

Change = tuple[RecipientState, RecipientState]  # before, after

SHARDS = 16

_TALLY = (
    "INSERT INTO tallies (campaign_id, state, shard, n) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (campaign_id, state, shard) DO UPDATE SET n = tallies.n + excluded.n"
)


def add(connection: Connection, campaign_id: int, state: RecipientState, n: int) -> None:
    """Count ``n`` more recipients that are in ``state``, or fewer: a list grows or shrinks."""
    _count(connection, campaign_id, 0, {state: n})


def move(connection: Connection, campaign_id: int, shard: int, changes: Mapping[Change, int]) -> None:
    """Count recipients that were moved in this transaction, how many from which state to which.

    Raises ``AssertionError`` for a change that is not allowed: then nothing of the transaction is true.
    """
    if forbidden := changes.keys() - RECIPIENT_CHANGES:
        raise AssertionError(f"Recipients of campaign {campaign_id} cannot change so: {sorted(forbidden)}.")
    moved: Counter[RecipientState] = Counter()
    for (before, after), n in changes.items():
        moved[before] -= n
        moved[after] += n
    _count(connection, campaign_id, shard, moved)


def _count(connection: Connection, campaign_id: int, shard: int, moved: Mapping[RecipientState, int]) -> None:
    run_many(
        connection,
        _TALLY,
        # one order everywhere, so that no two writers deadlock
        [(campaign_id, state.value, shard % SHARDS, n) for state, n in sorted(moved.items()) if n],
    )


def counts(connection: Connection, campaign_id: int) -> dict[RecipientState, int]:
    """Return how many recipients are in each state, zeros included."""
    return counts_of(connection, [campaign_id])[campaign_id]


def counts_of(connection: Connection, campaign_ids: Sequence[int]) -> dict[int, dict[RecipientState, int]]:
    """Return by campaign how many recipients are in each state, zeros included. One query."""
    found = {id_: dict.fromkeys(RecipientState, 0) for id_ in campaign_ids}
    statement = (
        select(tallies.c.campaign_id, tallies.c.state, func.sum(tallies.c.n))
        .where(tallies.c.campaign_id.in_(campaign_ids))
        .group_by(tallies.c.campaign_id, tallies.c.state)
    )
    for id_, state, n in connection.execute(statement) if found else ():
        found[id_][RecipientState(state)] = int(n)
    return found
