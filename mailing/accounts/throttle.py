"""How often something may be tried: a burst, then one attempt per interval (GCRA).

One row holds one time, which a conditional update moves: so two processes never let one too many pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from mailing.accounts.tables import throttles as table
from mailing.core.clock import now_ms

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailing.core.actors import Actor


@dataclass(frozen=True, slots=True)
class Limit:
    """``burst`` tries at once, then one each ``every_ms``."""

    burst: int
    every_ms: int


def wait_ms(connection: Connection, name: str, limit: Limit) -> int:
    """Count a try; return 0, or after how many ms the next one counts. What is refused is not counted."""
    for _ in range(2):
        now = now_ms()
        free_at = connection.execute(select(table.c.free_at).where(table.c.name == name)).scalar()
        begin = max(free_at or 0, now)
        if (wait := begin + limit.every_ms - now - limit.burst * limit.every_ms) > 0:
            return wait
        after = begin + limit.every_ms
        if free_at is not None:
            moved = update(table).where(table.c.name == name, table.c.free_at == free_at)
            if connection.execute(moved.values(free_at=after)).rowcount:
                return 0
        else:
            try:
                with connection.begin_nested():
                    connection.execute(insert(table).values(name=name, free_at=after))
            except IntegrityError:
                continue
            return 0
    return limit.every_ms  # others are faster


def wait_s(connection: Connection, actor: Actor, what: str, limit: Limit) -> int:
    """Count a try of somebody; return 0, or after how many seconds the next one counts."""
    return -(-wait_ms(connection, f"{what}:{actor.kind}:{actor.id or actor.address}", limit) // 1000)


def forget(connection: Connection, name: str) -> None:
    """Forget all attempts counted so far."""
    connection.execute(delete(table).where(table.c.name == name))
