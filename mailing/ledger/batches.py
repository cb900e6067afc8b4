"""Batches: the ranges of a campaign's recipients that Celery carries to the workers.

A batch may be delivered twice, late, or never: it is only where a worker looks for recipients to
claim. ``woken_at`` says when it was last given out, so that ``sweeping`` finds those that got lost, and
``rests_until`` that only recipients of lanes that rest wait in it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select, text, update

from mailing.core.clock import now_ms
from mailing.core.states import RecipientState
from mailing.core.tables import batches, campaigns, recipients

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection

LARGEST = 500
SMALLEST = 10
SHARES = 32  # a short list, too, is cut for many workers
AT_ONCE = 64  # batches given out within a request: work for many seconds


@dataclass(frozen=True, slots=True)
class Batch:
    """The recipients of a campaign with ``first_id`` <= id <= ``last_id``.

    A ``canary`` is a batch besides the others, of one recipient: open only while those are sent first, when
    the others are closed.
    """

    id: int
    campaign_id: int
    first_id: int
    last_id: int
    canary: bool = False


@dataclass(frozen=True, slots=True)
class Errand:
    """What Celery is given: a batch and how soon it matters (0 before 9)."""

    batch_id: int
    priority: int


def size(total: int) -> int:
    """Return how many recipients a batch of a list of ``total`` holds."""
    return max(SMALLEST, min(LARGEST, total // SHARES))


def cut(connection: Connection, campaign_id: int, total: int, *, after: int = 0) -> int:
    """Divide what is stored of a list of ``total`` behind the id ``after``; return the last id."""
    values = {"campaign": campaign_id, "size": size(total), "after": after}
    return max(connection.execute(_CUT, values).scalars(), default=after)


def take(connection: Connection, batch_id: int) -> Batch | None:
    """Mark a batch as given out now; return it, or None if it is gone."""
    statement = (
        update(batches)
        .where(batches.c.id == batch_id)
        .values(woken_at=now_ms(), rests_until=None)
        .returning(
            batches.c.id, batches.c.campaign_id, batches.c.first_id, batches.c.last_id, batches.c.canary
        )
    )
    row = connection.execute(statement).one_or_none()
    return Batch(*row) if row else None


def wake(
    connection: Connection, campaign_id: int, within: tuple[int, int] | None = None, *, most: int = AT_ONCE
) -> Sequence[Errand]:
    """Mark the first open batches in which somebody is queued as given out now; return at most ``most``.

    All others count as never woken, so that the next sweep gives them out. ``within`` says between which
    ids somebody was queued, where that is known.
    """
    priority = connection.execute(select(campaigns.c.priority).where(campaigns.c.id == campaign_id)).scalar()
    mine = [batches.c.campaign_id == campaign_id]
    if within:
        first, last = within
        mine += [batches.c.last_id >= first, batches.c.first_id <= last]
    queued = somebody_queued(within)
    given_out = (batches.c.woken_at != 0) | batches.c.rests_until.is_not(None)
    stale = update(batches).where(*mine, given_out).values(_NEVER)
    connection.execute(stale.where(queued) if within else stale)
    chosen = select(batches.c.id).join(campaigns, campaigns.c.id == batches.c.campaign_id)
    chosen = chosen.where(*mine, is_open(), queued).order_by(batches.c.first_id).limit(most)
    ids = connection.execute(chosen).scalars().all() if most else []
    connection.execute(update(batches).where(batches.c.id.in_(ids)).values(woken_at=now_ms()))
    return [Errand(batch_id, priority or 0) for batch_id in ids]


def is_open() -> ColumnElement[bool]:
    """Return the condition that a batch may be claimed from as far as its campaign's canary is concerned."""
    return batches.c.canary == campaigns.c.canary_until.is_not(None)


def somebody_queued(within: tuple[int, int] | None = None) -> ColumnElement[bool]:
    """Return the condition that somebody is queued in a batch, ``within`` these ids if they are given.

    A scalar with a limit looks into the index for each batch. EXISTS becomes a join, and where PostgreSQL has
    no statistics of a list yet, one that reads the whole list for each batch.
    """
    first = (
        select(recipients.c.id)
        .where(
            recipients.c.campaign_id == batches.c.campaign_id,
            recipients.c.state == RecipientState.QUEUED,
            recipients.c.id.between(batches.c.first_id, batches.c.last_id),
        )
        .order_by(recipients.c.id)
        .limit(1)
    )
    if within:
        first = first.where(recipients.c.id.between(*within))
    return first.scalar_subquery().is_not(None)


def lose(connection: Connection, errands: Sequence[Errand]) -> None:
    """Mark batches that could not be given out as never woken, so that the next sweep does it at once."""
    connection.execute(
        update(batches).where(batches.c.id.in_([errand.batch_id for errand in errands])).values(_NEVER)
    )


def lose_those_of(connection: Connection, campaign_id: int, people: Sequence[int]) -> None:
    """Mark the batches of these recipients as never woken."""
    statement = select(batches.c.id, batches.c.first_id, batches.c.last_id).where(
        batches.c.campaign_id == campaign_id,
        batches.c.last_id >= min(people),
        batches.c.first_id <= max(people),
    )
    ordered = sorted(people)
    touched = [
        id_
        for id_, first, last in connection.execute(statement)
        if bisect_left(ordered, first) < bisect_right(ordered, last)
    ]
    connection.execute(update(batches).where(batches.c.id.in_(touched)).values(_NEVER))


def rest(connection: Connection, batch_id: int, until: int) -> None:
    """Have a batch rest until then (ms since 1970): nobody else waits in it than those of lanes that rest."""
    connection.execute(update(batches).where(batches.c.id == batch_id).values(rests_until=until))


def end_rests(connection: Connection) -> None:
    """Have all batches that rest be looked at again by the next sweeps."""
    now = now_ms()
    connection.execute(update(batches).where(batches.c.rests_until > now).values(rests_until=now))


_NEVER = {"woken_at": 0, "rests_until": None}

# The ids of one campaign need not be without gaps: another one may be stored at the same time.
_CUT = text(
    "INSERT INTO batches (campaign_id, first_id, last_id, woken_at) "
    "SELECT :campaign, min(id), max(id), 0 FROM ("
    "SELECT id, (row_number() OVER (ORDER BY id) - 1) / :size AS part "
    "FROM recipients WHERE campaign_id = :campaign AND state = 'queued' AND id > :after) AS numbered "
    "GROUP BY part ORDER BY part RETURNING last_id"
)
