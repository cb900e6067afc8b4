"""Who sends: one row per worker process, from its start to its end.

A worker's lease covers everything it has claimed. It renews the lease with each beat; once the lease
has ended, that incarnation never sends again, and what it held becomes ``unknown`` (P3).
"""

from __future__ import annotations

import resource
import socket
import threading
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import insert, select, update

from mailing.core import reasons
from mailing.core.clock import now_ms
from mailing.core.tables import workers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from mailing.core.reasons import Words

LEASE_S = 20.0  # longer than a database lock that an operator may cause (5 s), several beats long
BEAT_S = 2.0
_STATM = Path("/proc/self/statm")
ALIVE_MS = 5_000  # a worker not seen for this long is not counted on


class NoticeKind(StrEnum):
    """What a worker's notice tells: nothing, that it sends less, that it cannot send, or a mere remark."""

    NONE = ""
    SLOWED = "slowed"
    HELD_UP = "held up"
    REMARK = "remark"

    @property
    def holds_up(self) -> bool:
        """Whether a worker with such a notice cannot send."""
        return self not in {NoticeKind.SLOWED, NoticeKind.REMARK}


class WorkerNotice(NamedTuple):
    """What keeps a worker from sending as fast as it could."""

    kind: NoticeKind = NoticeKind.NONE
    words: Words = ""


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker process as pages show it. Times in ms since 1970."""

    id: int
    name: str
    started_at: int
    seen_at: int
    notice: Words
    notice_kind: NoticeKind
    consuming: bool

    @property
    def held_up(self) -> bool:
        """Whether it cannot send. One whose server asks for less goes on, only more slowly."""
        return bool(self.notice) and self.notice_kind.holds_up


class Status(NamedTuple):
    """How a worker is doing, told with each beat. The names are those of the columns."""

    notice: Words
    consuming: bool
    connections: int
    in_flight: int
    done: int
    memory: int
    campaign_id: int | None
    notice_kind: NoticeKind = NoticeKind.NONE


def name_of(process: int) -> str:
    """Return ``host:process``, the name of a worker process of this machine."""
    return f"{socket.gethostname()}:{process}"


def resident_bytes() -> int:
    """Return how much memory this process holds; 0 where the system does not say."""
    try:
        return int(_STATM.read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return 0


def register(connection: Connection, name: str) -> int:
    """Begin a new incarnation and its lease; return its id."""
    now = now_ms()
    statement = insert(workers).values(name=name, started_at=now, seen_at=now).returning(workers.c.id)
    return int(connection.execute(statement).scalar_one())


def beat(connection: Connection, worker_id: int, status: Status) -> bool:
    """Renew the lease and tell how the worker is doing. False: the lease has ended."""
    told = {"notice": str(status.notice), "reason_code": reasons.dump(status.notice)}
    statement = (
        update(workers)
        .where(workers.c.id == worker_id, workers.c.ended_at.is_(None))
        .values(seen_at=now_ms(), **status._asdict() | told)
    )
    return connection.execute(statement).rowcount == 1


def end(connection: Connection, worker_id: int) -> None:
    """End a worker that has finished its work and closed its connections."""
    connection.execute(
        update(workers)
        .where(workers.c.id == worker_id, workers.c.ended_at.is_(None))
        .values(ended_at=now_ms(), consuming=False, connections=0, in_flight=0)
    )


def end_named(connection: Connection, name: str) -> None:
    """End the incarnations called ``name``, whose process is known to be gone."""
    connection.execute(
        update(workers).where(workers.c.name == name, workers.c.ended_at.is_(None)).values(ended_at=now_ms())
    )


class Leases:
    """Finds leases that have run out, by the steady clock of the process that looks.

    A beat changes ``seen_at``; a worker whose ``seen_at`` stands still for ``LEASE_S`` under the eyes of
    one process is gone. So no wall clock, that may be wrong or jump, can end a worker that is alive.
    """

    def __init__(self) -> None:
        self._beats: dict[int, tuple[int, float]] = {}
        self._lock = threading.Lock()

    def end_expired(self, connection: Connection, now: float) -> int:
        """End every worker whose lease has run out at ``now`` (monotonic s); return how many."""
        statement = select(workers.c.id, workers.c.seen_at).where(workers.c.ended_at.is_(None))
        ended = 0
        with self._lock:
            known, self._beats = self._beats, {}
            for id_, seen_at in connection.execute(statement).all():
                beat, since = known.get(id_, (None, now))
                self._beats[id_] = (seen_at, since if beat == seen_at else now)
        for id_, (seen_at, since) in list(self._beats.items()):
            if now - since >= LEASE_S:
                # One that is frozen in its transaction keeps its row: who waited for it would freeze, too.
                free = (
                    select(workers.c.id)
                    .where(workers.c.id == id_, workers.c.ended_at.is_(None), workers.c.seen_at == seen_at)
                    .with_for_update(skip_locked=True)
                )
                ended += connection.execute(
                    update(workers).where(workers.c.id.in_(free)).values(ended_at=now_ms())
                ).rowcount
        return ended


def alive(connection: Connection) -> Sequence[Worker]:
    """Return the workers that were seen within the last ``ALIVE_MS``."""
    statement = (
        select(
            workers.c.id,
            workers.c.name,
            workers.c.started_at,
            workers.c.seen_at,
            workers.c.notice,
            workers.c.reason_code,
            workers.c.notice_kind,
            workers.c.consuming,
        )
        .where(workers.c.ended_at.is_(None), workers.c.seen_at >= now_ms() - ALIVE_MS)
        .order_by(workers.c.id)
    )
    rows = [reasons.in_row(row._asdict(), "notice") for row in connection.execute(statement)]
    return [Worker(**row | {"notice_kind": NoticeKind(row["notice_kind"])}) for row in rows]
