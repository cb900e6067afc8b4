"""How often a program may ask, counted by all web processes together; by each alone while Redis is away."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from mailing.accounts.throttle import Limit
from mailing.core.clock import now_ms
from mailing.redis import limits, prefix
from mailing.redis.limits import Taken

if TYPE_CHECKING:
    from redis.asyncio import Redis

LIMIT = Limit(burst=100, every_ms=100)  # 600 a minute
PATIENCE_S = 0.2  # of a request, before it is counted here
AWAY_S = 5.0  # how long Redis is not asked again
MOST = 10_000  # programs that are counted here
log = structlog.get_logger(__name__)


class Limits:
    """Counts what programs ask for."""

    def __init__(self, redis: Redis, database_url: str) -> None:
        self._script = redis.register_script(limits.SCRIPT)
        self._database_url = database_url
        self._away_until = 0.0
        self._here: dict[str, int] = {}

    async def take(self, name: str) -> Taken:
        """Count a request of the program called ``name``; return whether it may pass."""
        if time.monotonic() >= self._away_until:
            try:
                return await asyncio.wait_for(self._ask(name), PATIENCE_S)
            except (RedisError, OSError, TimeoutError, SQLAlchemyError) as error:
                self._away_until = time.monotonic() + AWAY_S
                log.warning("requests are counted by each process alone", reason=repr(error))
        if len(self._here) >= MOST:
            self._here.clear()
        self._here[name], taken = limits.take(self._here.get(name, 0), now_ms(), LIMIT)
        return taken

    async def _ask(self, name: str) -> Taken:
        ours = await asyncio.to_thread(prefix.prefix, self._database_url)
        found = await self._script(keys=[f"{ours}limit:{name}"], args=[LIMIT.every_ms, LIMIT.burst])
        return Taken.of(LIMIT, found)
