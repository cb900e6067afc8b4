"""A campaign once more: how many were in each state at each moment of its course, from the log.

The log knows when tries ended. A recipient that was being sent counts as in its state before.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, func, select, text

from mailing.core.states import RESULT_STATES, AttemptResult, CampaignState, RecipientState
from mailing.core.tables import attempts
from mailing.ledger.rates import MINUTE_MS, Speed

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, Select

    from mailing.campaigns.queries import Campaign

MOST_STEPS = 600
SHORTEST_STEP_MS = 100
MOST_KEPT = 16
OVER = frozenset({CampaignState.PAUSED, CampaignState.FINISHED, CampaignState.CANCELED})
"""The states of a campaign in which its course does not go on at the moment."""


@dataclass(frozen=True, slots=True)
class Replay:
    """Frame n shows the moment ``begun`` + n * ``step`` (ms): ``counts`` by state, which add up to the total.

    ``tries`` is how many tries had ended by then. The first frame is the start, the last one the end, which
    was at ``ended``.
    """

    begun: int
    ended: int
    step: int
    counts: Mapping[RecipientState, Sequence[int]]
    tries: Sequence[int]

    @property
    def last(self) -> int:
        """The number of the last frame."""
        return len(self.tries) - 1

    def moment(self, frame: int) -> int:
        """Return when a frame was, in ms since 1970."""
        return self.begun + frame * self.step

    def at(self, frame: int) -> dict[RecipientState, int]:
        """Return how many were in each state."""
        return {state: self.counts[state][frame] for state in RecipientState}

    def speed(self, frame: int) -> Speed:
        """Return how fast tries ended in the minute before a frame, or since a start less than one before."""
        end = min(self.moment(frame), self.ended)
        back = max(0, (end - MINUTE_MS - self.begun) // self.step)
        return Speed(self.tries[frame] - self.tries[back], end - self.moment(back))


def read(connection: Connection, campaign: Campaign) -> Replay:
    """Read the course of a campaign that has been sent, in at most ``MOST_STEPS`` steps."""
    mine = attempts.c.campaign_id == campaign.id
    first, last = connection.execute(
        select(func.min(attempts.c.ended_at), func.max(attempts.c.ended_at)).where(mine)
    ).one()
    begun = min(campaign.started_at or first or 0, first or campaign.started_at or 0)
    end = max(campaign.finished_at or begun, last or begun)
    step = max(SHORTEST_STEP_MS, -(-(end - begun + 1) // MOST_STEPS))
    steps = (end - begun) // step + 1
    arrivals = select(_step(attempts.c.ended_at, begun, step), attempts.c.result).where(mine)
    changes = {state: [0] * (steps + 1) for state in RecipientState}
    tries = [0] * (steps + 1)
    for at, result, n in _counted(connection, arrivals):
        changes[RESULT_STATES[AttemptResult(result)]][at + 1] += n
        tries[at + 1] += n
    for at, result, n in _counted(connection, _departures(campaign.id, begun, step)):
        changes[RESULT_STATES[AttemptResult(result)]][at + 1] -= n
    counts = {state: list(accumulate(of_state)) for state, of_state in changes.items()}
    others = zip(
        *(counts[state] for state in RecipientState if state is not RecipientState.QUEUED), strict=True
    )
    counts[RecipientState.QUEUED] = [campaign.total - sum(at) for at in others]
    for state in RecipientState:  # what ended without a try, or was decided by a person, is known of the end
        counts[state][-1] = campaign.counts[state]
    return Replay(begun, end, step, counts, list(accumulate(tries)))


class Replays:
    """The last courses that were asked for. Each is read once, by however many threads it is wanted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, Future[Replay]] = OrderedDict()

    def get(self, connection: Connection, campaign: Campaign) -> Replay:
        """Return a campaign's course: nothing in it changes without its end or its counts."""
        key = (campaign.id, campaign.finished_at, *campaign.counts.values())
        with self._lock:
            known = self._kept.get(key)
            found = self._kept.setdefault(key, known or Future())
            self._kept.move_to_end(key)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        if known is None:
            try:
                found.set_result(read(connection, campaign))
            except BaseException as error:
                with self._lock:
                    self._kept.pop(key, None)
                found.set_exception(error)
                raise
        return found.result()


def _departures(campaign_id: int, begun: int, step: int) -> Select[Any]:
    """Select how many left the state of a result, and when: at the end of their next try."""
    mine = attempts.c.campaign_id == campaign_id
    again = select(attempts.c.recipient_id).where(mine, text("attempts.result <> 'sent'"))
    left_at = func.lead(attempts.c.ended_at, type_=BigInteger).over(
        partition_by=attempts.c.recipient_id, order_by=(attempts.c.ended_at, attempts.c.id)
    )
    tries = (
        select(attempts.c.result, left_at.label("left_at"))
        .where(mine, attempts.c.recipient_id.in_(again))
        .subquery()
    )
    return select(_step(tries.c.left_at, begun, step), tries.c.result).where(tries.c.left_at.is_not(None))


def _step(moment: ColumnElement[int], begun: int, step: int) -> ColumnElement[int]:
    return ((moment - begun) // step).label("step")


def _counted(connection: Connection, moves: Select[Any]) -> Sequence[Any]:
    """Return how often each pair of step and result is among the rows."""
    all_ = moves.subquery()
    statement = select(all_.c.step, all_.c.result, func.count()).group_by(all_.c.step, all_.c.result)
    return connection.execute(statement).all()
