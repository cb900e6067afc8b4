"""Lists are read and stored beside the event loop, and long ones in processes of their own.

Reading 100,000 lines is a second or two of pure Python. In a thread it would hold the interpreter's
lock, and every page would wait for it. A long list waits for those before it, but not for a huge one, and
only so many may wait: the next one is told to come again.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias, TypeVar, TypeVarTuple

from werkzeug.exceptions import ServiceUnavailable

from mailing.addresses.parsing import parse_pasted
from mailing.campaigns.drafts import Draft
from mailing.contacts import audiences, origins
from mailing.contacts.audiences import Audience
from mailing.core.database import Database
from mailing.library import files
from mailing.recipients import copies
from mailing.recipients.copies import Part
from tasks.commands import campaigns as commands
from tasks.commands.messages import drafting
from webapp.i18n.languages import _

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

    from mailing.addresses.findings import ParsedList
    from mailing.campaigns.growing import Added
    from mailing.campaigns.queries import Campaign
    from mailing.contacts.origins import Origin
    from mailing.core.actors import Actor
    from mailing.recipients.search import Choice
    from tasks.commands.campaigns import Change

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
LONG = 200_000  # characters: what a thread reads in well under 100 ms
HUGE = 2_000_000  # characters: seconds, and those behind it would wait
WAITING = 8  # lists in one process and before it
RETRY_S = 30
_COPIED_WEIGHT = 20  # what a recipient that was read before takes, in characters
_ODD_WEIGHT = 10  # domains that are no plain ASCII take so many times longer


class CrowdedError(ServiceUnavailable):
    """Too many lists wait already: 503. ``description`` says so, and to try again."""


Given: TypeAlias = str | Audience
"""Where recipients come from: a pasted list, or saved ones."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A draft as somebody changed it, who had seen this revision of it, and recipients for it."""

    campaign_id: int
    seen: int
    draft: Draft
    given: Given


class Lists:
    """Where lists become those of stored drafts. One long list and one huge list at a time; others wait.

    What takes from saved lists raises ``UnfitError`` where they give nobody, or too many.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._long, self._huge = _Process(db), _Process(db)

    def start(self) -> None:
        """Start the process for long lists, so that the first one does not wait for its imports."""
        self._long.submit(_nothing, ())

    def close(self) -> None:
        """End the processes, whatever they do: what they have stored of a list, the sweeper removes."""
        for child in multiprocessing.active_children():  # there are no others
            child.terminate()
        self._long.close()
        self._huge.close()

    async def create(self, actor: Actor, draft: Draft, given: Given) -> Change:
        """Store a draft, whose message was found good, with its list."""
        return await self._run(await self.weigh(given), _store, actor, draft, given)

    async def revise(self, actor: Actor, edit: Edit) -> Change:
        """Change a draft and replace its list. Raises ``NotAllowed`` once it is no draft, or was changed."""
        return await self._run(await self.weigh(edit.given), _revise, actor, edit)

    async def add(self, actor: Actor, edit: Edit) -> tuple[Change, Added]:
        """Change a draft and add to its list. Raises ``NotAllowed`` as ``revise`` does."""
        return await self._run(await self.weigh(edit.given), _add, actor, edit)

    async def fix(self, actor: Actor, campaign_id: int, box: str, seen: int) -> tuple[Change, Added]:
        """Fix the skipped lines of a draft. Raises ``NotAllowed`` as ``revise`` does."""
        return await self.run(box, _fix, actor, campaign_id, box, seen)

    async def copy(self, actor: Actor, campaign: Campaign, part: Part) -> Change:
        """Store a draft with the message of a campaign and that part of its list."""
        weight = campaign.total * _COPIED_WEIGHT if part is not Part.NONE else 0
        return await self._run(weight, _copy, actor, campaign, part)

    async def follow(self, actor: Actor, campaign: Campaign, chosen: Choice) -> Change:
        """Store a draft with a campaign's message, to those of its recipients that a search finds.

        Raises ``NotAllowed`` where there is nobody.
        """
        return await self._run(campaign.total * _COPIED_WEIGHT, _follow, actor, campaign, chosen)

    async def count(self, audience: Audience) -> int:
        """Return how many recipients saved lists give, as ``audiences.count`` does."""
        size = await self.weigh(audience) if audience.where else 0
        return await self._run(size, _count, audience)

    async def run(self, given: str | bytes, work: Callable[[Database, *Ts], T], *args: *Ts) -> T:
        """Run ``work(database, ...)`` on the list in ``given`` where it keeps nobody waiting.

        Raises ``CrowdedError`` if too many lists wait for the same process.
        """
        return await self._run(weight(given), work, *args)

    async def weigh(self, given: Given) -> int:
        """Return how long these take to be read, in the characters of a plain list."""
        if isinstance(given, str):
            return weight(given)
        return await asyncio.to_thread(_size, self._db, given) * _COPIED_WEIGHT

    async def measure(self, size: int, work: Callable[[Database, *Ts], T], *args: *Ts) -> T:
        """Run ``work(database, ...)`` on what weighs as much as ``size`` bytes, as ``run`` does on a list."""
        return await self._run(size, work, *args)

    async def _run(self, size: int, work: Callable[[Database, *Ts], T], *args: *Ts) -> T:
        if size < LONG:
            return await asyncio.to_thread(work, self._db, *args)
        return await (self._long if size < HUGE else self._huge).run(work, *args)


class _Process:
    """One process that reads one list at a time, started when the first one comes."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._pool: ProcessPoolExecutor | None = None
        self._starting = threading.Lock()
        self._waiting = 0

    async def run(self, work: Callable[[Database, *Ts], T], *args: *Ts) -> T:
        if self._waiting >= WAITING:
            said = _("%(n)s long lists are already being read. Try again in a minute.", n=WAITING)
            raise CrowdedError(said, retry_after=RETRY_S)
        self._waiting += 1
        pool = None
        try:
            pool, task = await asyncio.to_thread(lambda: self.submit(work, args))
            return await asyncio.wrap_future(task)
        except BrokenProcessPool:
            if self._pool is pool:
                self._pool = None  # it was killed: the next list gets a new one
            raise
        finally:
            self._waiting -= 1

    def submit(
        self, work: Callable[[Database, *Ts], T], args: tuple[*Ts]
    ) -> tuple[ProcessPoolExecutor, Future[T]]:
        """Hand in a list; start the process if it is not there, or no longer."""
        with self._starting:
            pool = self._pool or self._start()
            try:
                return pool, pool.submit(_run_there, work, args)
            except BrokenProcessPool:
                pool = self._start()
                return pool, pool.submit(_run_there, work, args)

    def close(self) -> None:
        if self._pool:
            self._pool.shutdown(cancel_futures=True)

    def _start(self) -> ProcessPoolExecutor:
        url = self._db.url.render_as_string(hide_password=False)
        spawning = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(1, spawning, _begin_there, (url, os.getpid()))
        return self._pool


def weight(given: str | bytes) -> int:
    """Return how long a list takes, in the characters of a plain one."""
    odd = not given.isascii() or ("xn--" in given if isinstance(given, str) else b"\\u" in given)
    return len(given) * (_ODD_WEIGHT if odd else 1)


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


@contextmanager
def _reading(db: Database, given: Given) -> Iterator[tuple[ParsedList, Sequence[Origin]]]:
    if isinstance(given, str):
        yield parse_pasted(given), ()
        return
    with origins.taking(db, given) as taken:
        yield taken.parsed, (taken.origin,)


def _size(db: Database, audience: Audience) -> int:
    with db.read() as connection:
        return audiences.weight(connection, audience)


def _count(db: Database, audience: Audience) -> int:
    with db.read() as connection:
        return audiences.count(connection, audience)


def _store(db: Database, actor: Actor, draft: Draft, given: Given) -> Change:
    with _reading(db, given) as (parsed, taken_from):
        return commands.store(db, actor, draft, parsed, taken_from=taken_from)


def _revise(db: Database, actor: Actor, edit: Edit) -> Change:
    with _reading(db, edit.given) as (parsed, taken_from):
        return commands.revise(
            db, actor, edit.campaign_id, edit.draft, parsed, taken_from=taken_from, seen=edit.seen
        )


def _add(db: Database, actor: Actor, edit: Edit) -> tuple[Change, Added]:
    with _reading(db, edit.given) as (parsed, taken_from):
        return commands.add(
            db, actor, edit.campaign_id, edit.draft, parsed, taken_from=taken_from, seen=edit.seen
        )


def _fix(db: Database, actor: Actor, campaign_id: int, box: str, seen: int) -> tuple[Change, Added]:
    return commands.fix(db, actor, campaign_id, box, seen=seen)


def _copy(db: Database, actor: Actor, campaign: Campaign, part: Part) -> Change:
    with db.read() as connection:
        attached = files.listed(connection, campaign.id)
    taken_from = origins.load(campaign.audience) if part is not Part.NONE else ()
    with copies.reading(db, campaign.id, part) as people:
        draft = Draft.of(campaign)
        draft = replace(draft, schedule=draft.schedule.without_moment)
        return commands.store(db, actor, draft, people, taken_from=taken_from, attached=attached)


def _follow(db: Database, actor: Actor, campaign: Campaign, chosen: Choice) -> Change:
    return drafting.follow(db, actor, campaign, chosen)
