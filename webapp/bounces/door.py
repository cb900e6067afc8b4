"""The door for bounces over SMTP or LMTP: ``python -m webapp.bounces.door`` at ``VOLLEY_BOUNCE_BIND``.

A report is accepted once it is committed, and not before: whoever brings it keeps it until then. All that
have come meanwhile are recorded in one transaction, so one commit serves many connections. While the database
is away the answer is 451, and the other server tries again.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import structlog
import uvloop
from sqlalchemy.exc import DBAPIError

from mailing import schema
from mailing.bounces.receiving import ACCEPTED, LATER, Dialogue
from mailing.bounces.recording import AT_ONCE
from mailing.core import database_errors, logs
from mailing.core.actors import Actor, ActorKind
from mailing.core.database import Database
from mailing.core.terminal import say, stop_on_signal
from mailing.redis import events
from mailing.settings import load_or_exit
from tasks.commands import bounces as commands
from tasks.commands.backend import Backend
from tasks.commands.bounces import Message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailing.bounces.matching import Incoming
    from mailing.bounces.receiving import Brought

ACTOR = Actor(ActorKind.VOLLEY)
CONNECTIONS_MOST = 200
IDLE_S = 300.0  # RFC 5321 section 4.5.3.2.7
GOODBYE_S = 5.0  # how long what has come may take to be committed at the end
GATHER_S = 0.003  # for which those that are to be expected are waited for at most: half as many commits
SHORT = 64 * 1024  # bytes of a report that is read at once; a longer one is read beside all others
SOURCE = "smtp"

log = structlog.get_logger()


class Recorder:
    """Records what all connections bring, together."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._waiting: list[tuple[Incoming, asyncio.Future[bool]]] = []
        self._awake, self._all = asyncio.Event(), asyncio.Event()
        self._together = 0  # so many came within the time of one commit

    async def record(self, brought: Brought) -> bool:
        """Return, once it is committed, whether it is.

        It is read while others are waited for, or are being committed.
        """
        messages = [Message(brought.raw, " ".join(brought.to))]
        if len(brought.raw) <= SHORT:
            (incoming,) = commands.read(messages, SOURCE)
        else:
            (incoming,) = await asyncio.to_thread(commands.read, messages, SOURCE)
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((incoming, done))
        self._awake.set()
        if len(self._waiting) >= self._together:
            self._all.set()
        return await done

    async def run(self) -> None:
        """Record until the task is cancelled."""
        while True:
            await self._awake.wait()
            if len(self._waiting) < self._together:
                self._all.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._all.wait(), GATHER_S)
            some, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
            if not self._waiting:
                self._awake.clear()
            kept = await asyncio.to_thread(self._keep, [incoming for incoming, _ in some])
            self._together = min(len(some) + len(self._waiting), AT_ONCE)
            for (_, done), well in zip(some, kept, strict=True):
                if not done.done():
                    done.set_result(well)

    def _keep(self, incoming: Sequence[Incoming]) -> Sequence[bool]:
        """Commit them all, or, where one spoils it, each alone."""
        try:
            commands.keep(self._backend, ACTOR, incoming)
        except DBAPIError as error:
            log.warning("bounces wait", reason=database_errors.sentence(error, self._backend.db.url))
            return [False] * len(incoming)
        except Exception:
            if len(incoming) > 1:
                return [self._keep([it])[0] for it in incoming]
            log.exception("a bounce cannot be recorded")
            return [False]
        return [True] * len(incoming)


class Door(asyncio.Protocol):
    """One connection."""

    def __init__(self, domain: str, recorder: Recorder, open_doors: set[Door]) -> None:
        self._dialogue = Dialogue(domain, domain)
        self._recorder, self._open = recorder, open_doors
        self.busy: asyncio.Task[None] | None = None  # the recording of a message
        self._idle: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Greet, or say that there is no room."""
        self._transport: asyncio.Transport = transport
        if len(self._open) >= CONNECTIONS_MOST:
            transport.write(b"421 4.3.2 Too many connections\r\n")
            transport.close()
            return
        self._open.add(self)
        transport.write(self._dialogue.greeting)
        self._wait()

    def connection_lost(self, _error: Exception | None) -> None:
        """Forget what was not complete; what was is recorded all the same."""
        self._open.discard(self)
        if self._idle:
            self._idle.cancel()

    def data_received(self, data: bytes) -> None:
        """Answer, or have it wait while a message is being recorded."""
        self._dialogue.feed(data)
        if self.busy:
            self._transport.pause_reading()
            return
        self._proceed()

    def close(self) -> None:
        """Say that this server ends."""
        if not self._transport.is_closing():
            self._transport.write(b"421 4.3.2 Volley stops\r\n")
            self._transport.close()

    def _proceed(self) -> None:
        replies, brought = self._dialogue.proceed()
        if replies:
            self._transport.write(replies)
        if brought:
            self.busy = asyncio.create_task(self._record(brought))
        elif self._dialogue.over:
            self._transport.close()
        self._wait()

    async def _record(self, brought: Brought) -> None:
        well = await self._recorder.record(brought)
        self.busy = None
        if self._transport.is_closing():
            return
        self._transport.write(self._dialogue.answer(ACCEPTED if well else LATER, brought))
        self._transport.resume_reading()
        self._proceed()

    def _wait(self) -> None:
        if self._idle:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(IDLE_S, self.close)


async def serve(host: str, port: int, domain: str, backend: Backend) -> None:
    """Take reports until SIGTERM or SIGINT. Raises ``OSError`` if the port cannot be had."""
    stop = stop_on_signal()
    recorder = Recorder(backend)
    doors: set[Door] = set()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Door(domain, recorder, doors), host, port, backlog=1024)
    say(f"Bounces for {domain} are taken on {host}:{port}.")
    recording = asyncio.create_task(recorder.run())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({recording, stopping}, return_when=asyncio.FIRST_COMPLETED)
    server.close()
    busy = [door.busy for door in doors if door.busy]
    if busy:
        await asyncio.wait(busy, timeout=GOODBYE_S)
    for door in list(doors):
        door.close()
    recording.cancel()
    with suppress(asyncio.CancelledError):
        await recording


async def _stand_by(why: str) -> None:
    """Keep the place in the Procfile, where the end of one process ends all."""
    stop = stop_on_signal()
    say(why)
    await stop.wait()


def main() -> None:
    """Open the door where the settings want one; exit with a sentence where that is impossible."""
    chosen = load_or_exit()
    if chosen.bounce_bind is None:
        uvloop.run(_stand_by("VOLLEY_BOUNCE_BIND is not set, so bounces are not taken over SMTP."))
        return
    host, port = chosen.bounce_bind
    logs.configure(chosen.log)
    schema.require(chosen.database_url, patient=True)
    database = Database(chosen.database_url)
    backend = Backend(database, events.connect(chosen.redis_url, chosen.database_url))
    gc.freeze()  # what was loaded stays: no collection need walk it again
    gc.set_threshold(20_000, 20, 20)
    try:
        uvloop.run(serve(host, port, chosen.bounce_domain, backend))
    except OSError as error:
        sys.exit(f"Bounces cannot be taken on {host}:{port}: {error.strerror}. Change VOLLEY_BOUNCE_BIND.")
    finally:
        database.close()


if __name__ == "__main__":
    main()
