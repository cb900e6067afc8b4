"""What is taken out of a batch in one round: first for narrow lanes, as much as they leave room for.

Then for receivers that the sender limits, as many as there are permits for; then for all others. Runs in the
database thread, in the transaction of the round.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from mailing.core.clock import now_ms
from mailing.ledger import batches, claims, lanes
from mailing.ledger.claims import Among

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from mailing.ledger.batches import Batch
    from mailing.ledger.claims import Claim, Withheld
    from mailing.ledger.lanes import Lanes
    from mailing.senders.allowance import Allowance

_Among: TypeAlias = "tuple[Among, *tuple[str | int, ...]]"
LINGERS_MS = 3_000  # for how long whoever has a batch of narrow lanes goes on with it by itself
RESTS_MS = 120_000  # after so long a batch that rests is looked at again, whatever its lanes do


@dataclass(frozen=True, slots=True)
class Want:
    """A wish for up to ``limit`` claims from what is left of a batch: ids above ``after``.

    ``account`` is the sender by which they go; ``beside``: the others leave room for it. ``waits`` says how
    many wait for each receiver that the sender limits, None where nobody has looked.
    """

    account: str
    batch: Batch
    after: int
    limit: int
    beside: bool = False
    waits: Mapping[str, int] | None = None

    @property
    def lingers(self) -> bool:
        """Whether only lanes that are narrow are left in the batch."""
        return self.after >= self.batch.last_id


class Taken(NamedTuple):
    """The claims of a want, and up to which id nobody waits any more whose lane is free.

    ``rests``: that is the whole batch, and the others wait for their lanes. ``narrow``: one of these may be
    sent some. ``waits`` says how many wait for each receiver that the sender limits, if that was looked at.
    ``withheld`` are those who must not be mailed.
    """

    claims: Sequence[Claim]
    cursor: int
    rests: bool = False
    narrow: bool = False
    withheld: Sequence[Withheld] = ()
    waits: Mapping[str, int] | None = None


def take(
    connection: Connection,
    worker_id: int,
    want: Want,
    slow: Lanes,
    asked: Sequence[str],
    *,
    allowance: Allowance | None = None,
) -> Taken:
    """Claim what is wanted: of the ``slow`` lanes only for those that are ``asked``.

    Whom the sender limits is claimed as far as there is an ``allowance``.
    """
    limited = allowance is not None and bool(allowance.room(want.waits, slow.slow))
    if want.lingers and (slow or allowance) and not (asked or limited):
        return Taken((), want.after, rests=True, narrow=True)
    taking = _Taking(connection, worker_id, want, slow, allowance)
    for receiver in asked:
        taking.narrow(receiver)
    waits = taking.limited(allowance) if allowance and limited else None
    cursor = taking.free()
    taken = Taken(taking.made, cursor, withheld=taking.withheld, waits=waits)
    if cursor < want.batch.last_id or not (slow or allowance):
        return taken
    # Read anew: somebody may have let a lane go on since, and then nobody else looks at this batch for long.
    slow = lanes.slow(connection, want.account, slow)
    return _at_the_end(connection, want.batch, slow, allowance, taken)


@dataclass(slots=True)
class _Taking:
    """The claims that are made for one want."""

    connection: Connection
    worker_id: int
    want: Want
    slow: Lanes
    allowance: Allowance | None
    made: list[Claim] = field(default_factory=list)
    withheld: list[Withheld] = field(default_factory=list)

    def narrow(self, receiver: str) -> None:
        """Claim for a narrow lane, as much as it leaves room for, and the sender's limit for it."""
        most, account = self._left, self.want.account
        limited = self.allowance is not None and self.allowance.limits(receiver)
        if self.allowance and limited:
            most = min(most, self.allowance.permits.get(receiver, 0))
        if most and (room := lanes.room(self.connection, account, receiver)):
            found = self._claim(min(room, most), (Among.LANE, receiver))
            self.made += [claim._replace(limited=receiver) for claim in found] if limited else found
            if not found:
                lanes.widen(self.connection, account, receiver, 0)

    def limited(self, allowance: Allowance) -> Mapping[str, int]:
        """Claim for receivers that the sender limits; return how many wait for each of them still."""
        batch = self.want.batch
        everybody = lanes.queued(self.connection, batch.campaign_id, batch.first_id, batch.last_id)
        queued = [(id_, receiver) for id_, receiver in everybody if allowance.limits(receiver)]
        waits = Counter(receiver for _, receiver in queued)
        free = (each for each in queued if each[1] not in self.slow.slow)
        left = allowance.less(claim.limited for claim in self.made if claim.limited)
        picked = left.pick(free, self._left)
        if not picked:
            return waits
        whose: tuple[str | int, ...] = (self.want.account, *picked)
        found = self._claim(len(picked), (Among.THESE, *whose))
        self.made += [claim._replace(limited=picked[claim.recipient_id]) for claim in found]
        # Whatever keeps those that could not be claimed, they are not asked for again and again.
        return waits - Counter(picked[claim.recipient_id] for claim in found) if found else {}

    def free(self) -> int:
        """Claim for all whose lanes are free; return up to which id nobody of them waits any more."""
        limit, cursor, last = self._left, self.want.after, self.want.batch.last_id
        if self.allowance and self.allowance.of_all:
            return last
        if cursor >= last or not limit:
            return cursor
        among: _Among = (Among.FREE, self.want.account) if self.slow else (Among.ALL,)
        if self.allowance:
            whose: tuple[str | int, ...] = (self.want.account, *self.allowance.names)
            among = (Among.UNNAMED, *whose)
        found = self._claim(limit, among, cursor)
        self.made += found
        return last if len(found) < limit else found[-1].recipient_id

    @property
    def _left(self) -> int:
        return self.want.limit - len(self.made)

    def _claim(self, limit: int, among: _Among, after: int | None = None) -> Sequence[Claim]:
        batch = self.want.batch
        return claims.claim(
            self.connection,
            self.worker_id,
            batch.campaign_id,
            after=batch.first_id - 1 if after is None else after,
            last=batch.last_id,
            canary=batch.canary,
            limit=limit,
            among=among,
            account=self.want.account,
            withheld=self.withheld,
        )


def _at_the_end(
    connection: Connection, batch: Batch, slow: Lanes, allowance: Allowance | None, taken: Taken
) -> Taken:
    """Have a batch rest in which only those wait whose lanes are slow or limited."""
    now = now_ms()
    theirs = lanes.waiting(connection, batch.campaign_id, batch.first_id, batch.last_id)
    waits = [lane for receiver in theirs if (lane := slow.slow.get(receiver))]
    limited = allowance is not None and any(
        allowance.limits(receiver) for receiver in theirs if receiver not in slow.slow
    )
    if not (waits or limited):
        return taken
    narrow = limited or any(not lane.holds(now) for lane in waits)
    until = now + LINGERS_MS if narrow else min(lane.rest.until for lane in waits)
    batches.rest(connection, batch.id, min(until, now + RESTS_MS))
    return taken._replace(rests=True, narrow=narrow)
