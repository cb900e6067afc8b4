"""The lanes of a campaign: how far each receiver is, how fast, what it said last, and why it is slow.

Nothing here looks at a list as a whole: it is counted as recipients move, and by the log's latest rows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from mailing.core import reasons
from mailing.core.clock import now_ms
from mailing.core.states import RecipientState
from mailing.core.tables import attempts, recipients, rests
from mailing.internet.receivers import name_of
from mailing.ledger import receivers
from mailing.ledger.domain_tallies import OTHERS
from mailing.ledger.lanes import FOREVER, Lane
from mailing.ledger.rests import ALL, COLUMNS, Rest
from mailing.ledger.tables import domain_tallies
from mailing.ledger.tables import receivers as known
from mailing.lists import surveys
from mailing.smtp.account import REHEARSALS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from mailing.campaigns.queries import Campaign
    from mailing.core.reasons import Words

SHOWN = 20  # lanes; those with fewer recipients are counted together, unless they are slow
SLOW_SHOWN = 50  # slow lanes of domains that are not among the most frequent
RECENT_MS, RECENT_MOST = 60_000, 2_000  # of the log's latest rows, by which speed is measured


class Pace(StrEnum):
    """How a lane goes."""

    FREE = "free"
    NARROW = "narrow"
    TRYING = "trying"
    RESTING = "resting"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a lane is. ``total`` is None where it was not counted by itself, and so are ``left``.

    ``said`` is what the receiver answered last, at ``said_at`` (ms); ``slow`` what slows it.
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

    @property
    def name(self) -> str:
        """How people call the receiver; empty for all others together."""
        return name_of(self.receiver)

    @property
    def left(self) -> int | None:
        """How many are queued or being sent."""
        return None if self.total is None else max(0, self.total - sum(self.counts.values()))

    @property
    def pace(self) -> Pace:
        """How it goes."""
        if self.slow is None:
            return Pace.FREE
        if self.slow.rest.until == FOREVER:
            return Pace.PAUSED
        if self.slow.holds(self.at):
            return Pace.RESTING
        return Pace.NARROW if self.slow.width else Pace.TRYING


def of(connection: Connection, campaign: Campaign) -> Sequence[Standing]:
    """Return the lanes of a campaign, those with the most recipients first, and all others as one."""
    now, top = now_ms(), surveys.load(connection, campaign.id).domains.top
    theirs = receivers.of(connection, top) if top else {}
    slow = _slow(connection, rehearsal=campaign.rehearses is not None)
    totals: Counter[str] = Counter()
    domains: defaultdict[str, list[str]] = defaultdict(list)
    for domain, n in top.items():
        totals[theirs[domain]] += n
        domains[theirs[domain]].append(domain)
    listed = {receiver for receiver, _ in totals.most_common(SHOWN)} | (slow.keys() & totals.keys())
    counts: defaultdict[str, Counter[RecipientState]] = defaultdict(Counter)
    for domain, state, n in _tallies(connection, campaign.id):
        receiver = theirs.get(domain, OTHERS)
        counts[receiver if receiver in listed else OTHERS][RecipientState(state)] += n
    speeds = _speeds(connection, campaign.id, now, theirs, listed)
    found = [
        Standing(
            receiver,
            len(domains[receiver]),
            totals[receiver],
            counts[receiver],
            speeds[receiver],
            *_said(connection, domains[receiver]),
            slow.get(receiver),
            now,
        )
        for receiver in sorted(listed, key=lambda it: (-totals[it], it))
    ]
    for receiver in _unlisted(connection, campaign.id, [it for it in slow if it not in totals]):
        lane = slow[receiver]
        found.append(Standing(receiver, 1, None, {}, 0.0, lane.rest.reason, None, lane, now))
    rest = campaign.total - sum(totals[receiver] for receiver in listed)
    if rest > 0:
        found.append(Standing(OTHERS, 0, rest, counts[OTHERS], speeds[OTHERS], "", None, None, now))
    return found


def _slow(connection: Connection, *, rehearsal: bool) -> Mapping[str, Lane]:
    """Return the slow lanes; of those of several senders that which goes on last."""
    ours = rests.c.sender == REHEARSALS if rehearsal else rests.c.sender != REHEARSALS
    lasts = ours, rests.c.lane != ALL, rests.c.ended_at.is_(None)
    statement = select(rests.c.lane, rests.c.width, *COLUMNS).where(*lasts).order_by(rests.c.until)
    found = {}
    for row in connection.execute(statement):
        told = reasons.in_row(row._asdict(), "reason")
        receiver, width = told.pop("lane"), told.pop("width")
        found[receiver] = Lane(receiver, Rest(**told), width)
    return found


def _tallies(connection: Connection, campaign_id: int) -> Iterable[tuple[str, str, int]]:
    columns = domain_tallies.c.domain, domain_tallies.c.state
    statement = select(*columns, func.sum(domain_tallies.c.n)).group_by(*columns)
    rows = connection.execute(statement.where(domain_tallies.c.campaign_id == campaign_id))
    return [(domain, state, int(n)) for domain, state, n in rows]


def _speeds(
    connection: Connection, campaign_id: int, now: int, theirs: Mapping[str, str], listed: set[str]
) -> Mapping[str, float]:
    """Return how many attempts a minute ended in each lane, by the latest rows of the log."""
    recent = attempts.c.campaign_id == campaign_id, attempts.c.ended_at > now - RECENT_MS
    statement = select(attempts.c.domain, attempts.c.ended_at).where(*recent)
    rows = connection.execute(statement.order_by(attempts.c.ended_at.desc()).limit(RECENT_MOST)).all()
    span = max(now - rows[-1].ended_at, 1_000) if len(rows) == RECENT_MOST else RECENT_MS
    speeds: defaultdict[str, float] = defaultdict(float)
    for domain, _ in rows:
        receiver = theirs.get(domain, OTHERS)
        speeds[receiver if receiver in listed else OTHERS] += 60_000 / span
    return speeds


def _said(connection: Connection, domains: Sequence[str]) -> tuple[Words, int | None]:
    """Return the latest reply about any of these domains, and when it came."""
    latest = None
    for domain in domains:
        statement = (
            select(attempts.c.reply, attempts.c.reason_code, attempts.c.ended_at)
            .where(attempts.c.domain == domain)
            .order_by(attempts.c.ended_at.desc())
            .limit(1)
        )
        row = connection.execute(statement).first()
        if row and (latest is None or row.ended_at > latest.ended_at):
            latest = row
    if latest is None:
        return "", None
    return reasons.in_row(latest._asdict(), "reply")["reply"], latest.ended_at


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
