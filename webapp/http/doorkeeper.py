"""Who is let in: read from the database, believed for a second, and watched as long as a stream lasts.

A session that was ended, or whose owner got another role, is refused a second later by every process, and
the streams that it opened end within two.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import SQLAlchemyError

from mailing.accounts import sessions, users
from tasks import people

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping

    from sqlalchemy import Connection

    from mailing.accounts.roles import Role
    from mailing.accounts.sessions import Session
    from tasks.commands import Backend

    Look = Callable[[Connection], object]

BELIEVED_S = 1.0
MOST = 10_000  # answers that are remembered
log = structlog.get_logger(__name__)


class Doorkeeper:
    """What this process knows of who may come in."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._known: dict[Hashable, tuple[float, object]] = {}
        self.closed = False  # whether somebody is known to have an account
        self._present: dict[object, tuple[Session | None, Callable[[], None]]] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look after the streams."""
        self._task = asyncio.create_task(self._walk(), name="doorkeeper")

    async def close(self) -> None:
        """Stop."""
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def accounts_exist(self) -> bool:
        """Return whether somebody has an account. Once there is one, there always is."""
        if not self.closed:
            self.closed = bool(await self.ask("accounts", users.any_exist))
        return self.closed

    async def session(self, token: str) -> Session | None:
        """Return the session of a cookie's token, if it counts."""
        found = await self.ask(("session", token), lambda connection: sessions.find(connection, token))
        if found is not None and sessions.to_touch(found):  # type: ignore[arg-type]
            await asyncio.to_thread(people.touch, self._backend, found)  # type: ignore[arg-type]
            self._known.pop(("session", token), None)
        return found  # type: ignore[return-value]

    async def ask(self, what: Hashable, look: Look) -> object:
        """Return what ``look`` finds in the database, or found less than a second ago."""
        until, found = self._known.get(what, (0.0, None))
        if until < time.monotonic():
            found = await asyncio.to_thread(self._look, look)
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[what] = time.monotonic() + BELIEVED_S, found
        return found

    def forget(self) -> None:
        """Believe nothing: something was changed here, and is to be seen at once."""
        self._known.clear()

    @contextlib.contextmanager
    def present(self, session: Session | None, leave: Callable[[], None]) -> Iterator[None]:
        """Call ``leave`` once the session ends or gets another role; without one, once accounts exist."""
        place = object()
        self._present[place] = session, leave
        try:
            yield
        finally:
            self._present.pop(place, None)

    async def _walk(self) -> None:
        while True:
            await asyncio.sleep(BELIEVED_S)
            if self._present:
                try:
                    await self._look_around()
                except SQLAlchemyError as error:
                    log.warning("open streams cannot be checked", error=str(error))

    async def _look_around(self) -> None:
        here = list(self._present.values())
        ids = {session.id for session, _ in here if session}
        roles: Mapping[int, Role] = await asyncio.to_thread(self._roles, ids) if ids else {}
        closed = await self.accounts_exist()
        gone = [leave for it, leave in here if (roles.get(it.id) is not it.role if it else closed)]
        if gone:
            self.forget()  # or they would come back at once, and be believed
        for leave in gone:
            leave()

    def _roles(self, ids: set[int]) -> Mapping[int, Role]:
        with self._backend.db.read() as connection:
            return sessions.roles(connection, ids)

    def _look(self, look: Look) -> object:
        with self._backend.db.read() as connection:
            return look(connection)
