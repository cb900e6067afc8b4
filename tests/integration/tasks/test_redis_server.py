"""The bundled Redis server as a process: how it starts, what it survives, how it lets go."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tasks.redis_server import CLIENTS_LEAVE_S, place
from tests.support.clock import within
from tests.support.processes import Keeper, run
from tests.support.stack import free_port, quickest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WAIT_S = 30
STOP_S = 1.5  # a second, and some for a busy machine
HONCHO_WAITS_S = 5
PASSWORD = 'p"w ü'
ESCAPED = "p%22w%20%C3%BC"


class Server:
    """The wrapper process with its server, on a port of its own."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self.said: list[str] = []
        self.keeper = Keeper()
        self.process = self.keeper.start(
            [sys.executable, "-m", "tasks.redis_server"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={"VOLLEY_INSTANCE": str(folder), "VOLLEY_REDIS_URL": url},
        )

    def hear(self, word: str) -> str:
        """Return the first line it says with ``word`` in it."""
        assert self.process.stdout is not None
        until = time.monotonic() + WAIT_S
        while select.select([self.process.stdout], [], [], until - time.monotonic())[0]:
            line = self.process.stdout.readline()
            if not line:
                break
            self.said.append(line)
            if word in line:
                return line
        raise AssertionError(f"{word!r} was not said, but: {self.said}")

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url, retry=Retry(NoBackoff(), 0), socket_timeout=5)

    def server_pid(self) -> int:
        with closing(self.client()) as client:
            return int(client.info("server")["process_id"])

    def stop(self, number: int = signal.SIGTERM) -> float:
        """Signal the whole process group, as honcho does, and return how many seconds the end took."""
        start = time.monotonic()
        os.killpg(self.process.pid, number)
        self.process.wait(WAIT_S)
        return time.monotonic() - start

    def close(self) -> None:
        """End it and its server, whatever the test has left of them."""
        try:
            if self.process.poll() is None:
                self.stop()
            with suppress(redis.ConnectionError), closing(self.client()) as client:
                client.shutdown(nosave=True)
        finally:
            self.keeper.end()


def closed(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start servers in one folder, whose path has a space, on one port unless told otherwise."""
    servers: list[Server] = []
    default = f"redis://:{ESCAPED}@127.0.0.1:{free_port()}/0"

    def starter(url: str = default, folder: Path = tmp_path / "the instance") -> Server:
        servers.append(Server(folder, url))
        return servers[-1]

    yield starter
    for server in servers:
        server.close()


def test_it_runs_with_the_settings_that_keep_every_wake_up(start: Callable[..., Server]):
    server = start()
    assert "the instance/redis" in server.hear("Redis server on")
    with closing(server.client()) as client:
        config = client.config_get("*")
    wanted = {
        "appendonly": "yes",
        "appendfsync": "everysec",
        "aof-load-truncated": "yes",
        "maxmemory-policy": "noeviction",
        "save": "",
        "protected-mode": "yes",
        "bind": "127.0.0.1",
        "requirepass": PASSWORD,
        "dir": str(server.folder / "redis"),
    }
    assert {name: config[name] for name in wanted} == wanted


def test_the_password_is_in_no_process_list(start: Callable[..., Server]):
    server = start()
    server.hear("Redis server on")
    listed = run(
        ["ps", "-ww", "-o", "args=", "-p", str(server.server_pid())], capture_output=True, check=True
    )
    assert b"valkey-server" in listed.stdout
    assert PASSWORD.encode() not in listed.stdout


def test_it_stops_within_a_second_when_no_client_is_left_and_keeps_its_data(start: Callable[..., Server]):
    def stop() -> float:
        server = start()
        server.hear("Redis server on")
        with closing(server.client()) as client:
            client.set("kept", "yes")
        seconds = server.stop()
        assert server.process.returncode == 0
        return seconds

    assert quickest(stop, STOP_S) < STOP_S
    again = start()
    again.hear("Redis server on")
    with closing(again.client()) as client:
        assert client.get("kept") == b"yes"


def test_clients_may_finish_before_the_server_goes(start: Callable[..., Server]):
    def stop() -> float:
        server = start()
        server.hear("Redis server on")
        client = server.client()
        client.ping()
        timer = threading.Timer(1.0, lambda: (client.set("last", "word"), client.close()))
        timer.start()
        seconds = server.stop(signal.SIGINT)
        timer.join()
        return seconds

    assert 0.9 < quickest(stop, CLIENTS_LEAVE_S) < CLIENTS_LEAVE_S
    again = start()
    again.hear("Redis server on")
    with closing(again.client()) as client:
        assert client.get("last") == b"word"


def test_a_client_that_never_leaves_does_not_hold_it_up(start: Callable[..., Server]):
    def stop() -> float:
        server = start()
        server.hear("Redis server on")
        with closing(server.client()) as client:
            client.ping()
            seconds = server.stop()
        assert closed(place(server.url, Path()).port)
        return seconds

    assert 2.5 < quickest(stop, HONCHO_WAITS_S) < HONCHO_WAITS_S


def test_a_second_run_with_the_same_folder_leaves_the_first_alone(start: Callable[..., Server]):
    first = start()
    first.hear("Redis server on")
    second = start()
    assert f"process {first.process.pid}." in second.hear("already runs")
    assert second.process.wait(WAIT_S) == 1
    with closing(first.client()) as client:
        assert client.ping()


def test_a_port_that_is_taken_is_one_clear_sentence(start: Callable[..., Server]):
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]
        server = start(f"redis://127.0.0.1:{port}/0")
        server.hear(f"127.0.0.1:{port} is in use by another program")
        assert server.process.wait(WAIT_S) == 1
        other.close()


def test_another_folders_server_is_not_taken_for_our_own(start: Callable[..., Server], tmp_path: Path):
    first = start()
    first.hear("Redis server on")
    second = start(folder=tmp_path / "other")
    second.hear("is in use by another program")
    assert second.process.wait(WAIT_S) == 1


def test_a_server_left_behind_is_stopped_and_its_data_used(start: Callable[..., Server]):
    server = start()
    server.hear("Redis server on")
    stale = server.server_pid()
    with closing(server.client()) as client:
        client.set("kept", "yes")
        # Stopped, it cannot follow its parent into death until it is continued, like one that nobody told.
        os.kill(stale, signal.SIGSTOP)
        server.stop(signal.SIGKILL)
        again = start()
        os.kill(stale, signal.SIGCONT)
    again.hear("Redis server on")
    assert again.server_pid() != stale
    with closing(again.client()) as client:
        assert client.get("kept") == b"yes"


def test_data_cut_short_by_a_kill_does_not_stop_the_start(start: Callable[..., Server]):
    server = start()
    server.hear("Redis server on")
    with closing(server.client()) as client:
        client.set("kept", "yes")
    server.stop()
    (log,) = (server.folder / "redis" / "appendonlydir").glob("*.incr.aof")
    log.write_bytes(log.read_bytes() + b"*3\r\n$3\r\nSE")
    again = start()
    again.hear("Redis server on")
    with closing(again.client()) as client:
        assert client.get("kept") == b"yes"


def test_data_that_cannot_be_read_is_set_aside(start: Callable[..., Server]):
    server = start()
    server.hear("Redis server on")
    server.stop()
    (log,) = (server.folder / "redis" / "appendonlydir").glob("*.incr.aof")
    log.write_bytes(b"garbage\r\n")
    again = start()
    again.hear("no email is lost")
    again.hear("Redis server on")
    assert (server.folder / "redis" / "unreadable").is_dir()


def test_it_says_when_its_server_dies(start: Callable[..., Server]):
    server = start()
    server.hear("Redis server on")
    os.kill(server.server_pid(), signal.SIGKILL)
    server.hear("ended unexpectedly")
    assert server.process.wait(WAIT_S) == 1


def test_it_stands_by_when_redis_is_on_another_machine(start: Callable[..., Server]):
    server = start("redis://redis.example.com/0")
    server.hear("redis.example.com:6379")
    with within(HONCHO_WAITS_S):
        server.stop()
    assert server.process.returncode == 0


@pytest.mark.parametrize(
    "url",
    ["redis://127.0.0.1:6379/0", "redis://localhost", "rediss://127.0.0.1:6380/0", "redis://10.0.0.1:6380/0"],
)
def test_the_default_port_and_other_machines_are_somebody_elses(url: str, tmp_path: Path):
    assert place(url, tmp_path) is None
