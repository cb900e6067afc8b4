"""The roster: every worker that lives or ended lately, as seen by somebody who keeps looking.

Who lives is judged by the steady clock of the process that looks: a beat changes ``seen_at``, and a
worker whose ``seen_at`` stands still under its eyes for ``LOST_S`` is lost. At the first look there is
nothing to compare with; then the common clock has to do.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, or_, select

from mailing.core import reasons
from mailing.core.clock import now_ms
from mailing.core.states import RecipientState, WorkerState
from mailing.core.tables import campaigns, recipients, workers
from mailing.ledger.leases import NoticeKind
from mailing.ledger.rates import Speed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Select

    from mailing.core.reasons import Words

LOST_S = 3.5  # a worker beats at least every 2 s, and whoever looks each second must know within 5
LISTED_MS = 300_000  # how long an ended worker stays on the roster
RATE_MS = 10_000  # a rate is that of the last so many milliseconds
MOST = 100


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A worker process. Times in ms since 1970; ``silent_s`` is how long it has given no sign of life.

    ``held`` and ``unknown`` count what a lost one still holds, and what was made of the rest. ``per_minute``
    is None until two beats were seen. ``memory`` is in bytes, 0 where it cannot be known.
    """

    id: int
    name: str
    state: WorkerState
    started_at: int
    seen_at: int
    ended_at: int | None
    silent_s: float
    notice: Words
    notice_kind: str
    consuming: bool
    connections: int
    in_flight: int
    held: int
    unknown: int
    done: int
    per_minute: int | None
    memory: int
    campaign_id: int | None
    subject: str
    rehearses: int | None

    @property
    def alive(self) -> bool:
        """Whether it can be expected to hear a command."""
        return self.state not in {WorkerState.LOST, WorkerState.ENDED}


@dataclass(slots=True)
class _Seen:
    """The last beat that was seen, since when (steady s) it has been the last, and some before it."""

    at: int
    since: float
    beats: deque[tuple[int, int]] = field(default_factory=deque)


class Roster:
    """What one process remembers of the beats it saw. Not for several threads at once."""

    def __init__(self) -> None:
        self._seen: dict[int, _Seen] = {}
        self._looked_at = 0.0

    def look(self, connection: Connection, now: float) -> Sequence[WorkerRow]:
        """Return the roster at ``now`` (steady s): who lives first, then the latest that ended."""
        rows = connection.execute(_list()).all()
        silent = {row.id: self._silent_s(row, now) for row in rows}
        self._seen = {row.id: self._seen[row.id] for row in rows}
        self._looked_at = now
        states = {row.id: _state(row, silent[row.id]) for row in rows}
        left = _left(connection, [id_ for id_, state in states.items() if state is WorkerState.LOST])
        return [
            WorkerRow(
                **reasons.in_row(row._asdict(), "notice"),
                state=states[row.id],
                silent_s=silent[row.id],
                held=left[row.id].get(RecipientState.SENDING, 0),
                unknown=left[row.id].get(RecipientState.UNKNOWN, 0),
                per_minute=self._per_minute(row.id),
            )
            for row in rows
        ]

    def _silent_s(self, row: Any, now: float) -> float:
        age = max(now_ms() - row.seen_at, 0) / 1000
        seen = self._seen.get(row.id)
        if seen is None:
            seen = self._seen[row.id] = _Seen(row.seen_at, now - age)
        elif seen.at != row.seen_at:  # it beat since the last look, whatever the clocks say
            seen.at, seen.since = row.seen_at, max(self._looked_at, now - age)
        if not seen.beats or seen.beats[-1][0] < row.seen_at:
            seen.beats.append((row.seen_at, row.done))
            while seen.beats[0][0] < row.seen_at - RATE_MS:
                seen.beats.popleft()
        return now - seen.since

    def _per_minute(self, id_: int) -> int | None:
        beats = self._seen[id_].beats
        (begun, before), (ended, after) = beats[0], beats[-1]
        return round(Speed(after - before, ended - begun).per_minute) if ended > begun else None


def _list() -> Select[Any]:
    return (
        select(
            workers.c.id,
            workers.c.seen_at,
            workers.c.done,
            workers.c.name,
            workers.c.started_at,
            workers.c.ended_at,
            workers.c.notice,
            workers.c.reason_code,
            workers.c.notice_kind,
            workers.c.consuming,
            workers.c.connections,
            workers.c.in_flight,
            workers.c.memory,
            workers.c.campaign_id,
            func.coalesce(campaigns.c.subject, "").label("subject"),
            campaigns.c.rehearses,
        )
        .outerjoin(campaigns, campaigns.c.id == workers.c.campaign_id)
        .where(or_(workers.c.ended_at.is_(None), workers.c.ended_at > now_ms() - LISTED_MS))
        .order_by(workers.c.ended_at.is_not(None), workers.c.ended_at.desc(), workers.c.name, workers.c.id)
        .limit(MOST)
    )


def _state(row: Any, silent_s: float) -> WorkerState:
    if row.ended_at is not None:  # one that ended in order said that it had no connection left
        return WorkerState.LOST if row.connections else WorkerState.ENDED
    if silent_s >= LOST_S:
        return WorkerState.LOST
    if row.notice and NoticeKind(row.notice_kind).holds_up:
        return WorkerState.HELD_UP
    if not row.consuming:
        return WorkerState.RESTING
    return WorkerState.SENDING if row.in_flight else WorkerState.IDLE


def _left(connection: Connection, ids: Sequence[int]) -> Mapping[int, Mapping[RecipientState, int]]:
    """Return how many recipients these workers hold in which state."""
    found: defaultdict[int, dict[RecipientState, int]] = defaultdict(dict)
    if ids:
        statement = (
            select(recipients.c.worker_id, recipients.c.state, func.count())
            .where(recipients.c.worker_id.in_(ids))
            .group_by(recipients.c.worker_id, recipients.c.state)
        )
        for id_, state, n in connection.execute(statement):
            found[id_][RecipientState(state)] = n
    return found
