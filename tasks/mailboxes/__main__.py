"""The process that watches the mailboxes of reports: ``python -m tasks.mailboxes``.

Of several one watches, by a lease in the database; the others stand by. It looks each second whether
mailboxes were added, changed or removed, and has a thread for each. One that lost its lease, as it was frozen
or the database was away, stops: what it had in hand is not recorded, or is once.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import SQLAlchemyError

from mailing import schema
from mailing.core import database_errors, logs
from mailing.core.database import Database
from mailing.core.terminal import say, stop_on_signal
from mailing.mailboxes import store
from mailing.mailboxes.watching import Watcher
from mailing.redis import events
from mailing.settings import load_or_exit
from tasks.commands.backend import Backend
from tasks.commands.mailboxes import Diary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailing.mailboxes.store import Mailbox

LOOK_S = 1.0
RENEW_S = 3.0
LEASE_S = store.LEASE_MS / 1000 - 3  # by our own clock we stop before others may begin
GOODBYE_S = 4.0

log = structlog.get_logger()


class Watch:
    """All mailboxes, watched by this process if no other does."""

    def __init__(self, backend: Backend, secret_key: str) -> None:
        self._backend, self._secret_key = backend, secret_key
        self._holder = secrets.token_hex(16)
        self._watchers: dict[int, Watcher] = {}
        self._ending: list[Watcher] = []
        self._renewed = self._held_until = 0.0
        self._told = False

    def turn(self) -> None:
        """Renew the lease, and have a thread for each mailbox as it is now."""
        now = time.monotonic()
        try:
            if now >= self._renewed + RENEW_S or now >= self._held_until:
                with self._backend.db.write() as connection:
                    held = store.watch_over(connection, self._holder)
                self._renewed = now
                self._held_until = now + LEASE_S if held else 0.0
            if self._held_until:
                with self._backend.db.read() as connection:
                    found = store.every(connection)
                self._follow(found)
        except SQLAlchemyError as error:
            if not self._told:
                log.warning("mailboxes wait", reason=database_errors.sentence(error, self._backend.db.url))
            self._told = True
        else:
            self._told = False
        if time.monotonic() >= self._held_until:
            self._follow(())
        self._ending = [it for it in self._ending if it.runs]

    def end(self) -> None:
        """Stop all threads, and let another process watch."""
        self._follow(())
        until = time.monotonic() + GOODBYE_S
        for watcher in self._ending:
            watcher.join(max(until - time.monotonic(), 0.0))
        with suppress(SQLAlchemyError), self._backend.db.write() as connection:  # it ends by itself, too
            store.watch_no_more(connection, self._holder)

    def _follow(self, mailboxes: Sequence[Mailbox]) -> None:
        there = {it.id: it for it in mailboxes}
        for mailbox_id, watcher in [*self._watchers.items()]:
            now = there.get(mailbox_id)
            if now is None or now.revision != watcher.seen.revision or not watcher.runs:
                watcher.stop()
                self._ending.append(self._watchers.pop(mailbox_id))
        for mailbox_id, mailbox in there.items():
            if mailbox_id not in self._watchers:
                self._watchers[mailbox_id] = Watcher(
                    mailbox, self._secret_key, Diary(self._backend), self._backend.db
                )


async def watch(backend: Backend, secret_key: str) -> None:
    """Watch until SIGTERM or SIGINT."""
    stop = stop_on_signal()
    it = Watch(backend, secret_key)
    say("Mailboxes are watched.")
    try:
        while not stop.is_set():
            await asyncio.to_thread(it.turn)
            try:
                await asyncio.wait_for(stop.wait(), LOOK_S)
            except TimeoutError:
                continue
    finally:
        await asyncio.to_thread(it.end)


def main() -> None:
    """Watch the mailboxes of the configured database."""
    chosen = load_or_exit()
    logs.configure(chosen.log)
    schema.require(chosen.database_url, patient=True)
    database = Database(chosen.database_url, pool_size=store.MOST)
    backend = Backend(database, events.connect(chosen.redis_url, chosen.database_url))
    try:
        asyncio.run(watch(backend, chosen.secret_key))
    finally:
        database.close()


if __name__ == "__main__":
    main()
