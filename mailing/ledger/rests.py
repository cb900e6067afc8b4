"""Rests: a sender whose own limit is reached waits, in all processes alike, and nobody fails.

The same holds for one lane of it: a receiver that wants rest. What is special about those: ``lanes``.

A rest is one row, and each change of it a conditional UPDATE: of two workers that are refused at the same
moment one begins it. Once its time is over one email is tried. If that is accepted all go on; if it is
refused for the same reason, the rest lasts twice as long. The row of a rest that has ended stays, so that its
time is not counted against recipients who were being tried then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from mailing.core import reasons
from mailing.core.clock import now_ms
from mailing.core.tables import rests
from mailing.senders import store
from mailing.smtp.account import REHEARSALS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection

    from mailing.core.reasons import Words
    from mailing.senders.store import Account

ALL = ""  # the lane of a rest that is the sender's own
SHORTEST_S, LONGEST_S = 1, 4 * 3600  # of a rest; the longest also where a reply names a longer wait
DAY_S = 25 * 3600  # of the calendar, at most
ASK_S = 0.25  # between two requests to be the one that tries
PROBE_MS = 60_000  # after so long without an outcome another email is tried


class Rest(NamedTuple):
    """When a sender rests, or rested last, and why. Times in ms since 1970."""

    since: int
    until: int
    reason: Words
    times: int
    ended_at: int | None
    sender_id: int = 0  # where it is known whose it is

    @property
    def ours(self) -> bool:
        """Whether a limit of ours is reached, and no server asked for it."""
        return (reasons.code(self.reason) or "").startswith("limit.")

    @property
    def lasts(self) -> bool:
        """Whether it has not ended: nothing was accepted since."""
        return self.ended_at is None

    def holds(self, now: int) -> bool:
        """Whether nothing at all may be sent."""
        return self.lasts and now < self.until

    def since_then(self, first_at: int, now: int) -> int:
        """Return how much of the time from ``first_at`` to ``now`` it took, in ms."""
        return max(min(self.ended_at or now, now) - max(self.since, first_at), 0)


class Seen:
    """What one process knows of its sender's rest, and when it may ask for an email to try after it."""

    def __init__(self) -> None:
        self.rest: Rest | None = None
        self._ask_at = 0.0  # steady s

    def take(self, rest: Rest | None, *, denied: bool, now_s: float) -> None:
        """Take what was read; ``denied``: claims were asked for, and none were granted."""
        self.rest = rest
        if denied:
            self._ask_at = now_s + ASK_S

    @property
    def holds(self) -> bool:
        """Whether nothing at all may be sent."""
        return self.rest is not None and self.rest.holds(now_ms())

    def room(self, wanted: int, held: int, now_s: float) -> int:
        """Return how many of the claims that are ``wanted`` may be made, by a process that holds some."""
        if self.holds:
            return 0
        if self.rest is None or not self.rest.lasts:
            return wanted
        return 0 if held or now_s < self._ask_at else min(1, wanted)

    def time_since(self, first_at: int, now: int) -> int:
        """Return how much of the time from ``first_at`` to ``now`` the sender rested, in ms."""
        return self.rest.since_then(first_at, now) if self.rest else 0


def of(connection: Connection, sender: str, lane: str = ALL) -> Rest | None:
    """Return the rest of a sender or lane that lasts, or else its last one; None if it never had one."""
    row = connection.execute(select(*COLUMNS).where(*_this(sender, lane))).one_or_none()
    return Rest(**reasons.in_row(row._asdict(), "reason")) if row else None


class Lasting(NamedTuple):
    """The rests that last, by account, and the senders that there are where any does."""

    rests: Mapping[str, Rest]
    senders: Sequence[Account]

    def of(self, senders: Sequence[int] | None, rehearses: int | None) -> Rest | None:
        """Return for what a campaign waits: the rest that ends first, where all its senders have one.

        Given are the ids of its senders, and the campaign that it ``rehearses``.
        """
        if not self.rests:
            return None
        if rehearses is not None:
            return self.rests.get(REHEARSALS)
        accounts = {sender.account: sender.id for sender in store.chosen(self.senders, senders)}
        found = [
            self.rests[account]._replace(sender_id=id_)
            for account, id_ in accounts.items()
            if account in self.rests
        ]
        return min(found, key=lambda rest: rest.until) if len(found) == len(accounts) > 0 else None


def lasting(connection: Connection) -> Lasting:
    """Return the rests of whole senders that last."""
    lasts = rests.c.lane == ALL, rests.c.ended_at.is_(None)
    found: dict[str, Rest] = {}
    for row in connection.execute(select(rests.c.sender, *COLUMNS).where(*lasts)):
        told = reasons.in_row(row._asdict(), "reason")
        account = told.pop("sender")
        found[account] = Rest(**told)
    return Lasting(found, store.every(connection) if found else ())


def accounts(connection: Connection, senders: Sequence[int] | None, rehearses: int | None) -> list[str]:
    """Return the accounts of a campaign's senders, in order, by their ids and what it rehearses."""
    if rehearses is not None:
        return [REHEARSALS]
    return [sender.account for sender in store.chosen(store.every(connection), senders)]


def begin(
    connection: Connection,
    sender: str,
    wait_s: int,
    reason: Words,
    *,
    tried_at: int,
    lane: str = ALL,
    anew: bool = False,
    longest_s: int = LONGEST_S,
) -> None:
    """Have a sender rest since an attempt, begun at ``tried_at`` (ms since 1970), was refused for its limit.

    What was under way when the rest began changes nothing; a try after it doubles it, unless it begins
    ``anew``: others were accepted since. Of a limit of ours it is known when its window opens, so that it
    may rest for longer than for what a reply says.
    """
    now = now_ms()
    wait_ms = 1000 * min(max(wait_s, SHORTEST_S), longest_s)
    said = {"reason": str(reason), "reason_code": reasons.dump(reason), "width": 0, "good": 0}
    rest = of(connection, sender, lane)
    if rest and rest.lasts:
        if tried_at < rest.until:
            return
        times = 0 if anew else rest.times
        longer = min(wait_ms * 2 ** min(times, 16), max(wait_ms, 1000 * LONGEST_S))
        connection.execute(
            update(rests)
            .where(*_this(sender, lane), rests.c.ended_at.is_(None), rests.c.times == rest.times)
            .values(until=now + longer, times=times + 1, probed_at=None, **said)
        )
        return
    put(connection, sender, lane, {"since": now, "until": now + wait_ms, "times": 1, **said})


def put(connection: Connection, sender: str, lane: str, values: Mapping[str, object]) -> None:
    """Write the row of a rest that begins, unless one lasts already."""
    row = {"probed_at": None, "ended_at": None, "looked_at": None, "records": None, **values}
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(rests).values(sender=sender, lane=lane, **row)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[rests.c.sender, rests.c.lane], set_=row, where=rests.c.ended_at.is_not(None)
        )
    )


def probe(connection: Connection, sender: str, lane: str = ALL) -> bool:
    """Try one email after the time of a rest is over; return whether this call may."""
    now = now_ms()
    statement = (
        update(rests)
        .where(
            *_this(sender, lane),
            rests.c.ended_at.is_(None),
            rests.c.until <= now,
            or_(rests.c.probed_at.is_(None), rests.c.probed_at < now - PROBE_MS),
        )
        .values(probed_at=now)
    )
    return connection.execute(statement).rowcount == 1


def probed(connection: Connection, sender: str, *, tried_at: int, accepted: bool, lane: str = ALL) -> None:
    """Take the outcome of an email that was tried after a rest, begun at ``tried_at`` (ms since 1970).

    One that was accepted ends the rest. One that was refused for another reason tells nothing of the
    sender: the next is tried.
    """
    values = {"ended_at": now_ms()} if accepted else {"probed_at": None}
    connection.execute(
        update(rests)
        .where(*_this(sender, lane), rests.c.ended_at.is_(None), rests.c.until <= tried_at)
        .values(**values)
    )


def end(connection: Connection, sender: str) -> None:
    """End a sender's rest, whatever began it: a person has changed the sender."""
    lasts = rests.c.ended_at.is_(None)
    connection.execute(update(rests).where(*_this(sender, ALL), lasts).values(ended_at=now_ms()))


def end_own(connection: Connection, sender: str) -> None:
    """End all rests that limits of ours began: they may have been raised, and are looked at again."""
    connection.execute(update(rests).where(*_by_limit(sender)).values(ended_at=now_ms()))


def end_limits(connection: Connection, sender: str, now: int) -> None:
    """End the rests of lanes that limits of ours began and whose time is over at ``now``."""
    over = rests.c.lane != ALL, rests.c.until <= now
    connection.execute(update(rests).where(*_by_limit(sender), *over).values(ended_at=now))


def end_others(connection: Connection, senders: Collection[str]) -> None:
    """End the rests of senders that are no longer used: others than these."""
    unused = rests.c.sender.not_in(senders), rests.c.ended_at.is_(None)
    connection.execute(update(rests).where(*unused).values(ended_at=now_ms()))


def _by_limit(sender: str) -> tuple[ColumnElement[bool], ...]:
    ours = rests.c.reason_code.like('{"code":"limit.%')
    return rests.c.sender == sender, rests.c.ended_at.is_(None), ours


def _this(sender: str, lane: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return rests.c.sender == sender, rests.c.lane == lane


COLUMNS = (
    rests.c.since,
    rests.c.until,
    rests.c.reason,
    rests.c.reason_code,
    rests.c.times,
    rests.c.ended_at,
)
