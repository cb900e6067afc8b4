"""How long sending may take: as long as the last campaign took through the same server, per email.

Where that one was too short to tell, or went elsewhere, there is no estimate. Where limits or the hours of
the day hold a campaign back, ``band`` foretells when the rest is sent. All is read from the database.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from mailing.core.clock import now_ms
from mailing.core.states import AttemptResult, CampaignState
from mailing.core.tables import attempts, campaigns, paces
from mailing.ledger import rests
from mailing.ledger.rates import SLOT_MS, Speed
from mailing.senders import forecasts, limits, store
from mailing.senders.forecasts import SPEED, Asked, Source, Used
from mailing.senders.tables import sender_usage
from mailing.senders.windows import DAY_MS, MINUTE_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from mailing.campaigns.queries import Campaign
    from mailing.ledger.rests import Lasting
    from mailing.senders.forecasts import Band
    from mailing.senders.store import Account

LEAST = 3  # whole slots: fewer tell no speed
MOST = 2_000  # slots that are read
# the part of its attempts that is measured: the last ones are retries, whose speed is that of their waits
_BULK = 0.9
_GROUP = 5  # minutes in which what left counts as one
_NEAR = 0.85  # of a limit: a speed measured so near to it is that of the limit


@dataclass(frozen=True, slots=True)
class Estimate:
    """How long it takes, at which speed."""

    ms: int
    speed: Speed


def of(connection: Connection, campaign: Campaign) -> Estimate | None:
    """Estimate how long all emails of a campaign take by its first sender; None without a basis for it."""
    accounts = _usable(connection, campaign)
    return _estimate(connection, campaign.total, accounts[0]) if accounts else None


def _usable(connection: Connection, campaign: Campaign) -> Sequence[Account]:
    return [it for it in store.chosen(store.every(connection), campaign.senders) if not it.trouble]


def _estimate(connection: Connection, total: int, account: Account) -> Estimate | None:
    real = campaigns.c.state == CampaignState.FINISHED, campaigns.c.rehearses.is_(None)
    started = select(campaigns.c.id).where(*real)
    last = connection.execute(started.order_by(campaigns.c.id.desc()).limit(1)).scalar()
    if last is None or not total:
        return None
    ended = select(attempts.c.server).where(attempts.c.campaign_id == last)
    server = connection.execute(ended.order_by(attempts.c.ended_at.desc()).limit(1)).scalar()
    if server != account.server:
        return None
    speed = of_campaign(connection, last)
    return Estimate(round(total * speed.ms / speed.n), speed) if speed else None


def of_campaign(connection: Connection, campaign_id: int) -> Speed | None:
    """Return how fast most of a campaign's emails went; None where it was too short to tell."""
    slots = (
        select(func.sum(paces.c.n))
        .where(paces.c.campaign_id == campaign_id)
        .group_by(paces.c.slot)
        .order_by(paces.c.slot)
        .limit(MOST)
    )
    return bulk([int(n) for n in connection.execute(slots).scalars()])


def bulk(slots: Sequence[int]) -> Speed | None:
    """Return how fast most of the emails in these slots went; None where too few slots are whole.

    The first and the last of them were lived in part.
    """
    most, n = sum(slots) * _BULK, 0
    for place, in_slot in enumerate(slots, 1):
        n += in_slot
        if n >= most:
            whole = slots[1 : min(place, len(slots) - 1)]
            return Speed(sum(whole), len(whole) * SLOT_MS) if len(whole) >= LEAST else None
    return None


def band(
    connection: Connection,
    campaign: Campaign,
    recent: Speed | None = None,
    *,
    behind: int = 0,
    always: bool = False,
) -> Band | None:
    """Foretell when the rest of a campaign is sent, at its ``recent`` speed or what was measured before.

    Those ``behind`` are left out: of receivers that rest or recover nobody can tell when they are sent.

    None where nothing is to come, or nobody can tell; and, if not ``always``, where nothing holds it back but
    its speed, which a simple estimate tells.
    """
    now = now_ms()
    left = campaign.waiting - behind
    if campaign.over or campaign.rehearses is not None or left <= 0:
        return None
    accounts = _usable(connection, campaign)
    own = limits.load(campaign.limits)
    bound = bool(own or campaign.hours or any(it.limits or it.warmup for it in accounts))
    speed = _speed(connection, campaign, accounts, recent) if bound or always else None
    if not bound and speed is None:
        return None
    resting = rests.lasting(connection)
    asked = Asked(
        max(now, campaign.send_at or 0) if campaign.started_at is None else now,
        left,
        [_source(connection, it, resting, now) for it in accounts],
        Source(limits=own, used=_paced(connection, campaign.id, now) if own else ()),
        speed,
        campaign.schedule,
    )
    found = forecasts.band(asked)
    held = found.usual.held
    return found if held and (always or held.by != SPEED) else None


def _source(connection: Connection, account: Account, resting: Lasting, now: int) -> Source:
    rest = resting.rests.get(account.account)
    ours = rest is None or rest.ours  # then its windows say until when
    return Source(
        account.name,
        account.id,
        account.limits,
        account.warmup,
        _used(connection, account.id, now) if account.limits or account.warmup else (),
        0 if rest is None or ours else rest.until,
    )


def _used(connection: Connection, sender_id: int, now: int) -> Sequence[Used]:
    """Return what left by a sender in the last 25 hours: as long as a day of the calendar may be."""
    slot = sender_usage.c.slot
    group = slot - slot % _GROUP
    own = sender_usage.c.sender_id == sender_id, slot >= (now - DAY_MS) // MINUTE_MS - 60
    statement = select(group, func.sum(sender_usage.c.n)).where(*own).group_by(group)
    return [Used(min((at + _GROUP) * MINUTE_MS, now), int(n)) for at, n in connection.execute(statement)]


def _paced(connection: Connection, campaign_id: int, now: int) -> Sequence[Used]:
    """Return what left in a campaign in the last 25 hours."""
    width, slot = _GROUP * 60, paces.c.slot
    group = slot - slot % width
    own = paces.c.campaign_id == campaign_id, slot >= (now - DAY_MS) // 1000 - 3_600
    statement = select(group, func.sum(paces.c.n)).where(*own, paces.c.result != AttemptResult.RETURNED)
    rows = connection.execute(statement.group_by(group))
    return [Used(min((at + width) * 1000, now), int(n)) for at, n in rows]


def _speed(
    connection: Connection, campaign: Campaign, accounts: Sequence[Account], recent: Speed | None
) -> float | None:
    """Return how many emails a minute leave while nothing holds them back; None if nobody knows."""
    whole = of_campaign(connection, campaign.id) if campaign.started_at else None
    if whole is None and accounts and (before := _estimate(connection, campaign.waiting, accounts[0])):
        whole = before.speed
    measured = max((it.per_minute for it in (whole, recent) if it), default=0.0)
    bound = [limits.load(campaign.limits), *(it.limits for it in accounts)]
    rates = [n for it in bound for n in (it.per_minute, it.per_second and it.per_second * 60) if n]
    return None if not measured or any(_NEAR * n < measured for n in rates) else measured
