"""Paces: how many attempts ended how in each slot of time, for the charts of a campaign's speed."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from mailing.ledger import PACE_SECONDS
from mailing.models import paces
from mailing.states import AttemptResult

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

MOST = 180  # slots: more bars than this are too thin to be told apart
RECENT_S = MOST * PACE_SECONDS


@dataclass(frozen=True, slots=True)
class Slot:
    """What ended from ``at`` (seconds since 1970) on, for one width."""

    at: int
    counts: Mapping[AttemptResult, int]

    @property
    def n(self) -> int:
        """How many attempts ended in it."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Course:
    """A stretch of time in slots of ``width`` seconds. One in which nothing ended is not among them."""

    start: int
    end: int
    width: int
    slots: Sequence[Slot]


def course(connection: Connection, campaign_id: int, start: int, end: int) -> Course:
    """Return how a campaign went between two times in whole seconds, in at most ``MOST`` slots."""
    width = PACE_SECONDS * max(1, -(-(end - start) // (PACE_SECONDS * MOST)))
    start = start // width * width
    at = (paces.c.slot - paces.c.slot % width).label("at")
    statement = (
        select(at, paces.c.result, func.sum(paces.c.n).label("n"))
        .where(paces.c.campaign_id == campaign_id, paces.c.slot >= start, paces.c.slot < end)
        .group_by(at, paces.c.result)
    )
    found: defaultdict[int, dict[AttemptResult, int]] = defaultdict(dict)
    for row in connection.execute(statement):
        found[row.at][AttemptResult(row.result)] = int(row.n)
    return Course(start, end, width, [Slot(at, found[at]) for at in sorted(found)])
