"""How sent mail was received: by campaign, by sender or by receiver, read from what was counted.

No look at a list or at the log: some rows for each campaign, sender, domain and day (``bounces.received``).
"""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import Text, cast, func, select

from mailing.bounces.causes import BounceClass
from mailing.bounces.received import COMPLAINED, DAY_MS, EARLY, LEFT, SENT
from mailing.bounces.tables import received_tallies as tallies
from mailing.core.clock import now_ms
from mailing.core.tables import campaigns
from mailing.internet.findings import ORDER, Light
from mailing.internet.receivers import name_of
from mailing.ledger.tables import receivers
from mailing.senders import store as senders

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, FromClause

PERIODS = (7, 30, 90)  # days
SHOWN = 30  # rows; all others are counted together, but for those that a limit warns of
LEAST = 3  # reports or bounces that warn of anything
COMPLAINTS_AT = (1, 3)  # of 1,000 delivered: receivers ask for less, and stop to listen (breaker)
BOUNCES_AT = (20, 50)  # of 1,000 sent
WARNED_DAYS = 7
RECOUNT_S = 60.0


class Cut(StrEnum):
    """By what it is told apart."""

    CAMPAIGN = "campaign"
    SENDER = "sender"
    RECEIVER = "receiver"


@dataclass(frozen=True, slots=True)
class Received:
    """What became of the emails of one campaign, sender or receiver; ``key`` is its id, or the receiver.

    ``name`` is what people call it, empty where nobody knows. ``others``: it is all the rest together.
    """

    key: int | str
    name: str
    sent: int = 0
    hard: int = 0
    soft: int = 0
    policy: int = 0
    complained: int = 0
    unsubscribed: int = 0
    others: bool = False

    @property
    def bounced(self) -> int:
        """How many came back."""
        return self.hard + self.soft + self.policy

    @property
    def delivered(self) -> int:
        """How many were accepted, and did not come back."""
        return self.sent - self.bounced

    @property
    def complaint_light(self) -> Light:
        """How grave the share of those is who reported it as spam."""
        return light(self.complained, self.sent, COMPLAINTS_AT)

    @property
    def bounce_light(self) -> Light:
        """How grave the share of those is that came back."""
        return light(self.bounced, self.sent, BOUNCES_AT)

    @property
    def light(self) -> Light:
        """The graver of both."""
        return min(self.complaint_light, self.bounce_light, key=ORDER.index)


Warned = tuple[tuple[Cut, Received], ...]


def light(n: int, of: int, limits: tuple[int, int]) -> Light:
    """Return how grave it is that ``n`` of so many did: at ``limits`` of 1,000 it is amber, and then red."""
    amber, red = limits
    if n < LEAST or 1_000 * n < amber * of:
        return Light.GREEN
    return Light.RED if 1_000 * n >= red * of else Light.AMBER


def over(connection: Connection, cut: Cut, days: int) -> Sequence[Received]:
    """Return how the mail of the last days was received, today's included, UTC; rehearsals left out.

    Campaigns come latest first, senders and receivers by how many they sent or were sent.
    """
    since = now_ms() // DAY_MS - days
    rehearsals = select(campaigns.c.id).where(campaigns.c.rehearses.is_not(None))
    return _found(connection, cut, tallies.c.day > since, tallies.c.campaign_id.not_in(rehearsals))


def of_campaign(connection: Connection, campaign_id: int, cut: Cut) -> Sequence[Received]:
    """Return the same of one campaign, whenever it was sent."""
    return _found(connection, cut, tallies.c.campaign_id == campaign_id, tallies.c.day > 0)


def both(connection: Connection, campaign_id: int) -> Mapping[Cut, Sequence[Received]]:
    """Return how a campaign was received, by receiver, and by sender where it had several."""
    by_sender = of_campaign(connection, campaign_id, Cut.SENDER)
    receivers_of_it = of_campaign(connection, campaign_id, Cut.RECEIVER)
    return {Cut.RECEIVER: receivers_of_it, Cut.SENDER: by_sender if len(by_sender) > 1 else ()}


def total(rows: Iterable[Received]) -> Received:
    """Return all of them together."""
    return _sum("", rows)


@dataclass(slots=True)
class Warnings:
    """The senders and receivers of whom a limit warns, looked for once a minute and not at every look."""

    _at: float = float("-inf")
    _kept: Warned = ()
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self, connection: Connection) -> Warned:
        """Return them with what they are, the gravest first."""
        with self._lock:
            if time.monotonic() - self._at > RECOUNT_S:
                self._kept, self._at = warned(connection), time.monotonic()
            return self._kept


def warned(connection: Connection) -> Warned:
    """Return the senders and receivers of whom a limit warns in the last days, the gravest first."""
    found = [
        (cut, it)
        for cut in (Cut.SENDER, Cut.RECEIVER)
        for it in over(connection, cut, WARNED_DAYS)
        if it.light is not Light.GREEN and not it.others and it.key  # the demo inbox is no sender
    ]
    return tuple(sorted(found, key=lambda each: ORDER.index(each[1].light)))


def _found(connection: Connection, cut: Cut, *where: ColumnElement[bool]) -> Sequence[Received]:
    source: FromClause = tallies
    key: ColumnElement[Any] = tallies.c.campaign_id
    if cut is Cut.SENDER:
        key = tallies.c.sender_id
    elif cut is Cut.RECEIVER:
        source = tallies.outerjoin(receivers, receivers.c.domain == tallies.c.domain)
        key = func.coalesce(receivers.c.receiver, cast(tallies.c.domain, Text))
    statement = (
        select(key.label("key"), tallies.c.what, func.sum(tallies.c.n))
        .select_from(source)
        .where(*where, tallies.c.what != EARLY)
        .group_by(key, tallies.c.what)
    )
    counts: defaultdict[int | str, Counter[str]] = defaultdict(Counter)
    for each, what, n in connection.execute(statement):
        counts[each][what] = int(n)
    counts = defaultdict(Counter, {each: n for each, n in counts.items() if any(n.values())})
    names = _names(connection, cut, counts.keys())
    rows = [_row(each, names.get(each, ""), n) for each, n in counts.items()]
    if cut is Cut.CAMPAIGN:
        rows.sort(key=lambda it: -int(it.key))
    else:
        rows.sort(key=lambda it: (it.key == "", -it.sent, it.name))
    return _shortened(rows)


def _names(connection: Connection, cut: Cut, keys: Iterable[int | str]) -> Mapping[int | str, str]:
    if cut is Cut.RECEIVER:
        return {key: name_of(str(key)) for key in keys}
    if cut is Cut.SENDER:
        return {it.id: it.name for it in senders.every(connection)}
    newest = sorted(keys, key=lambda key: -int(key))[: 10 * SHOWN]  # those that may be shown
    subjects = select(campaigns.c.id, campaigns.c.subject).where(campaigns.c.id.in_(newest))
    return {row.id: row.subject for row in connection.execute(subjects)}


def _row(key: int | str, name: str, n: Mapping[str, int]) -> Received:
    classes = {str(it): n.get(it, 0) for it in BounceClass}
    whole = Received(key, name, n.get(SENT, 0), others=key == "", **classes)
    return replace(whole, complained=n.get(COMPLAINED, 0), unsubscribed=n.get(LEFT, 0))


def _shortened(rows: Sequence[Received]) -> Sequence[Received]:
    """Return the first ones, those of whom a limit warns, and all others as one."""
    shown = [
        it
        for place, it in enumerate(rows)
        if not it.others and (place < SHOWN or it.light is not Light.GREEN)
    ]
    shown = shown[: 2 * SHOWN]
    kept = {it.key for it in shown}
    rest = [it for it in rows if it.key not in kept]
    return [*shown, _sum("", rest)] if rest else shown


def _sum(key: int | str, rows: Iterable[Received]) -> Received:
    names = ("sent", "hard", "soft", "policy", "complained", "unsubscribed")
    n: Counter[str] = Counter()
    for row in rows:
        n.update({name: getattr(row, name) for name in names})
    return Received(key, "", **{name: n[name] for name in names}, others=True)
