"""Who is let in: read from the database, believed for a second, and watched as long as a stream lasts.

A session that was ended, or whose owner got another role, and a key that was revoked are refused a second
later by every process, and the streams that they opened end within two.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from mailing.accounts import sessions, users
from mailing.accounts.sessions import Session
from mailing.core.clock import now_ms
from mailing.programs import api_keys
from mailing.programs.api_keys import ApiKey, Bearer
from tasks.commands.accounts import people

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterator, Mapping

    from sqlalchemy import Connection

    from mailing.accounts.roles import Permission, Role
    from mailing.core.actors import Actor
    from tasks.commands.backend import Backend

    Look = Callable[[Connection], object]
    Used = TypeVar("Used", Session, ApiKey)

BELIEVED_S = 1.0
CLOSE_S = 2.0
MOST = 10_000  # answers that are remembered
TOLD_AGAIN_S = 60.0
TOLD_MOST = 100  # refusals in that time
log = structlog.get_logger(__name__)


class Refusals:
    """Which refusals are worth a row in the audit log: nobody fills it by asking again and again."""

    def __init__(self) -> None:
        self._told: dict[Hashable, float] = {}  # until when

    def new(self, what: Hashable, now_s: float) -> bool:
        """Return whether this one is to be told: once a minute, and so many of all."""
        for oldest in [it for it, until in self._told.items() if until <= now_s]:
            del self._told[oldest]
        if what in self._told or len(self._told) >= TOLD_MOST:
            return False
        self._told[what] = now_s + TOLD_AGAIN_S
        return True


class Doorkeeper:
    """What this process knows of who may come in."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._known: dict[Hashable, tuple[float, object]] = {}
        self.closed = False  # whether somebody is known to have an account
        self._present: dict[object, tuple[Session | Bearer | None, Callable[[], None]]] = {}
        self._task: asyncio.Task[None] | None = None
        self._looks: set[asyncio.Task[Any]] = set()
        self._refusals = Refusals()

    def start(self) -> None:
        """Begin to look after the streams."""
        self._task = asyncio.create_task(self._walk(), name="doorkeeper")

    async def close(self) -> None:
        """Stop."""
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._looks:  # a thread goes on when its request has gone, with a connection to the database
            await asyncio.wait(self._looks, timeout=CLOSE_S)

    async def accounts_exist(self) -> bool:
        """Return whether somebody has an account. Once there is one, there always is."""
        if not self.closed:
            self.closed = bool(await self.ask("accounts", users.any_exist))
        return self.closed

    async def session(self, token: str) -> Session | None:
        """Return the session of a cookie's token, if it counts."""
        what = ("session", token)
        found: Session | None = await self.ask(what, lambda connection: sessions.find(connection, token))
        if found is not None and sessions.to_touch(found):
            await self.touch(what, people.touch, found)
        return found

    async def ask(self, what: Hashable, look: Look) -> Any:
        """Return what ``look`` finds in the database, or found less than a second ago."""
        known = self._known  # an answer that is forgotten in the meantime must not be remembered again
        until, found = known.get(what, (0.0, None))
        if until < time.monotonic():
            found = await self._in_a_thread(self._look, look)
            if len(known) >= MOST:
                known.clear()
            known[what] = time.monotonic() + BELIEVED_S, found
        return found

    async def touch(self, what: Hashable, command: Callable[[Backend, Used], None], used: Used) -> None:
        """Note that a session or key is used; if that fails, the request is let in all the same."""
        self._known.pop(what, None)
        try:
            await self._in_a_thread(command, self._backend, used)
        except SQLAlchemyError as error:
            log.warning("the last use cannot be written down", error=str(error))

    async def refused(self, actor: Actor, why: str, needed: str) -> None:
        """Write down that somebody was refused; if that cannot be, the refusal stands all the same."""
        if not self._refusals.new((actor, why, needed), time.monotonic()):
            return
        try:
            await self._in_a_thread(people.refuse_access, self._backend, actor, why, needed)
        except SQLAlchemyError as error:
            log.warning("a refusal cannot be written down", error=str(error))

    def forget(self) -> None:
        """Forget all answers: something was changed here, and takes effect at once."""
        self._known = {}

    @contextlib.contextmanager
    def present(self, guest: Session | Bearer | None, leave: Callable[[], None]) -> Iterator[None]:
        """Call ``leave`` once the guest may do less than now; without one, once accounts exist."""
        place = object()
        self._present[place] = guest, leave
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
                except Exception:  # or no stream would end any more, and nobody would know why
                    log.exception("open streams cannot be checked")

    async def _look_around(self) -> None:
        here = list(self._present.values())
        ids = {guest.id for guest, _ in here if isinstance(guest, Session)}
        keys = {guest.key.id for guest, _ in here if isinstance(guest, Bearer) and guest.key}
        roles: Mapping[int, Role] = await self._of(sessions.roles, ids)
        left: Mapping[int, frozenset[Permission]] = await self._of(api_keys.permissions, keys)
        closed = await self.accounts_exist()

        def is_gone(guest: Session | Bearer | None) -> bool:
            if isinstance(guest, Session):
                return roles.get(guest.id) is not guest.role
            return guest.gone(now_ms(), left) if guest else closed

        gone = [leave for guest, leave in here if is_gone(guest)]
        if gone:
            self.forget()  # or they would come back at once, and be believed
        for leave in gone:
            leave()

    async def _of(self, look: Callable[[Connection, Collection[int]], Any], ids: Collection[int]) -> Any:
        return await self._in_a_thread(self._look, lambda connection: look(connection, ids)) if ids else {}

    async def _in_a_thread(self, work: Callable[..., Any], *args: object) -> Any:
        job = asyncio.create_task(asyncio.to_thread(work, *args))
        self._looks.add(job)
        job.add_done_callback(self._ended)
        return await asyncio.shield(job)

    def _ended(self, job: asyncio.Task[Any]) -> None:
        self._looks.discard(job)
        if not job.cancelled():
            job.exception()  # whoever waited for it may have gone

    def _look(self, look: Look) -> Any:
        with self._backend.db.read() as connection:
            return look(connection)
