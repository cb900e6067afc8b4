"""Whether Redis takes work: asked every few seconds, so that pages can say what keeps mail from moving.

That news come in tells nothing of it: a Redis that is full, or a replica, publishes all the same.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from mailing import checks

if TYPE_CHECKING:
    from mailing.redis.errors import Trouble
    from mailing.redis.events import Client

LOOK_S = 3.0

log = structlog.get_logger(__name__)


class QueueWatch:
    """Keeps ``trouble``, what keeps Redis from taking work; None while it does, or nobody knows."""

    def __init__(self, client: Client) -> None:
        self.trouble: Trouble | None = None
        self._client = client
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._run(), name="queue watch")

    async def close(self) -> None:
        """Look no more."""
        if self._task:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def look(self) -> Trouble | None:
        """Look now; return the trouble."""
        found = await asyncio.to_thread(checks.queue_trouble, self._client)
        if found and found != self.trouble:
            log.warning("the queue refuses work", reason=str(found.reason))
        self.trouble = found
        return found

    async def _run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)
