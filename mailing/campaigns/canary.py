"""The canary: some recipients of a campaign are sent first, and the others follow once these went well.

They are of all domains, each of the biggest with its share. Each has a batch of its own besides the others,
and only these are open while the campaign's ``canary_until`` is set: so nothing else leaves, whoever claims.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, case, func, insert, null, select, update

from mailing.core.bounds import CANARY_MOST
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason
from mailing.core.states import AttemptResult, CampaignState, RecipientState
from mailing.core.tables import attempts, batches, campaigns, recipients
from mailing.ledger import batches as of_batches
from mailing.ledger import breaker
from mailing.ledger.breaker import Breaker, of_canary
from mailing.lists import surveys

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection

SIZES = range(1, CANARY_MOST + 1)
WAITED_MS = 3_600_000  # how long those that are deferred are waited for
_LEFT_OUT = (RecipientState.CANCELED, RecipientState.SUPPRESSED)
_BAD = (RecipientState.FAILED, RecipientState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Canary:
    """How many of those that are sent first are in each state. ``until`` is in ms since 1970.

    Then those that are still deferred count as not accepted. None: their verdict is there.
    """

    counts: Mapping[RecipientState, int]
    until: int | None

    @property
    def total(self) -> int:
        """How many they are, without those that were taken out."""
        return sum(n for state, n in self.counts.items() if state not in _LEFT_OUT)

    @property
    def accepted(self) -> int:
        """How many were accepted."""
        return self.counts.get(RecipientState.SENT, 0)

    @property
    def bad(self) -> int:
        """How many failed, or are unknown."""
        return sum(self.counts.get(state, 0) for state in _BAD)

    def over(self, now: int) -> bool:
        """Whether there is nothing more to wait for at ``now`` (ms)."""
        left = self.accepted + self.bad + self.counts.get(RecipientState.DEFERRED, 0)
        return left == self.total and (left == self.accepted + self.bad or now >= (self.until or 0))

    def clean(self, limit: Breaker) -> bool:
        """Whether so many of them were accepted that the others may follow."""
        return not limit.exceeds(self.total - self.accepted, self.total)


def shares(sizes: Sequence[int], n: int) -> list[int]:
    """Share ``n`` places among groups of these sizes, in their proportion (Sainte-Laguë)."""
    places = [0] * len(sizes)
    waiting = [(-float(size), group) for group, size in enumerate(sizes) if size]
    heapq.heapify(waiting)
    for _ in range(min(n, sum(sizes))):
        _weight, group = heapq.heappop(waiting)
        places[group] += 1
        if places[group] < sizes[group]:
            heapq.heappush(waiting, (-sizes[group] / (2 * places[group] + 1), group))
    return places


def begins(now: int) -> ColumnElement[int]:
    """Return until when a campaign that is sent at ``now`` waits for its canary; null if it needs none."""
    needed = and_(campaigns.c.canary > 0, campaigns.c.canary < campaigns.c.total)
    return case((needed, now + WAITED_MS), else_=null())


def goes_on(now: int) -> ColumnElement[int]:
    """Return the same of a campaign that is resumed: it waits as long again."""
    return case((campaigns.c.canary_until.is_not(None), now + WAITED_MS), else_=null())


def choose(connection: Connection, campaign_id: int, n: int, total: int) -> None:
    """Choose ``n`` of a campaign's recipients, and give each a batch of its own."""
    top = surveys.load(connection, campaign_id).domains.top
    *places, others = shares([*top.values(), total - sum(top.values())], n)
    chosen = dict.fromkeys(
        id_
        for domain, k in zip(top, places, strict=True)
        for id_ in _first_at(connection, campaign_id, domain, k)
    )
    chosen |= dict.fromkeys(_elsewhere(connection, campaign_id, top, others))
    if len(chosen) < n:  # fewer other domains than places
        first = _queued(campaign_id).order_by(recipients.c.id).limit(n)
        more = (id_ for id_ in connection.execute(first).scalars() if id_ not in chosen)
        chosen |= dict.fromkeys(list(more)[: n - len(chosen)])
    rows = [{"campaign_id": campaign_id, "first_id": id_, "last_id": id_, "canary": True} for id_ in chosen]
    connection.execute(insert(batches), rows)


def of(connection: Connection, campaign_id: int, until: int | None) -> Canary:
    """Return how those stand that are, or were, sent first."""
    statement = (
        select(recipients.c.state, func.count())
        .join(batches, batches.c.first_id == recipients.c.id)
        .where(batches.c.campaign_id == campaign_id, batches.c.canary)
        .group_by(recipients.c.state)
    )
    return Canary({RecipientState(state): n for state, n in connection.execute(statement)}, until)


def waiting(connection: Connection) -> Sequence[int]:
    """Return the campaigns that wait for the outcome of their canary."""
    wanted = campaigns.c.state == CampaignState.SENDING, campaigns.c.canary_until.is_not(None)
    return connection.execute(select(campaigns.c.id).where(*wanted).order_by(campaigns.c.id)).scalars().all()


def judge(connection: Connection, campaign_id: int) -> Reason | None:
    """Let the others follow once the canary is over and clean; return why the campaign must pause instead.

    None as long as there is something to wait for, too.
    """
    own = select(campaigns.c.breaker, campaigns.c.canary_until).where(campaigns.c.id == campaign_id)
    row = connection.execute(own).one()
    if row.canary_until is None:
        return None
    found, limit = of(connection, campaign_id, row.canary_until), of_canary(Breaker.load(row.breaker))
    if not found.over(now_ms()):
        return None
    if found.clean(limit):
        _let_follow(connection, campaign_id, row.canary_until)
        return None
    first = select(batches.c.first_id).where(batches.c.campaign_id == campaign_id, batches.c.canary)
    bad = and_(attempts.c.recipient_id.in_(first), attempts.c.result != AttemptResult.SENT)
    n, of_all = found.total - found.accepted, found.total
    replies = breaker.told(connection, bad)
    return Reason("paused.canary", n=n, of=of_all, percent=limit.percent, replies=replies)


def _let_follow(connection: Connection, campaign_id: int, until: int) -> None:
    same = campaigns.c.id == campaign_id, campaigns.c.canary_until == until
    going = update(campaigns).where(*same, campaigns.c.state == CampaignState.SENDING)
    if connection.execute(going.values(canary_until=None)).rowcount:
        of_batches.wake(connection, campaign_id, most=0)


def _first_at(connection: Connection, campaign_id: int, domain: str, n: int) -> Sequence[int]:
    """Return the first ones at a domain, in the order of the list."""
    there = _queued(campaign_id).where(recipients.c.domain == domain)
    return connection.execute(there.order_by(recipients.c.id).limit(n)).scalars().all() if n else ()


def _elsewhere(connection: Connection, campaign_id: int, known: Mapping[str, int], n: int) -> Iterator[int]:
    """Yield one recipient at each of ``n`` domains that are not known: one step in the index for each."""
    domain = ""
    while n:
        behind = select(recipients.c.domain, recipients.c.id).where(
            recipients.c.campaign_id == campaign_id, recipients.c.domain > domain
        )
        row = connection.execute(behind.order_by(recipients.c.domain, recipients.c.id).limit(1)).first()
        if row is None:
            return
        domain = row.domain
        if domain not in known:
            n -= 1
            yield row.id


def _queued(campaign_id: int) -> Any:
    queued = recipients.c.campaign_id == campaign_id, recipients.c.state == RecipientState.QUEUED
    return select(recipients.c.id).where(*queued)
