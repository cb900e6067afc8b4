"""The announcer: news of what was committed goes out in a thread of its own.

So a slow Redis never slows the sending.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from mailing.core.side_thread import SideThread
from mailing.redis import events

if TYPE_CHECKING:
    from collections.abc import Iterable

KEPT = 20_000  # events that wait for a slow Redis; older ones are dropped, viewers read the database


class Announcer:
    """The news of one process. ``tell`` and ``run`` are for the engine's event loop."""

    def __init__(self, client: events.Client) -> None:
        self._client = client
        self._news: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._told = asyncio.Event()
        self._thread = SideThread("volley-news")

    def tell(self, news: Iterable[dict[str, Any]]) -> None:
        """Have these events published, soon."""
        self._news.extend(news)
        self._told.set()

    async def run(self) -> None:
        """Publish what is told, until it is canceled."""
        while True:
            await self._told.wait()
            self._told.clear()
            news = list(self._news)
            self._news.clear()
            if news:
                await self._thread.run(partial(events.publish, self._client, news))
