"""Bars of time on a machine that others use too: each is meant for cores that nobody else wants."""

from __future__ import annotations

import time
from contextlib import contextmanager
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PIECE_S = 0.02  # of CPU: longer than a scheduler's turn
_PIECES = 5


def bar_s(seconds: float) -> float:
    """Return the bar as it stands now: as many times longer as work takes longer than the CPU it gets."""
    return seconds * max(1.0, median(_stretch() for _ in range(_PIECES)))


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Fail if what is done here takes longer than the bar."""
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < bar_s(seconds)


def _stretch() -> float:
    wall, cpu = time.perf_counter(), time.thread_time()
    while (used := time.thread_time() - cpu) < _PIECE_S:
        pass
    return (time.perf_counter() - wall) / used
