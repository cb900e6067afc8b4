"""How many recipients of each campaign are in each state.

The counters move in the transaction that moves the recipients, so the ledger balances at every instant
(P2). Each is kept in some shards, so that workers that count at once do not wait for each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from mailing.models import tallies
from mailing.statements import run_many
from mailing.states import RecipientState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

SHARDS = 16

_TALLY = (
    "INSERT INTO tallies (campaign_id, state, shard, n) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (campaign_id, state, shard) DO UPDATE SET n = tallies.n + excluded.n"
)


def tally(
    connection: Connection, campaign_id: int, shard: int, changes: Mapping[RecipientState, int]
) -> None:
    """Move a campaign's counters by ``changes``."""
    run_many(
        connection,
        _TALLY,
        # one order everywhere, so that no two writers deadlock
        [(campaign_id, state.value, shard % SHARDS, n) for state, n in sorted(changes.items()) if n],
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
