"""Lanes: what one receiver is sent by one sender. One that is refused slows or rests, and the others go on.

The state is the row of a rest (``rests``), shared by all workers. Once its time is over one email is tried;
then the lane is one email wide, and one more each time as many as it is wide were accepted, until it is as
wide as all connections of the workers. How many are under way is what the database says is ``sending``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import func, select, update

from mailing.core import reasons
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason
from mailing.core.states import AttemptResult, RecipientState
from mailing.core.tables import recipients, rests, workers
from mailing.ledger import batches, receivers
from mailing.ledger import rests as resting
from mailing.ledger.rests import COLUMNS, Rest
from mailing.ledger.tables import receivers as known
from mailing.smtp.rulebook import Follows, Scope

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection

    from mailing.core.reasons import Words
    from mailing.ledger.results import Result

STEP = 5  # accepted emails at least before a lane is one wider
DOMAINS_MAX = 20_000  # of a receiver, read to hold back what is in hand
FOREVER = 253_402_300_799_000  # ms since 1970, the end of the year 9999: until somebody lets it go on
STALE_MS = 86_400_000  # after so long without mail a lane that had rested is as any other


class Lane(NamedTuple):
    """A lane that is not as wide as it could be. ``width`` is 0 as long as it rests or one email is tried."""

    receiver: str
    rest: Rest
    width: int

    def holds(self, now: int) -> bool:
        """Whether nothing at all may be sent to this receiver."""
        return self.rest.holds(now)

    @property
    def by_limit(self) -> bool:
        """Whether it rests for a limit of ours, and so goes on at once when that is over."""
        reason = self.rest.reason
        return isinstance(reason, Reason) and reason.code.startswith("limit.")


@dataclass(frozen=True, slots=True)
class Lanes:
    """The slow lanes of one sender: by receiver, and the receivers of their domains."""

    slow: Mapping[str, Lane] = field(default_factory=dict)
    domains: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.slow)

    def of(self, domain: str) -> Lane | None:
        """Return the slow lane of a domain."""
        return self.slow.get(self.domains.get(domain, domain)) if self.slow else None

    def holds(self, domain: str, now: int) -> bool:
        """Whether nothing may be sent to this domain."""
        lane = self.of(domain)
        return lane is not None and lane.holds(now)

    def open(self, now: int) -> list[str]:
        """Return the receivers that may be sent some mail."""
        return sorted(receiver for receiver, lane in self.slow.items() if not lane.holds(now))


NONE = Lanes()


def slow(connection: Connection, sender: str, seen: Lanes = NONE) -> Lanes:
    """Return the slow lanes of a sender; ``seen`` are those that were read before."""
    lasts = rests.c.sender == sender, rests.c.lane != resting.ALL, rests.c.ended_at.is_(None)
    found = {}
    for row in connection.execute(select(rests.c.lane, rests.c.width, *COLUMNS).where(*lasts)):
        told = reasons.in_row(row._asdict(), "reason")
        receiver, width = told.pop("lane"), told.pop("width")
        found[receiver] = Lane(receiver, Rest(**told), width)
    if not found:
        return NONE
    if found.keys() == seen.slow.keys():
        return Lanes(found, seen.domains)
    theirs = select(known.c.domain, known.c.receiver).where(known.c.receiver.in_(found)).limit(DOMAINS_MAX)
    return Lanes(found, dict(connection.execute(theirs).all()))


def current(connection: Connection, sender: str, seen: Lanes = NONE) -> Lanes:
    """Return the slow lanes of a sender, and end those that rested for a limit of ours until now."""
    found, now = slow(connection, sender, seen), now_ms()
    if not any(lane.by_limit and not lane.holds(now) for lane in found.slow.values()):
        return found
    resting.end_limits(connection, sender, now)
    return slow(connection, sender, found)


def any_slow(connection: Connection) -> bool:
    """Whether a lane of any sender is slow."""
    lasts = rests.c.lane != resting.ALL, rests.c.ended_at.is_(None)
    return connection.execute(select(rests.c.lane).where(*lasts).limit(1)).first() is not None


def heed(
    connection: Connection, results: Iterable[Result], seen: Mapping[str, Lanes]
) -> set[tuple[str, str]]:
    """Have lanes rest, slow down or widen by what came; return those it was about, as sender and receiver."""
    results = list(results)
    complaints = [it for it in results if it.ruling and it.ruling.scope is Scope.LANE]
    touched = set()
    if complaints:
        theirs = receivers.of(connection, {it.claim.domain for it in complaints})
        for result in sorted(complaints, key=lambda it: theirs[it.claim.domain]):
            receiver = theirs[result.claim.domain]
            _refused(connection, result, receiver)
            touched.add((result.account, receiver))
    accepted: dict[tuple[str, str], int] = {}
    for result in results:
        lane = seen.get(result.account, NONE).of(result.claim.domain)
        if lane is None or result.started_at < lane.rest.until or result in complaints:
            continue
        place = (result.account, lane.receiver)
        accepted[place] = accepted.get(place, 0) + (result.result is AttemptResult.SENT)
    for (account, receiver), n in sorted(accepted.items()):
        widen(connection, account, receiver, n)
    return touched | accepted.keys()


def _refused(connection: Connection, result: Result, receiver: str) -> None:
    ruling = result.ruling
    assert ruling is not None
    account, tried_at = result.account, result.started_at
    width = None if ruling.follows is Follows.REST else narrower(connection, account, receiver, tried_at)
    if width is None:
        before = connection.execute(select(rests.c.width).where(*_lasts(account, receiver))).scalar()
        resting.begin(
            connection,
            account,
            ruling.wait_s,
            result.reply,
            tried_at=tried_at,
            lane=receiver,
            anew=bool(before),
        )
    elif width:
        _narrow(connection, account, receiver, width, result.reply)


def narrower(connection: Connection, sender: str, receiver: str, tried_at: int) -> int | None:
    """Return how wide a lane is to be that was asked to slow down; 0: as it is, None: it has to rest.

    What was under way when it became narrower changes nothing.
    """
    statement = select(rests.c.width, rests.c.until).where(*_lasts(sender, receiver))
    row = connection.execute(statement).one_or_none()
    if row is None:
        return max(1, under_way(connection, receiver) // 2)
    if tried_at < row.until:
        return 0
    return row.width // 2 or None


def _narrow(connection: Connection, sender: str, receiver: str, width: int, reason: Words) -> None:
    now = now_ms()
    said = {"reason": str(reason), "reason_code": reasons.dump(reason)}
    values: dict[str, object] = {"until": now, "width": width, "good": 0, **said}
    if not connection.execute(update(rests).where(*_lasts(sender, receiver)).values(values)).rowcount:
        resting.put(connection, sender, receiver, {**values, "since": now, "times": 1})


def widen(connection: Connection, sender: str, receiver: str, n: int) -> None:
    """Count ``n`` more emails that were accepted after the rest of a lane, and end it once it is wide.

    None of those tried: the next one is tried.
    """
    now = now_ms()
    mine = *_lasts(sender, receiver), rests.c.until <= now
    row = connection.execute(select(rests.c.width, rests.c.good).where(*mine).with_for_update()).one_or_none()
    if row is None:
        return
    width, good = grown(row.width, row.good, n)
    values: dict[str, object] = {"width": width, "good": good, "probed_at": None}
    all_of_them = select(func.sum(workers.c.connections)).where(workers.c.ended_at.is_(None))
    if width > row.width and width > (connection.execute(all_of_them).scalar() or 0):
        values["ended_at"] = now
    connection.execute(update(rests).where(*mine).values(values))
    if width and not row.width:  # whoever looked at it a moment ago took it for resting
        batches.end_rests(connection)


def grown(width: int, good: int, n: int) -> tuple[int, int]:
    """Return how wide a lane is after ``n`` more were accepted, and how many of these count for the next.

    The first one only shows that the receiver takes mail again.
    """
    if not width and n:
        width, good, n = 1, 0, n - 1
    good += n if width else 0
    while width and good >= max(STEP, width):
        good -= max(STEP, width)
        width += 1
    return width, good


def room(connection: Connection, sender: str, receiver: str) -> int:
    """Return how many more emails may be under way to an open lane; nobody else is told so until the commit.

    The one email that is tried after a rest is one of them: ``widen`` with none gives it back.
    """
    mine = *_lasts(sender, receiver), rests.c.until <= now_ms()
    locked = select(rests.c.width).where(*mine).with_for_update(skip_locked=True)
    width = connection.execute(locked).scalar()
    if width is None:
        return 0
    if not width:
        return int(resting.probe(connection, sender, receiver))
    return max(0, int(width) - under_way(connection, receiver))


def under_way(connection: Connection, receiver: str) -> int:
    """Return how many emails all workers have in hand for a receiver."""
    alive = select(workers.c.id).where(workers.c.ended_at.is_(None))
    statement = select(func.count()).where(
        recipients.c.worker_id.in_(alive),
        recipients.c.state == RecipientState.SENDING,
        receiver_of() == receiver,
    )
    return int(connection.execute(statement).scalar_one())


def waiting(connection: Connection, campaign_id: int, first: int, last: int) -> Collection[str]:
    """Return whose mail waits in a range of a campaign's recipients."""
    statement = (
        select(receiver_of())
        .where(
            recipients.c.campaign_id == campaign_id,
            recipients.c.state == RecipientState.QUEUED,
            recipients.c.id.between(first, last),
        )
        .distinct()
    )
    return connection.execute(statement).scalars().all()


def queued(connection: Connection, campaign_id: int, first: int, last: int) -> Sequence[tuple[int, str]]:
    """Return who waits in a range of a campaign's recipients, with the receiver of each."""
    statement = (
        select(recipients.c.id, receiver_of())
        .where(
            recipients.c.campaign_id == campaign_id,
            recipients.c.state == RecipientState.QUEUED,
            recipients.c.id.between(first, last),
        )
        .order_by(recipients.c.id)
    )
    return [(id_, receiver) for id_, receiver in connection.execute(statement)]


def receiver_of() -> ColumnElement[str]:
    """Return the receiver of a recipient, as an expression."""
    found = select(known.c.receiver).where(known.c.domain == recipients.c.domain).correlate(recipients)
    return func.coalesce(found.scalar_subquery(), recipients.c.domain)


class Order(StrEnum):
    """What a person has a lane do."""

    RESUME = "resume"
    REST = "rest"
    PAUSE = "pause"


def order(connection: Connection, sender: str, receiver: str, wanted: Order, minutes: int = 0) -> bool:
    """Have a lane go on, with one email first, or rest for some minutes, or until it is to go on.

    Returns whether that changed anything. One that only rested because somebody said so goes on at once.
    """
    now, mine = now_ms(), _lasts(sender, receiver)
    if wanted is Order.RESUME:
        at_once = update(rests).where(*mine, rests.c.times == 0).values(ended_at=now)
        one_first = update(rests).where(*mine, rests.c.until > now).values(until=now, probed_at=None)
        return any(connection.execute(each).rowcount for each in (at_once, one_first))
    forever = wanted is Order.PAUSE
    reason = Reason("lane.paused-by-hand" if forever else "lane.by-hand")
    until = FOREVER if forever else now + 60_000 * minutes
    values: dict[str, object] = {"until": until, "width": 0, "good": 0, "probed_at": None}
    values |= {"reason": str(reason), "reason_code": reasons.dump(reason)}
    if not connection.execute(update(rests).where(*mine).values(values)).rowcount:
        resting.put(connection, sender, receiver, {**values, "since": now, "times": 0})
    return True


def wait(connection: Connection, sender: str, receiver: str, wait_ms: int, reason: Words) -> None:
    """Have a lane wait until a limit of ours lets it go on, unless it is slow already."""
    now = now_ms()
    said = {"reason": str(reason), "reason_code": reasons.dump(reason), "width": 0, "good": 0}
    resting.put(connection, sender, receiver, {"since": now, "until": now + wait_ms, "times": 1, **said})


def forget(connection: Connection) -> None:
    """End what is left of the rests of lanes that had no mail for long."""
    old = rests.c.lane != resting.ALL, rests.c.ended_at.is_(None), rests.c.until < now_ms() - STALE_MS
    connection.execute(update(rests).where(*old).values(ended_at=now_ms()))


def _lasts(sender: str, receiver: str) -> tuple[ColumnElement[bool], ...]:
    return rests.c.sender == sender, rests.c.lane == receiver, rests.c.ended_at.is_(None)
