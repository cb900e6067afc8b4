"""Lists are read and stored beside the event loop, and long ones in a process of their own.

Reading 100,000 lines is a second or two of pure Python. In a thread it would hold the interpreter's
lock, and every page would wait for it.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

from mailing import drafts
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
        self._process: ProcessPoolExecutor | None = None

    def start(self) -> None:
        """Start the process for long lists, so that the first one does not wait for its imports."""
        url = self._db.url.render_as_string(hide_password=False)
        spawning = multiprocessing.get_context("spawn")
        self._process = ProcessPoolExecutor(1, spawning, _begin_there, (url, os.getpid()))
        self._process.submit(_run_there, _nothing, ())

    def close(self) -> None:
        """End that process, whatever it does: what it has stored of a list, the sweeper removes."""
        if self._process:
            for child in multiprocessing.active_children():  # there is no other
                child.terminate()
            self._process.shutdown(cancel_futures=True)

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
        if self._process is None:
            self.start()
        assert self._process is not None
        try:
            return await asyncio.wrap_future(self._process.submit(_run_there, work, args))
        except BrokenProcessPool:
            self._process = None  # it was killed: the next list gets a new one
            raise


_there: Database | None = None  # in that process only


def _begin_there(url: str, parent: int) -> None:
    global _there  # noqa: PLW0603 - an initializer has no other way to leave something behind
    _there = Database(url, pool_size=1)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """End this process when the web process is gone without a word."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(0)


def _run_there(work: Callable[[Database, *Ts], T], args: tuple[*Ts]) -> T:
    assert _there is not None
    return work(_there, *args)


def _nothing(_db: Database) -> None:
    """Do nothing: the first task makes the process start."""


def _store(db: Database, draft: Draft, pasted: str, campaign_id: int | None) -> int:
    parsed = parse_pasted(pasted)
    if campaign_id is None:
        return drafts.create(db, draft, parsed)
    drafts.revise(db, campaign_id, draft, parsed)
    return campaign_id
