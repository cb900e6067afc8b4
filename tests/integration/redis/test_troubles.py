"""A Redis that answers and takes no work is named with what to do, by check, readiness, pages and API."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import redis

from mailing import checks
from mailing.redis import events
from mailing.redis.errors import explain
from tests.support.redis_servers import server
from tests.support.stack import free_port
from tests.support.web import HOST, running, settings_for, store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mailing.settings import Settings

KINDS = {
    "full": "is full. Raise its maxmemory",
    "replica": "is a read-only replica. Set its primary",
    "disk": "can't write to its disk",
    "password": "rejects the user or password",
    "rights": "denies Volley's user the access it needs",
    "channels": "denies Volley's user the access it needs",
    "number": "has no database with this number",
    "connections": "accepts no more connections",
}
LINES = {
    "replica": [f"replicaof 127.0.0.1 {free_port()}", "replica-serve-stale-data yes"],
    "disk": ["save 3600 1", "stop-writes-on-bgsave-error yes", "dbfilename dump.rdb"],
    "password": ["requirepass other"],
    "rights": ["user default on nopass ~* &* +@read +@connection +publish +info"],
    "channels": ["user default on nopass ~* resetchannels +@all"],
    "number": ["databases 2"],
}


@pytest.fixture(params=list(KINDS))
def troubled(
    request: pytest.FixtureRequest, tmp_path: Path, database_url: str, db: Any
) -> Iterator[tuple[Settings, str]]:
    """Settings of a Redis that is there and takes no work, and what is to be said of it."""
    kind, port = request.param, free_port()
    url = f"redis://127.0.0.1:{port}/{7 if kind == 'number' else 0}"
    with server(tmp_path / "redis", url, f"port {port}", *LINES.get(kind, [])) as client:
        if kind == "full":
            client.config_set("maxmemory", "1mb")
        elif kind == "disk":
            (tmp_path / "redis" / "dump.rdb").mkdir()
            (tmp_path / "redis" / "dump.rdb" / "in the way").touch()
            client.set("a", "b")
            client.bgsave()
            while client.info("persistence")["rdb_bgsave_in_progress"]:
                pass
        elif kind == "connections":
            client.ping()
            client.config_set("maxclients", 1)
        yield settings_for(tmp_path, database_url, VOLLEY_REDIS_URL=url), KINDS[kind]


async def test_each_door_names_it_and_says_what_to_do(troubled, db):
    chosen, words = troubled
    with events.connect(chosen.redis_url, chosen.database_url) as client:
        finding = await asyncio.to_thread(checks.queue, client)
        assert not finding.ok
        assert words in finding.detail
    id_ = store(db, "ann@b.example", send=True)
    async with running(chosen) as visitor:
        await visitor.app.extensions["volley"].queue.look()
        for page in ("/", f"/campaigns/{id_}"):
            assert words.replace("'", "&#39;") in await visitor.read(page)
            assert "No worker is running" not in await visitor.read(page)
        found = (await (await visitor.get("/readyz")).get_json())["checks"]
        assert words in found["redis"]["detail"]
        answer = await visitor.client.post(
            "/api/v1/campaigns",
            headers={"Host": HOST},
            json={"subject": "s", "text": "t", "recipients": "ben@b.example", "send": True},
        )
        assert answer.status_code == 201
        told = await answer.get_json()
        assert "Sending starts when Redis accepts work again." in told["notice"]
        assert told["notice_code"].startswith("redis.")


async def test_a_redis_that_takes_work_needs_no_notice(make_stack, db):
    stack = make_stack()
    stack.start("redis")
    async with running(stack.settings) as visitor:
        assert not await visitor.app.extensions["volley"].queue.look()
        answer = await visitor.client.post(
            "/api/v1/campaigns",
            headers={"Host": HOST},
            json={"subject": "s", "text": "t", "recipients": "ben@b.example", "send": True},
        )
        assert "notice" not in await answer.get_json()
        assert "takes no work" not in await visitor.read("/")
    assert all(0 < stack.redis.pttl(key) <= 10_000 for key in stack.redis.scan_iter("*probe*"))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (redis.BusyLoadingError("Redis is loading the dataset in memory"), "is still loading"),
        (redis.ResponseError("MASTERDOWN Link with MASTER is down"), "has lost its primary"),
        (redis.ResponseError("NOREPLICAS Not enough good replicas to write."), "lacks its required replicas"),
        (redis.ResponseError("MOVED 3999 127.0.0.1:6381"), "is a cluster"),
        (redis.ResponseError("BUSY Redis is busy running a script."), "is busy with a script"),
        (redis.ResponseError("OOM command not allowed when used memory > 'maxmemory'."), "is full"),
        (redis.TimeoutError("Timeout reading from socket"), "is not responding: Timeout reading"),
        (OSError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed"), "isn't trusted"),
    ],
)
def test_each_refusal_has_its_sentence(error, words):
    assert f"Redis at redis:6379 {words}" in str(explain(error, "redis:6379").reason).replace(
        "The certificate of ", ""
    )
