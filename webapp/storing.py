"""Lists are read and stored beside the event loop, and long ones in a process of their own.

Reading 100,000 lines is a second or two of pure Python. In a thread it would hold the interpreter's
lock, and every page would wait for it.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

from mailing import campaigns
from mailing.addresses import parse_pasted
from mailing.database import Database

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailing.campaigns import Draft

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
LONG = 200_000  # characters: what a thread reads in well under 100 ms


class Lists:
    """Where pasted lists become stored drafts. One long list at a time; the others wait."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._turn = asyncio.Semaphore(1)

    async def create(self, draft: Draft, pasted: str) -> int:
        """Store a draft, whose message was found good, with its list; return its id."""
        return await self.run(len(pasted), _store, draft, pasted, None)

    async def revise(self, campaign_id: int, draft: Draft, pasted: str) -> None:
        """Change a draft and replace its list. Raises ``NotAllowed`` once it is no draft."""
        await self.run(len(pasted), _store, draft, pasted, campaign_id)

    async def run(self, size: int, work: Callable[[Database, *Ts], T], *args: *Ts) -> T:
        """Run ``work(database, ...)`` on a list of ``size`` characters where it keeps nobody waiting."""
        if size < LONG:
            return await asyncio.to_thread(work, self._db, *args)
        async with self._turn:
            return await asyncio.to_thread(_run_apart, self._db, work, args)


def _run_apart(db: Database, work: Callable[[Database, *Ts], T], args: tuple[*Ts]) -> T:
    url = db.url.render_as_string(hide_password=False)
    spawning = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawning) as process:
        return process.submit(_run_there, url, work, args).result()


def _run_there(url: str, work: Callable[[Database, *Ts], T], args: tuple[*Ts]) -> T:
    return work(Database(url), *args)


def _store(db: Database, draft: Draft, pasted: str, campaign_id: int | None) -> int:
    parsed = parse_pasted(pasted)
    with db.write() as connection:
        if campaign_id is None:
            return campaigns.create(connection, draft, parsed)
        campaigns.revise(connection, campaign_id, draft, parsed)
        return campaign_id
