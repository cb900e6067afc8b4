"""The one clock: by it everything in the database is dated and due.

What one process writes and another compares, such as when an email is due again, must not depend on
whose wall clock is right. So nobody's own is asked. PostgreSQL's server tells all who use it the time;
SQLite lives on one machine, and its kernel does. In between, a process counts on with the monotonic clock,
which setting a wall clock does not move.

Where that one clock itself is set, all follow within a second, and what is due then moves by as much.

``Database`` has every transaction ``look``; all others ask ``now_ms``.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy import Connection

LOOK_MS = 1_000  # between two looks at the database's clock
NOISE_MS = 20  # a smaller difference is not worth a step
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # counts on while the machine sleeps
_STAT = Path("/proc/stat")
_ASK = text("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)")


@dataclass(frozen=True, slots=True)
class _Reading:
    """The time is the steady clock plus ``ahead``, as was seen when that stood at ``seen``. In ms."""

    ahead: int
    seen: int


def now_ms() -> int:
    """Return the present time in milliseconds since 1970, UTC."""
    return _steady_ms() + _reading.ahead


def steady_s() -> float:
    """Return the seconds of a clock that nobody can set: for how long something took or may take."""
    return time.clock_gettime(_STEADY)


def look(connection: Connection) -> None:
    """Go by the clock of this database from now on; asks it once a second."""
    global _reading  # noqa: PLW0603 - a process has one clock
    begun = _steady_ms()
    if begun < _reading.seen + LOOK_MS:
        return
    if connection.dialect.name == "postgresql":
        told = int(connection.execute(_ASK).scalar_one())
    else:
        told = _kernel_ms()
    ended = _steady_ms()
    on_the_way = (ended - begun) / 2
    difference = told - round((begun + ended) / 2) - _reading.ahead
    wrong = abs(difference) > on_the_way + NOISE_MS
    _reading = _Reading(_reading.ahead + difference * wrong, ended)


def _steady_ms() -> int:
    return time.clock_gettime_ns(_STEADY) // 1_000_000


def _kernel_ms() -> int:
    """Return this machine's time, not what a process may have been made to believe.

    The kernel says in whole seconds since when the machine runs; the rest is the wall clock's.
    """
    wall = time.time_ns() // 1_000_000
    try:
        lines = _STAT.read_text().splitlines()
    except OSError:  # not Linux
        return wall
    started = next((int(line.split()[1]) for line in lines if line.startswith("btime ")), None)
    if started is None:
        return wall
    kernel = started * 1000 + _steady_ms()
    return wall if -NOISE_MS <= wall - kernel <= 1000 + NOISE_MS else kernel


_reading = _Reading(_kernel_ms() - _steady_ms(), -LOOK_MS)
