"""The overview: how everything stands, over all campaigns, in as many queries however many they are."""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import exists, func, select

from mailing.campaigns import queries as campaigns
from mailing.core.clock import now_ms
from mailing.core.states import AttemptResult, CampaignState, RecipientState
from mailing.core.tables import campaigns as table
from mailing.core.tables import paces as slots
from mailing.core.tables import tallies
from mailing.ledger import evidence
from mailing.ledger import leases as workers
from mailing.ledger.rates import SLOT_S
from mailing.reports import lanes, paces

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Select

    from mailing.campaigns.queries import Campaign
    from mailing.core.reasons import Reason
    from mailing.ledger.leases import Worker
    from mailing.ledger.rates import Speed
    from mailing.reports.lanes import Behind

UNDER_WAY = 20  # campaigns shown of those that are sent or paused
COMING = 5  # scheduled campaigns that are shown, those that start first
DONE = 5
TOLD = 10  # campaigns named of those that need a person
SETTLED_S = 120  # what ended longer ago is counted again only now and then
RECOUNT_S = 60.0
DAYS_KEPT = 8  # readers in several time zones have several midnights


@dataclass(frozen=True, slots=True)
class Overview:
    """How everything stood at ``at`` (ms since 1970).

    ``under_way`` are being sent or paused, ``more`` is how many of them are not shown. ``coming`` are
    scheduled, ``not_started`` were so and could not be sent. ``speeds`` are those now, by campaign,
    ``behind`` who in each waits for receivers that rest or recover.
    ``unknown`` are campaigns in which nobody knows of so many people whether they got it. ``today`` counts
    attempts by result since the reader's midnight. ``held`` are receivers that miss a record of our domain.
    """

    under_way: Sequence[Campaign]
    more: int
    coming: Sequence[Campaign]
    not_started: Sequence[Campaign]
    speeds: Mapping[int, Speed]
    behind: Mapping[int, Behind]
    done: Sequence[Campaign]
    unknown: Sequence[Campaign]
    today: Mapping[AttemptResult, int]
    workers: Sequence[Worker]
    held: Mapping[str, Reason]
    empty: bool
    at: int

    @property
    def waits(self) -> bool:
        """Whether anybody waits for a worker."""
        return any(each.state is CampaignState.SENDING and each.waiting for each in self.under_way)


def load(connection: Connection, midnight_s: int, days: Days | None = None) -> Overview:
    """Read how everything stands; ``midnight_s`` is when the reader's day began, in seconds since 1970.

    Who looks often keeps ``days`` between its looks.
    """
    now = now_ms()
    real = table.c.rehearses.is_(None)
    going = table.c.state.in_((CampaignState.SENDING, CampaignState.PAUSED))
    order = ((table.c.paused_reason != "").desc(), table.c.state.desc(), table.c.id.desc())
    shown = campaigns.read(connection, select(table).where(going).order_by(*order).limit(UNDER_WAY))
    total = connection.execute(select(func.count()).select_from(table).where(going)).scalar_one()
    coming = select(table).where(table.c.state == CampaignState.SCHEDULED).order_by(table.c.send_at)
    put_back = table.c.state == CampaignState.DRAFT, table.c.reason_code.is_not(None)
    unsent = select(table).where(*put_back).order_by(table.c.id.desc())
    done = select(table).where(real, table.c.finished_at.is_not(None)).order_by(table.c.finished_at.desc())
    return Overview(
        under_way=shown,
        more=total - len(shown),
        coming=campaigns.read(connection, coming.limit(COMING)),
        not_started=campaigns.read(connection, unsent.limit(TOLD)),
        speeds=paces.recent(connection, shown, now),
        behind=lanes.behind_each(connection, shown),
        done=campaigns.read(connection, done.limit(DONE)),
        unknown=campaigns.read(connection, _unknown()),
        today=(days or Days()).count(connection, midnight_s, now // 1000),
        workers=workers.alive(connection),
        held=evidence.held(connection, TOLD) if shown else {},
        empty=connection.execute(select(table.c.id).where(campaigns.THERE).limit(1)).first() is None,
        at=now,
    )


def _unknown() -> Select[tuple[object, ...]]:
    found = (
        select(tallies.c.campaign_id)
        .where(tallies.c.state == RecipientState.UNKNOWN)
        .group_by(tallies.c.campaign_id)
        .having(func.sum(tallies.c.n) > 0)
        .order_by(tallies.c.campaign_id.desc())
        .limit(TOLD)
    )
    return select(table).where(table.c.id.in_(found), table.c.rehearses.is_(None)).order_by(table.c.id.desc())


@dataclass(slots=True)
class Days:
    """What some days have brought: of each, what is settled is counted once a minute, not at every look."""

    _kept: OrderedDict[int, _Settled] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, connection: Connection, midnight_s: int, now_s: int) -> Mapping[AttemptResult, int]:
        """Return how many attempts have ended how since ``midnight_s``; both in seconds since 1970."""
        begun = midnight_s // SLOT_S * SLOT_S
        with self._lock:
            day = self._kept.get(begun)
        if day is None or time.monotonic() - day.at > RECOUNT_S:
            until = max(begun, (now_s - SETTLED_S) // SLOT_S * SLOT_S)
            day = _Settled(time.monotonic(), until, _count(connection, begun, until))
            with self._lock:
                self._kept[begun] = day
                self._kept.move_to_end(begun)
                while len(self._kept) > DAYS_KEPT:
                    self._kept.popitem(last=False)
        return day.counts + _count(connection, day.until, None)


@dataclass(frozen=True, slots=True)
class _Settled:
    """What had ended before ``until`` (s since 1970), counted at ``at`` (steady s)."""

    at: float
    until: int
    counts: Counter[AttemptResult]


def _count(connection: Connection, begun: int, until: int | None) -> Counter[AttemptResult]:
    rehearsed = exists().where(table.c.id == slots.c.campaign_id, table.c.rehearses.is_not(None))
    statement = select(slots.c.result, func.sum(slots.c.n)).where(slots.c.slot >= begun, ~rehearsed)
    if until is not None:
        statement = statement.where(slots.c.slot < until)
    found: Counter[AttemptResult] = Counter()
    for result, n in connection.execute(statement.group_by(slots.c.result)):
        found[AttemptResult(result)] = int(n)
    return found
