"""How far each domain of a campaign is, and so each receiver: counted as recipients move, never by looking.

The counters move in the transaction that moves the recipients, as ``counters`` do. They hold the domains that
have a row in ``receivers``, the most frequent of each list, and all others together. Queued and sending are
not counted: they are what is left.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sqlalchemy import select

from mailing.core.statements import run_many
from mailing.core.states import RecipientState
from mailing.ledger.counters import SHARDS
from mailing.ledger.tables import receivers

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from sqlalchemy import Connection

OTHERS = ""  # the domain of those that are counted together
_LEFT = frozenset({RecipientState.QUEUED, RecipientState.SENDING})
_COUNT = (
    "INSERT INTO domain_tallies (campaign_id, domain, state, shard, n) "
    "VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (campaign_id, domain, state, shard) DO UPDATE SET n = domain_tallies.n + excluded.n"
)

Moved = tuple[str, RecipientState, RecipientState]  # of which domain, from which state, to which


def move(
    connection: Connection,
    campaign_id: int,
    shard: int,
    moves: Iterable[Moved],
    known: Collection[str] | None = None,
) -> None:
    """Count recipients that were moved in this transaction, one for each that is given.

    ``known`` are those of their domains that are counted by themselves, where the caller has asked already.
    """
    moves = [move for move in moves if not _LEFT.issuperset(move[1:])]
    if known is None:
        known = counted(connection, {domain for domain, _, _ in moves})
    changes: Counter[tuple[str, RecipientState]] = Counter()
    for domain, before, after in moves:
        name = domain if domain in known else OTHERS
        changes[name, before] -= 1
        changes[name, after] += 1
    run_many(
        connection,
        _COUNT,
        [  # one order everywhere, so that no two writers deadlock
            (campaign_id, domain, state.value, shard % SHARDS, n)
            for (domain, state), n in sorted(changes.items())
            if n and state not in _LEFT
        ],
    )


def counted(connection: Connection, domains: Collection[str]) -> Collection[str]:
    """Return which of these domains are counted by themselves."""
    if not domains:
        return frozenset()
    return set(
        connection.execute(select(receivers.c.domain).where(receivers.c.domain.in_(domains))).scalars()
    )
