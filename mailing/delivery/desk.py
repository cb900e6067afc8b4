"""The desk: what the engine reads and writes beside its rounds. Each call waits until the database works.

It shares the engine's database thread, so that one connection is busy at a time.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import structlog
from sqlalchemy.exc import DBAPIError

from mailing.campaigns import lifecycle, versions
from mailing.campaigns import queries as campaigns
from mailing.core import clock, database_errors
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason
from mailing.domains import signers
from mailing.internet.receivers import domains_of
from mailing.ledger import batches, lanes, leases, receivers, rests

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Connection

    from mailing.campaigns.queries import Campaign
    from mailing.core.database import Database
    from mailing.core.reasons import Words
    from mailing.core.side_thread import SideThread
    from mailing.delivery.outlets import Kept, Outlet, Outlets
    from mailing.delivery.turns import AtWork, Turn, Turns
    from mailing.messages.compose import Message
    from mailing.senders.windows import Window

RETRY_S = 0.5  # after the database failed

T = TypeVar("T")
log = structlog.get_logger()


class Registered(NamedTuple):
    """A worker's new lease, from when on it counts (steady s), and the senders that there are."""

    begun: float
    worker_id: int
    kept: Kept


class Desk:
    """All that is not a round. Its methods are for the engine's event loop."""

    def __init__(self, database: Database, thread: SideThread) -> None:
        self._database, self._thread = database, thread

    async def register(self, name: str, outlets: Outlets) -> Registered:
        """Register a worker process, and end the rests of senders that are no more."""

        def register() -> Registered:
            begun = clock.steady_s()
            with self._database.write() as connection:
                kept = outlets.begin(connection)
                _note(connection, kept)
                rests.end_others(connection, kept.accounts)
                return Registered(begun, leases.register(connection, name), kept)

        return await self._until_it_works(register)

    async def end(self, worker_id: int) -> None:
        """End a worker's lease; once, whether the database works or not."""

        def end() -> None:
            with self._database.write() as connection:
                leases.end(connection, worker_id)

        await self._thread.run(end)

    async def turn(self, turns: Turns, batch_id: int, at_work: Mapping[int, AtWork]) -> Turn | None:
        """Take the batch that Celery brought, or another that deserves the turn more."""
        return await self._until_it_works(lambda: turns.take(self._database, batch_id, at_work))

    async def revision(self) -> object:
        """Return the revision of all senders and of the keys that sign."""

        def revision() -> object:
            with self._database.read() as connection:
                return signers.revision(connection)

        return await self._until_it_works(revision)

    async def message(self, campaign: Campaign, version: int) -> Message:
        """Return a version of a campaign's message with its files."""

        def message() -> Message:
            with self._database.read() as connection:
                return campaigns.whole_message(connection, versions.at(connection, campaign, version))

        return await self._until_it_works(message)

    async def kept(self, outlets: Outlets, limited: Sequence[str]) -> Kept:
        """Return the senders as they are now. The rests of our own limits end: they may have been raised."""

        def kept() -> Kept:
            with self._database.write() as connection:
                for account in limited:
                    rests.end_own(connection, account)
                if limited:
                    batches.end_rests(connection)
                _note(connection, found := outlets.read(connection))
                return found

        return await self._until_it_works(kept)

    async def pause(self, campaign_id: int, reason: Words, seen: object = None) -> bool:
        """Pause a campaign; return whether this call did.

        With ``seen``, the revision of the senders and keys whose fault it is, only while that is theirs: a
        person may have mended it and resumed meanwhile.
        """

        def pause() -> bool:
            with self._database.write() as connection:
                if seen is not None and signers.revision(connection) != seen:
                    return False
                return lifecycle.pause(connection, campaign_id, reason)

        return await self._until_it_works(pause)

    async def rest(self, outlet: Outlet, window: Window, wait_ms: int, lane: str) -> None:
        """Have a sender rest in all processes, or one lane: its limit is used up for so long."""
        name = "warmup" if outlet.warms_up and window.begin else window.name
        name = f"receiver-{window.name}" if lane else name
        reason = Reason(f"limit.{name}", sender=outlet.name, most=window.most)

        def rest() -> None:
            with self._database.write() as connection:
                if lane:
                    lanes.wait(connection, outlet.account, lane, wait_ms, reason)
                    return
                wait_s = -(-wait_ms // 1000)
                rests.begin(
                    connection, outlet.account, wait_s, reason, tried_at=now_ms(), longest_s=rests.DAY_S
                )

        await self._until_it_works(rest)

    def reason(self, error: DBAPIError) -> str:
        """Return what happened to the database, and what to do."""
        return database_errors.sentence(error, self._database.url)

    async def _until_it_works(self, do: Callable[[], T]) -> T:
        while True:
            try:
                return await self._thread.run(do)
            except DBAPIError as error:
                log.warning("the database cannot be used; trying again", reason=self.reason(error))
                await asyncio.sleep(RETRY_S)


def _note(connection: Connection, kept: Kept) -> None:
    """Have the domains of limited receivers known as theirs, also where a list has few of them."""
    limited = {receiver for account, _ in kept.senders for receiver in account.receiver_limits}
    receivers.note(connection, {domain for receiver in limited for domain in domains_of(receiver)})
