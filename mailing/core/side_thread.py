"""A thread beside an event loop, for blocking work in turn.

An executor does the same, but its chained futures cost more per call than a small commit does.
"""

from __future__ import annotations

import asyncio
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class SideThread:
    """Runs functions one after the other. It ends with the process."""

    def __init__(self, name: str) -> None:
        self._work: SimpleQueue[tuple[asyncio.Future[Any], Callable[[], Any]]] = SimpleQueue()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    async def run(self, do: Callable[[], T]) -> T:
        """Run ``do`` in the thread; return what it returns, raise what it raises."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._work.put((future, do))
        return await future

    def _run(self) -> None:
        while True:
            future, do = self._work.get()
            try:
                result = do()
            except Exception as error:  # noqa: BLE001 - it is raised where it was asked for
                self._tell(future, None, error)
            else:
                self._tell(future, result, None)

    @staticmethod
    def _tell(future: asyncio.Future[Any], result: object, error: Exception | None) -> None:
        def tell() -> None:
            if future.done():
                return  # the caller has gone
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        loop = future.get_loop()
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell)
