"""Turns: which campaign a worker serves next. The most urgent goes first, and those as urgent in turn.

Two places ask. When Celery brings a batch, another campaign's may deserve the turn more: then one of its
batches is taken instead, and the batch that came is queued again. And the claims of each commit are shared
among the batches at work. So it matters little in which order batches wait in Redis, and a priority that is
changed counts at once.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from sqlalchemy import select

from mailing.campaigns import queries
from mailing.core import clock
from mailing.core.clock import now_ms
from mailing.core.states import CampaignState, RecipientState
from mailing.core.tables import batches as table
from mailing.core.tables import campaigns, recipients
from mailing.ledger import batches
from mailing.schedules.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, Row

    from mailing.campaigns.queries import Campaign
    from mailing.core.database import Database
    from mailing.ledger.batches import Batch

Rows: TypeAlias = "Collection[Row[Any]]"

RIVALS = 50  # campaigns that are compared, the most urgent ones
IN_VAIN_S = 2.0  # for how long one that could not use its turn gets no other


class Ending(StrEnum):
    """Why the engine is done with a batch."""

    EMPTY = "empty"  # nobody waits in it any more
    YIELDED = "yielded"  # its time is up: queue it again
    STOPPED = "stopped"  # the campaign is not sending
    HANDED_BACK = "handed back"  # this worker is stopping: queue it again for another one
    RESTING = "resting"  # the sender or lanes wait: the sweep queues it again when that is over


class Line(NamedTuple):
    """A batch that wants claims. Of its campaign so many are ``in_hand``; ``most`` is what it can use."""

    priority: int
    campaign_id: int
    batch_id: int
    in_hand: int
    most: int


class AtWork(NamedTuple):
    """The batches of a campaign that one process claims from: how many, and up to which recipient."""

    jobs: int
    last_id: int


NOTHING = AtWork(0, 0)


@dataclass(frozen=True, slots=True)
class Turn:
    """A batch to claim from; ``instead`` of the one that Celery brought."""

    batch: Batch
    campaign: Campaign
    instead: bool


def share(room: int, lines: Sequence[Line]) -> list[int]:
    """Share ``room`` for claims; return how many each line gets.

    The most urgent campaigns come first. Of several that are as urgent, the next claim is for the one that
    has the fewest in hand, and what one cannot use goes to the others.
    """
    got = [0] * len(lines)
    waiting: dict[int, list[int]] = {}
    for place in sorted(range(len(lines)), key=lambda place: lines[place].batch_id, reverse=True):
        waiting.setdefault(lines[place].campaign_id, []).append(place)
    heap = [(lines[own[0]].priority, lines[own[0]].in_hand, campaign) for campaign, own in waiting.items()]
    heapq.heapify(heap)
    while room and heap:
        priority, in_hand, campaign = heapq.heappop(heap)
        place = waiting[campaign][-1]
        alone = not heap or heap[0][0] > priority
        n = min(room if alone else 1, lines[place].most - got[place])
        got[place] += n
        room -= n
        if got[place] >= lines[place].most:
            waiting[campaign].pop()
        if waiting[campaign]:
            heapq.heappush(heap, (priority, in_hand + n, campaign))
    return got


class Turns:
    """Who had turns in one process, and when (steady s)."""

    def __init__(self) -> None:
        self._served: dict[int, float] = {}
        self._in_vain: dict[int, float] = {}

    def take(self, database: Database, batch_id: int, at_work: Mapping[int, AtWork]) -> Turn | None:
        """Take the batch that Celery brought, or one of a campaign that deserves the turn more.

        ``at_work`` is what is claimed from already. None if the batch is gone, or its campaign is not being
        sent now.
        """
        with database.write() as connection:
            batch = batches.take(connection, batch_id)
            rows = _rivals(connection, batch.campaign_id) if batch else ()
            own = next((row for row in rows if batch and row.id == batch.campaign_id), None)
            if batch is None or own is None or own.id in _closed(rows):
                return None
            better = next(self._better(connection, own, rows, at_work), None)
            taken = better or batch
            campaign = queries.get(connection, taken.campaign_id)
        if campaign is None:
            return None
        self._served[campaign.id] = clock.steady_s()
        return Turn(taken, campaign, instead=better is not None)

    def over(self, turn: Turn, ending: Ending, *, in_vain: bool) -> Ending:
        """Return how the batch that Celery brought ends: one that another was taken for has yielded.

        A campaign that could do nothing with its turn, as its sender rests, gets no other for a while.
        """
        if not turn.instead:
            return ending
        if in_vain:
            self._in_vain[turn.campaign.id] = clock.steady_s()
        return Ending.YIELDED

    def _better(
        self, connection: Connection, own: Row[Any], rows: Rows, at_work: Mapping[int, AtWork]
    ) -> Iterator[Batch]:
        """Yield batches of those that deserve the turn more, the most deserving campaign's first."""
        now, closed = clock.steady_s(), _closed(rows)
        known = {row.id for row in rows}
        self._served = {id_: at for id_, at in self._served.items() if id_ in known}
        self._in_vain = {id_: at for id_, at in self._in_vain.items() if now < at + IN_VAIN_S}

        def due(row: Row[Any]) -> tuple[int, int, float]:
            return row.priority, at_work.get(row.id, NOTHING).jobs, self._served.get(row.id, 0.0)

        for row in sorted(rows, key=due):
            if row.id == own.id or due(row) >= due(own):
                return
            if row.id in closed or row.id in self._in_vain:
                continue
            if found := _first(connection, row.id, after=at_work.get(row.id, NOTHING).last_id):
                yield found


def closed(connection: Connection) -> set[int]:
    """Return the campaigns that are being sent and are outside of their hours of the day."""
    sent = campaigns.c.state == CampaignState.SENDING, campaigns.c.hours != ""
    return _closed(connection.execute(select(*_COLUMNS).where(*sent)).all())


_COLUMNS = [campaigns.c[name] for name in ("id", "priority", "time_zone", "hours")]


def _closed(rows: Rows) -> set[int]:
    now = now_ms()
    return {row.id for row in rows if not Schedule.of(None, row.time_zone, row.hours).holds(now)}


def _rivals(connection: Connection, campaign_id: int) -> Rows:
    """Return a campaign that is being sent, and those that compete with it for the same sender."""
    own = select(campaigns.c.priority, campaigns.c.rehearses).where(campaigns.c.id == campaign_id)
    mine = connection.execute(own).one()
    same: ColumnElement[bool] = campaigns.c.rehearses.is_(None)
    rivals = (campaigns.c.priority <= mine.priority) & (same if mine.rehearses is None else ~same)
    sent = select(*_COLUMNS).where(campaigns.c.state == CampaignState.SENDING)
    first = sent.where(rivals).order_by(campaigns.c.priority, campaigns.c.id).limit(RIVALS)
    rows = connection.execute(first).all()
    if any(row.id == campaign_id for row in rows):
        return rows
    return [*rows, *connection.execute(sent.where(campaigns.c.id == campaign_id)).all()]


def _first(connection: Connection, campaign_id: int, *, after: int) -> Batch | None:
    """Return the first batch of a campaign, behind a recipient, in which somebody is queued."""
    queued = (
        select(recipients.c.id)
        .where(
            recipients.c.campaign_id == campaign_id,
            recipients.c.state == RecipientState.QUEUED,
            recipients.c.id > after,
        )
        .order_by(recipients.c.id)
        .limit(1)
    )
    first = connection.execute(queued).scalar()
    if first is None:
        return None
    awake = table.c.rests_until.is_(None) | (table.c.rests_until <= now_ms())
    its = table.c.campaign_id == campaign_id, table.c.last_id >= first, awake
    found = (
        select(table.c.id, table.c.campaign_id, table.c.first_id, table.c.last_id, table.c.canary)
        .join(campaigns, campaigns.c.id == table.c.campaign_id)
        .where(*its, batches.is_open(), batches.somebody_queued())
        .order_by(table.c.first_id)
        .limit(1)
    )
    row = connection.execute(found).one_or_none()
    return batches.Batch(*row) if row else None
