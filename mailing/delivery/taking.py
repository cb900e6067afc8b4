"""What is taken out of a batch in one round: first for narrow lanes, as much as they leave room for.

Then for all whose lanes are free. Runs in the database thread, in the transaction of the round.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from mailing.core.clock import now_ms
from mailing.ledger import batches, claims, lanes
from mailing.ledger.claims import Among

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from mailing.ledger.batches import Batch
    from mailing.ledger.claims import Claim
    from mailing.ledger.lanes import Lanes

LINGERS_MS = 3_000  # for how long whoever has a batch of narrow lanes goes on with it by itself
RESTS_MS = 120_000  # after so long a batch that rests is looked at again, whatever its lanes do


@dataclass(frozen=True, slots=True)
class Want:
    """A wish for up to ``limit`` claims from what is left of a batch: ids above ``after``.

    ``account`` is the sender by which they go.
    """

    account: str
    batch: Batch
    after: int
    limit: int

    @property
    def lingers(self) -> bool:
        """Whether only lanes that are narrow are left in the batch."""
        return self.after >= self.batch.last_id


class Taken(NamedTuple):
    """The claims of a want, and up to which id nobody waits any more whose lane is free.

    ``rests``: that is the whole batch, and the others wait for their lanes. ``narrow``: one of these may be
    sent some.
    """

    claims: Sequence[Claim]
    cursor: int
    rests: bool = False
    narrow: bool = False


def take(connection: Connection, worker_id: int, want: Want, slow: Lanes, asked: Sequence[str]) -> Taken:
    """Claim what is wanted: of the ``slow`` lanes only for those that are ``asked``."""
    batch = want.batch
    made: list[Claim] = []
    if want.lingers and slow and not asked:
        return Taken(made, want.after, rests=True, narrow=True)
    for receiver in asked:
        if len(made) < want.limit and (room := lanes.room(connection, want.account, receiver)):
            found = claims.claim(
                connection,
                worker_id,
                batch.campaign_id,
                after=batch.first_id - 1,
                last=batch.last_id,
                canary=batch.canary,
                limit=min(room, want.limit - len(made)),
                among=(Among.LANE, receiver),
                account=want.account,
            )
            made += found
            if not found:
                lanes.widen(connection, want.account, receiver, 0)
    cursor, limit = want.after, want.limit - len(made)
    if cursor < batch.last_id and limit:
        found = claims.claim(
            connection,
            worker_id,
            batch.campaign_id,
            after=cursor,
            last=batch.last_id,
            canary=batch.canary,
            limit=limit,
            among=(Among.FREE, want.account) if slow else (Among.ALL,),
            account=want.account,
        )
        made += found
        cursor = batch.last_id if len(found) < limit else found[-1].recipient_id
    if cursor < batch.last_id or not slow:
        return Taken(made, cursor)
    # Read anew: somebody may have let a lane go on since, and then nobody else looks at this batch for long.
    return _at_the_end(connection, batch, lanes.slow(connection, want.account, slow), made)


def _at_the_end(connection: Connection, batch: Batch, slow: Lanes, made: Sequence[Claim]) -> Taken:
    """Have a batch rest in which only those wait whose lanes are slow."""
    now = now_ms()
    theirs = lanes.waiting(connection, batch.campaign_id, batch.first_id, batch.last_id)
    waits = [lane for receiver in theirs if (lane := slow.slow.get(receiver))]
    if not waits:
        return Taken(made, batch.last_id)
    narrow = any(not lane.holds(now) for lane in waits)
    until = now + LINGERS_MS if narrow else min(lane.rest.until for lane in waits)
    batches.rest(connection, batch.id, min(until, now + RESTS_MS))
    return Taken(made, batch.last_id, rests=True, narrow=narrow)
