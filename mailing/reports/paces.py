"""Paces: how many attempts ended how in each slot of time. ``rates`` says what speed that is."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from mailing.core.states import AttemptResult
from mailing.core.tables import paces
from mailing.ledger import rates
from mailing.ledger.rates import SLOT_S, Slot, Speed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from mailing.campaigns.queries import Campaign
    from mailing.ledger.rates import Course

MOST = 180  # slots: more bars than this are too thin to be told apart
RECENT_MS = MOST * rates.SLOT_MS


def course(connection: Connection, campaign: Campaign, now: int, *, last_ms: int | None = None) -> Course:
    """Return how a campaign that was sent has gone until ``now`` (ms), in about ``MOST`` slots at most.

    With ``last_ms``: its last so many ms only.
    """
    assert campaign.started_at is not None
    until = rates.until(campaign.started_at, campaign.finished_at, now)
    begun = campaign.started_at if last_ms is None else until - last_ms
    width = SLOT_S * max(1, -(-(until - begun) // (rates.SLOT_MS * MOST)))
    at = (paces.c.slot - paces.c.slot % width).label("at")
    statement = (
        select(at, paces.c.result, func.sum(paces.c.n).label("n"))
        .where(paces.c.campaign_id == campaign.id)
        .group_by(at, paces.c.result)
    )
    if last_ms is not None:
        statement = statement.where(paces.c.slot >= begun // 1000)
    if campaign.finished_at is None:
        statement = statement.where(paces.c.slot < -(-until // 1000))
    found: defaultdict[int, dict[AttemptResult, int]] = defaultdict(dict)
    for row in connection.execute(statement):
        found[row.at][AttemptResult(row.result)] = int(row.n)
    return rates.course(begun, until, [Slot(at, found[at]) for at in sorted(found)], width)


def recent(connection: Connection, found: Sequence[Campaign], now: int) -> Mapping[int, Speed]:
    """Return by its id how fast each campaign goes at ``now`` (ms): in the last minute, or since its start.

    That of a campaign which was not begun, or is over, is zero. One query, however many they are.
    """
    going = {each.id: each for each in found if each.started_at is not None and each.finished_at is None}
    speeds = {each.id: Speed() for each in found}
    if not going:
        return speeds
    since = (now - rates.LATE_MS - rates.MINUTE_MS) // 1000 - 2 * SLOT_S
    statement = (
        select(paces.c.campaign_id, paces.c.slot, paces.c.result, func.sum(paces.c.n))
        .where(paces.c.campaign_id.in_(going), paces.c.slot >= since)
        .group_by(paces.c.campaign_id, paces.c.slot, paces.c.result)
        .order_by(paces.c.campaign_id, paces.c.slot)
    )
    slots: defaultdict[int, list[Slot]] = defaultdict(list)
    for id_, at, result, n in connection.execute(statement):
        slots[id_].append(Slot(at, {AttemptResult(result): int(n)}))
    for id_, campaign in going.items():
        assert campaign.started_at is not None
        until = rates.until(campaign.started_at, None, now)
        speeds[id_] = rates.recent(campaign.started_at, until, slots[id_])
    return speeds
