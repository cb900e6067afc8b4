"""The overview: how everything stands, over all campaigns. Bounded lists and kept counts, so it is quick."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from mailing import campaigns, workers
from mailing.ledger import PACE_SECONDS
from mailing.models import campaigns as table
from mailing.models import now_ms, paces, tallies
from mailing.states import AttemptResult, CampaignState, RecipientState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Select

    from mailing.campaigns import Campaign
    from mailing.workers import Worker

UNDER_WAY = 20  # campaigns shown of those that are sent or paused
DONE = 5
TOLD = 10  # campaigns named of those that need a person
_MINUTE_S = 60


@dataclass(frozen=True, slots=True)
class Overview:
    """How everything stood at ``at`` (ms since 1970).

    ``under_way`` are being sent or paused, ``more`` is how many of them are not shown. ``rates`` are attempts
    per minute now, by campaign. ``unknown`` are campaigns in which nobody knows of so many people whether
    they got it. ``today`` counts attempts by result since the reader's midnight.
    """

    under_way: Sequence[Campaign]
    more: int
    rates: Mapping[int, int]
    done: Sequence[Campaign]
    unknown: Sequence[tuple[Campaign, int]]
    today: Mapping[AttemptResult, int]
    workers: Sequence[Worker]
    empty: bool
    at: int

    @property
    def waits(self) -> bool:
        """Whether anybody waits for a worker."""
        return any(each.state is CampaignState.SENDING and each.waiting for each in self.under_way)


def load(connection: Connection, midnight_s: int) -> Overview:
    """Read how everything stands; ``midnight_s`` is when the reader's day began, in seconds since 1970."""
    under_way = select(table.c.id).where(table.c.state.in_((CampaignState.SENDING, CampaignState.PAUSED)))
    shown = _campaigns(
        connection,
        under_way.order_by(
            (table.c.paused_reason != "").desc(), table.c.state.desc(), table.c.id.desc()
        ).limit(UNDER_WAY),
    )
    total = connection.execute(select(func.count()).select_from(under_way.subquery())).scalar_one()
    done = select(table.c.id).where(table.c.finished_at.is_not(None))
    return Overview(
        under_way=shown,
        more=total - len(shown),
        rates=_rates(connection, shown),
        done=_campaigns(connection, done.order_by(table.c.finished_at.desc()).limit(DONE)),
        unknown=_unknown(connection),
        today=_today(connection, midnight_s),
        workers=workers.alive(connection),
        empty=connection.execute(select(table.c.id).where(campaigns.THERE).limit(1)).first() is None,
        at=now_ms(),
    )


def _campaigns(connection: Connection, chosen: Select[Any]) -> Sequence[Campaign]:
    found = [campaigns.get(connection, id_) for id_ in connection.execute(chosen).scalars().all()]
    return [campaign for campaign in found if campaign]


def _rates(connection: Connection, shown: Sequence[Campaign]) -> Mapping[int, int]:
    now = now_ms()
    statement = (
        select(paces.c.campaign_id, func.sum(paces.c.n))
        .where(paces.c.slot > now // 1000 - _MINUTE_S, paces.c.campaign_id.in_([each.id for each in shown]))
        .group_by(paces.c.campaign_id)
    )
    counted = {id_: int(n) for id_, n in connection.execute(statement)} if shown else {}
    ages = {each.id: (now - (each.started_at or now)) / 1000 for each in shown}
    return {id_: round(n * _MINUTE_S / min(max(ages[id_], 1), _MINUTE_S)) for id_, n in counted.items()}


def _unknown(connection: Connection) -> Sequence[tuple[Campaign, int]]:
    n = (
        select(func.sum(tallies.c.n))
        .where(tallies.c.campaign_id == table.c.id, tallies.c.state == RecipientState.UNKNOWN)
        .scalar_subquery()
    )
    statement = select(table.c.id).where(n > 0).order_by(table.c.id.desc()).limit(TOLD)
    return [(each, each.counts[RecipientState.UNKNOWN]) for each in _campaigns(connection, statement)]


def _today(connection: Connection, midnight_s: int) -> Mapping[AttemptResult, int]:
    statement = (
        select(paces.c.result, func.sum(paces.c.n))
        .where(paces.c.slot >= midnight_s // PACE_SECONDS * PACE_SECONDS)
        .group_by(paces.c.result)
    )
    found: defaultdict[AttemptResult, int] = defaultdict(int)
    for result, n in connection.execute(statement):
        found[AttemptResult(result)] = int(n)
    return found
