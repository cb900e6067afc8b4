"""Two installations on one Redis: neither hears, runs or commands what is the other's."""

from __future__ import annotations

import asyncio
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from mailing import migrate
from mailing.core.database import Database
from mailing.redis import events
from mailing.redis import prefix as redis_prefix
from tasks import queues
from tests.support.processes import run
from tests.support.stack import Stack, wait_until
from tests.support.web import DRAFT
from webapp.live.hub import Feed, Hub

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PEOPLE = ["ann@b.example", "ben@b.example", "cleo@b.example"]


@pytest.fixture(params=["0", "1"], ids=["the same database", "another database"])
def two(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Stack, Stack]]:
    """Two of them; the first has Redis and workers, the second has its list only."""
    with ExitStack() as both:
        one = both.enter_context(Stack(tmp_path / "one", workers=1))
        one.start("redis")
        url = f"redis://127.0.0.1:{one.redis_port}/{request.param}"
        yield one, both.enter_context(Stack(tmp_path / "other", extra={"VOLLEY_REDIS_URL": url}))


def waiting(stack: Stack) -> list[int]:
    client = stack.redis
    pipeline = client.pipeline(transaction=False)
    queues.ask(pipeline, client.prefix)
    return list(queues.depths(pipeline.execute()).waiting)


def test_the_workers_of_one_leave_the_batches_of_the_other_alone(two):
    one, other = two
    theirs = other.send(DRAFT, PEOPLE)
    one.start("sink", "worker", "beat")
    ours = one.send(DRAFT, PEOPLE)
    assert ours == theirs, "by their numbers alone they could be mistaken for each other"
    one.wait_for(ours)
    wait_until(lambda: sum(waiting(one)) == 0, "nothing waits here")
    assert sum(waiting(other)) == 1
    assert other.campaign(theirs).counts["queued"] == len(PEOPLE)


def test_remote_control_of_one_does_not_reach_the_workers_of_the_other(two):
    one, other = two
    one.start("sink", "worker")
    assert "No nodes replied" in inspect(other)
    assert "1 node online" in inspect(one)


def inspect(stack: Stack) -> str:
    """What Celery's own command hears from the workers, as the health check of Compose asks it."""
    command = [sys.executable, "-m", "celery", "-A", "tasks.app", "inspect", "ping", "--timeout=2"]
    done = run(command, env=stack.env, capture_output=True, text=True)
    return done.stdout + done.stderr


async def test_the_news_of_one_are_not_heard_in_the_other(two):
    hubs = [Hub(stack.settings.redis_url, stack.settings.database_url) for stack in two]
    feeds = [Feed(), Feed()]
    for hub in hubs:
        hub.start()
    async with (
        hubs[0].listening(feeds[0], events.channel(1), events.ALL_CAMPAIGNS),
        hubs[1].listening(feeds[1], events.channel(1), events.ALL_CAMPAIGNS),
    ):
        for number, stack in enumerate(two):
            news = {"type": "campaign", "campaign": 1, "state": "paused", "at": number}
            assert await asyncio.to_thread(events.publish, stack.redis, [news])
        for number, feed in enumerate(feeds):
            heard: list[bytes] = []
            async with asyncio.timeout(10):
                while len(heard) < 2:  # on both channels
                    heard += await feed.lines(1)
            assert all(b'"at":%d' % number in line for line in heard)
    for hub in hubs:
        await hub.close()


def test_everything_in_redis_carries_the_name_of_its_installation(two):
    one, other = two
    one.start("sink", "worker", "beat")
    one.wait_for(one.send(DRAFT, PEOPLE))
    other.send(DRAFT, PEOPLE)
    prefixes = tuple(stack.redis.prefix.encode() for stack in two)
    assert prefixes[0] != prefixes[1]
    for stack in two:
        client = stack.redis
        assert client.keys()
        assert all(key.startswith(prefixes) for key in client.scan_iter())
        assert all(name.startswith(prefixes) for name in client.pubsub_channels())


def test_an_installation_keeps_its_name_and_all_who_share_its_database_know_it(database_url):
    migrate.upgrade(database_url)
    prefix = redis_prefix.prefix(database_url)
    migrate.upgrade(database_url)
    database = Database(database_url)
    with database.read() as connection:
        assert prefix == f"volley:{redis_prefix.name(connection)}:"
    database.close()
