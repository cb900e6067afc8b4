"""Bars of time on a machine that others use too: each is meant for cores that nobody else wants."""

from __future__ import annotations

import hashlib
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST = 4.0  # a bar is never longer than this many times itself
_BLOCK = bytes(4_000_000)
_REST_S = 0.1


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Fail if what is done here takes longer than the bar.

    The bar is as many times longer as work took longer than the CPU it got in the meantime.
    """
    with _Contention() as contention:
        begun = time.monotonic()
        yield
        took = time.monotonic() - begun
    bar = seconds * min(MOST, contention.stretch)
    assert took < bar, f"{took:.2f} s, and the bar of {seconds} s is {bar:.2f} s beside the others here"


class _Contention(threading.Thread):
    """Small pieces of work beside what is measured, which tell how long they have to wait for a core."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._over = threading.Event()
        self._wall_s = self._cpu_s = 0.0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        while True:
            wall, cpu = time.perf_counter(), time.thread_time()
            hashlib.sha256(_BLOCK)  # outside the lock of the interpreter, which is not what is asked about
            self._wall_s += time.perf_counter() - wall
            self._cpu_s += time.thread_time() - cpu
            if self._over.wait(_REST_S):
                return

    @property
    def stretch(self) -> float:
        return max(1.0, self._wall_s / self._cpu_s)
