"""The lanes of a campaign: how far each receiver is, how fast, what it said last, and why it is slow.

Nothing here looks at a list as a whole: it is counted as recipients move, and by the log's latest rows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import func, select

from mailing.core import reasons
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason
from mailing.core.states import RecipientState
from mailing.core.tables import attempts, recipients, rests
from mailing.internet.receivers import name_of
from mailing.ledger import receivers
from mailing.ledger.domain_tallies import OTHERS
from mailing.ledger.evidence import RECORD
from mailing.ledger.lanes import FOREVER, Lane, any_slow
from mailing.ledger.rests import ALL, COLUMNS, Rest, accounts
from mailing.ledger.tables import domain_tallies
from mailing.ledger.tables import receivers as known
from mailing.lists import surveys
from mailing.senders import limits, store

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from mailing.campaigns.queries import Campaign
    from mailing.core.reasons import Words
    from mailing.senders.store import Account

SHOWN = 20  # lanes; those with fewer recipients are counted together, unless they are slow
SLOW_SHOWN = 50  # slow lanes of domains that are not among the most frequent
RECENT_MS, RECENT_MOST = 60_000, 1_000  # of the log's latest rows, which tell speed and the last reply


class Pace(StrEnum):
    """How a lane goes."""

    FREE = "free"
    NARROW = "narrow"
    LIMITED = "limited"
    TRYING = "trying"
    RESTING = "resting"
    PAUSED = "paused"


class Behind(NamedTuple):
    """How many wait for slow receivers: queued or being sent, and deferred."""

    queued: int
    deferred: int

    @property
    def all(self) -> int:
        """Both together."""
        return self.queued + self.deferred


NOBODY = Behind(0, 0)


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a lane is. ``total`` is None where it was not counted by itself, and so are ``left``.

    ``said`` is what the receiver answered last, at ``said_at`` (ms); ``slow`` what slows it, and ``limit``
    the limit that a sender of the campaign has for it, empty where none has.
    """

    receiver: str
    domains: int
    total: int | None
    counts: Mapping[RecipientState, int]
    per_minute: float
    said: Words
    said_at: int | None
    slow: Lane | None
    at: int
    limit: Words = ""

    @property
    def name(self) -> str:
        """How people call the receiver; empty for all others together."""
        return name_of(self.receiver)

    @property
    def left(self) -> int | None:
        """How many are queued or being sent."""
        return None if self.total is None else max(0, self.total - sum(self.counts.values()))

    @property
    def record(self) -> Reason | None:
        """Why it is held, where a record of our domain is missing: what to publish, and what DNS says."""
        reason = self.slow.rest.reason if self.slow and self.slow.holds(self.at) else ""
        return reason if isinstance(reason, Reason) and reason.code == RECORD else None

    @property
    def reason(self) -> Words:
        """Why it is slow; empty where nothing slows it."""
        return self.slow.rest.reason if self.slow else self.limit

    @property
    def pace(self) -> Pace:
        """How it goes."""
        if self.slow is None:
            return Pace.LIMITED if self.limit else Pace.FREE
        if self.slow.rest.until == FOREVER:
            return Pace.PAUSED
        if self.slow.holds(self.at):
            return Pace.RESTING
        return Pace.NARROW if self.slow.width else Pace.TRYING


def behind(found: Iterable[Standing]) -> Behind:
    """Return who waits for receivers that rest, recover, or were paused by a person."""
    slow = [it for it in found if it.pace in {Pace.RESTING, Pace.TRYING, Pace.PAUSED}]
    deferred = sum(it.counts.get(RecipientState.DEFERRED, 0) for it in slow)
    return Behind(sum(it.left or 0 for it in slow), deferred)


def all_behind(connection: Connection, campaign: Campaign) -> Behind:
    """Return the same of a campaign whose lanes were not read."""
    return behind(of(connection, campaign)) if any_slow(connection) else NOBODY


def behind_each(connection: Connection, campaigns: Iterable[Campaign]) -> Mapping[int, Behind]:
    """Return the same of several campaigns."""
    if not any_slow(connection):
        return {}
    return {it.id: behind(of(connection, it)) for it in campaigns}


def of(connection: Connection, campaign: Campaign) -> Sequence[Standing]:
    """Return the lanes of a campaign, those with the most recipients first, and all others as one."""
    now, top = now_ms(), surveys.load(connection, campaign.id).domains.top
    theirs = receivers.of(connection, top) if top else {}
    slow = _slow(connection, campaign)
    rehearsal = campaign.rehearses is not None
    senders = () if rehearsal else store.chosen(store.every(connection), campaign.senders)
    totals: Counter[str] = Counter()
    domains: Counter[str] = Counter()
    for domain, n in top.items():
        totals[theirs[domain]] += n
        domains[theirs[domain]] += 1
    listed = {receiver for receiver, _ in totals.most_common(SHOWN)} | (slow.keys() & totals.keys())
    lane_of = {domain: receiver for domain, receiver in theirs.items() if receiver in listed}
    counts: defaultdict[str, Counter[RecipientState]] = defaultdict(Counter)
    for domain, state, n in _tallies(connection, campaign.id):
        counts[lane_of.get(domain, OTHERS)][RecipientState(state)] += n
    recent = _Recent(connection, campaign.id, now, lane_of)
    found = [
        Standing(
            receiver,
            domains[receiver],
            totals[receiver],
            counts[receiver],
            recent.per_minute[receiver],
            *recent.said[receiver],
            slow.get(receiver),
            now,
            _limit(senders, receiver),
        )
        for receiver in sorted(listed, key=lambda it: (-totals[it], it))
    ]
    for receiver in _unlisted(connection, campaign.id, [it for it in slow if it not in totals]):
        lane = slow[receiver]
        found.append(Standing(receiver, 1, None, {}, 0.0, lane.rest.reason, None, lane, now))
    rest = campaign.total - sum(totals[receiver] for receiver in listed)
    if rest > 0:
        limit, speed = _limit(senders, OTHERS), recent.per_minute[OTHERS]
        found.append(Standing(OTHERS, 0, rest, counts[OTHERS], speed, "", None, None, now, limit))
    return found


def _slow(connection: Connection, campaign: Campaign) -> Mapping[str, Lane]:
    """Return the slow lanes of a campaign's senders; of those of several that which goes on last."""
    ours = rests.c.sender.in_(accounts(connection, campaign.senders, campaign.rehearses))
    lasts = ours, rests.c.lane != ALL, rests.c.ended_at.is_(None)
    statement = select(rests.c.lane, rests.c.width, *COLUMNS).where(*lasts).order_by(rests.c.until)
    found = {}
    for row in connection.execute(statement):
        told = reasons.in_row(row._asdict(), "reason")
        receiver, width = told.pop("lane"), told.pop("width")
        found[receiver] = Lane(receiver, Rest(**told), width)
    return found


def _limit(senders: Iterable[Account], receiver: str) -> Words:
    """Return what the first of these senders limits a receiver to."""
    for sender in senders:
        if bounds := list(limits.of_receiver(sender.receiver_limits, receiver).bounds()):
            most = tuple(Reason("limits.at-most", n=n, period=limits.worded(period)) for period, n in bounds)
            return Reason("limits.for-receiver", sender=sender.name, limits=most)
    return ""


def _tallies(connection: Connection, campaign_id: int) -> Iterable[tuple[str, str, int]]:
    columns = domain_tallies.c.domain, domain_tallies.c.state
    statement = select(*columns, func.sum(domain_tallies.c.n)).group_by(*columns)
    rows = connection.execute(statement.where(domain_tallies.c.campaign_id == campaign_id))
    return [(domain, state, int(n)) for domain, state, n in rows]


class _Recent:
    """The latest rows of a campaign's log: how many a minute ended in each lane, and what was said last."""

    def __init__(
        self, connection: Connection, campaign_id: int, now: int, lane_of: Mapping[str, str]
    ) -> None:
        statement = (
            select(attempts.c.id, attempts.c.domain, attempts.c.ended_at)
            .where(attempts.c.campaign_id == campaign_id)
            .order_by(attempts.c.ended_at.desc(), attempts.c.id.desc())
            .limit(RECENT_MOST)
        )
        rows = connection.execute(statement).all()
        all_recent = len(rows) == RECENT_MOST and rows[-1].ended_at > now - RECENT_MS
        span = max(now - rows[-1].ended_at, 1_000) if all_recent else RECENT_MS
        self.per_minute: defaultdict[str, float] = defaultdict(float)
        latest: dict[int, str] = {}
        for id_, domain, ended_at in rows:
            receiver = lane_of.get(domain, OTHERS)
            if receiver not in latest.values():
                latest[id_] = receiver
            self.per_minute[receiver] += 60_000 / span * (ended_at > now - RECENT_MS)
        columns = attempts.c.id, attempts.c.reply, attempts.c.reason_code, attempts.c.ended_at
        self.said: defaultdict[str, tuple[Words, int | None]] = defaultdict(lambda: ("", None))
        for row in connection.execute(select(*columns).where(attempts.c.id.in_(latest))):
            told = reasons.in_row(row._asdict(), "reply")
            self.said[latest[row.id]] = told["reply"], row.ended_at


def _unlisted(connection: Connection, campaign_id: int, slow: Sequence[str]) -> Iterable[str]:
    """Return which of these receivers somebody in the campaign is at."""
    for receiver in slow[:SLOW_SHOWN]:
        theirs = select(known.c.domain).where(known.c.receiver == receiver)
        here = recipients.c.campaign_id == campaign_id, recipients.c.domain.in_(theirs)
        itself = recipients.c.campaign_id == campaign_id, recipients.c.domain == receiver
        if any(
            connection.execute(select(recipients.c.id).where(*it).limit(1)).first() for it in (itself, here)
        ):
            yield receiver
