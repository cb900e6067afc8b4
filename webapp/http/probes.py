"""Probes: whether a part works, for supervisors that ask every few seconds."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from mailing.checks import Finding

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
PATIENCE_S = 2.0
PARTS = 3


class Probes:
    """Asks on threads of its own, so that a part that does not answer takes none from the pages.

    Each part is asked by one thread at a time, however often a supervisor comes: who comes meanwhile waits
    for the same answer.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(PARTS, "probe")
        self._asking: dict[str, asyncio.Future[Finding]] = {}

    async def ask(self, name: str, check: Callable[[T], Finding], part: T) -> Finding:
        """Return what ``check`` finds, or after ``PATIENCE_S`` that there was no answer."""
        asking = self._asking.get(name)
        if asking is None or asking.done():
            asking = asyncio.get_running_loop().run_in_executor(self._threads, check, part)
            self._asking[name] = asking
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await asyncio.shield(asking)
        except TimeoutError:
            detail = f"No response within {PATIENCE_S:g} seconds. Is it overloaded?"
            return Finding(ok=False, detail=detail)

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown(wait=False, cancel_futures=True)
