"""Through PgBouncer in transaction mode, where each transaction may meet another connection of the server."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mailing import checks
from tests.drills.clusters import account, cluster, temporary
from tests.support.processes import Keeper
from tests.support.stack import Stack, free_port, listens, wait_until
from tests.support.web import DRAFT, running

if TYPE_CHECKING:
    from collections.abc import Iterator

PEOPLE = [f"p{n}@example.org" for n in range(200)]


@pytest.fixture
def pooled() -> Iterator[str]:
    """The URL of a database behind a pool of five connections."""
    binary = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    assert Path(binary).exists(), "This test needs PgBouncer: install pgbouncer."
    with temporary() as folder, cluster(folder) as server, Keeper() as keeper:
        port = free_port()
        config = folder / "pgbouncer.ini"
        config.write_text(
            f"[databases]\npostgres = host=127.0.0.1 port={server.port} user=volley\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            "auth_type = any\npool_mode = transaction\ndefault_pool_size = 5\nmax_client_conn = 200\n"
        )
        with (folder / "pgbouncer.log").open("wb") as log:
            keeper.start([binary, config], user=account(), stdout=log, stderr=log)
        wait_until(lambda: listens(port), "PgBouncer listens")
        yield f"postgresql://volley@127.0.0.1:{port}/postgres"


async def test_campaigns_are_sent_and_pages_shown_without_a_single_error(pooled: str, tmp_path: Path):
    with Stack(tmp_path / "stack", pooled, workers=2) as stack:
        assert checks.database(stack.db).ok
        stack.start("redis", "sink", "worker", "beat", "web")
        ids = [stack.send(DRAFT, PEOPLE) for _ in range(3)]
        async with running(stack.settings) as visitor:
            for id_ in ids * 4:
                await visitor.read("/")
                await visitor.read(f"/campaigns/{id_}")
        for id_ in ids:
            stack.wait_for(id_)
        assert stack.delivered() == dict.fromkeys(PEOPLE, 3)
        said = "".join(stack.log(name) for name in ("worker", "web", "beat"))
        assert "prepared statement" not in said
        assert "pipeline" not in said
        assert "trying again" not in said
        assert "Traceback" not in said
