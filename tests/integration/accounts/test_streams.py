"""Open streams: they end with the session that opened them, and show each role what it may do."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time

import pytest

from mailing.accounts.roles import Role
from mailing.core.actors import Actor, ActorKind
from tasks.commands import campaigns as commands
from tasks.commands.accounts import people
from tests.support.clock import within
from tests.support.web import HOST, Visitor, enlist, running, store

ACTOR = Actor(ActorKind.CLI)
PATIENCE_S = 30
PATHS = ("/campaigns/1/stream", "/campaigns/stream", "/stream", "/workers/stream", "/news/stream?campaigns=1")
EVENTS = "/api/v1/campaigns/1/events"
SENDS = re.compile(r'action="/campaigns/1/(pause|send|cancel)"')


@pytest.fixture
async def visitor(chosen, db):
    store(db, "ann@b.example", send=True)
    async with running(chosen) as visitor:
        yield visitor


class Stream:
    """An open stream: what came, and when it was over."""

    def __init__(self, connection):
        self._connection, self.text = connection, ""

    async def begun(self):
        """Wait for what it begins with."""
        async with asyncio.timeout(PATIENCE_S):
            while "\n\n" not in self.text:
                self.text += (await self._connection.receive()).decode()

    async def over(self):
        """Wait for its end."""
        async with asyncio.timeout(PATIENCE_S):
            with contextlib.suppress(Exception):  # the client of the tests says so in one of two ways
                while data := await self._connection.receive():
                    self.text += data.decode()


@contextlib.asynccontextmanager
async def streams(visitor, *paths):
    async with contextlib.AsyncExitStack() as stack:
        found = []
        for path in paths:
            connection = visitor.client.request(path, headers={"Host": HOST})
            await stack.enter_async_context(connection)
            stack.push_async_callback(connection.disconnect)
            await connection.send_complete()
            found.append(Stream(connection))
        for each in found:
            await each.begun()
        yield found


async def over(found):
    await asyncio.gather(*(each.over() for each in found))


async def test_those_of_a_session_that_was_revoked_end_within_two_seconds(visitor, db, backend):
    bob, ann = Visitor(visitor.app), Visitor(visitor.app)
    ann.enter(Role.OWNER)
    bob_id = bob.enter(Role.MANAGER)
    async with streams(ann, "/stream") as (stays,), streams(bob, *PATHS, EVENTS) as found:
        with within(2):
            people.sign_out_everywhere(backend, ACTOR, bob_id)  # as another process would
            await over(found)
        assert (await bob.get("/stream", headers={"Accept": "text/event-stream"})).status_code == 401
        before = len(stays.text)
        async with asyncio.timeout(PATIENCE_S):
            while len(stays.text) == before:  # somebody else's goes on
                stays.text += (await stays._connection.receive()).decode()


async def test_those_of_a_person_who_was_deactivated_end_too(visitor, db, backend):
    enlist(db, Role.OWNER)
    bob = Visitor(visitor.app)
    bob_id = bob.enter(Role.VIEWER)
    async with streams(bob, "/campaigns/1/stream") as found:
        with within(2):
            people.deactivate(backend, ACTOR, bob_id)
            await over(found)


async def test_those_of_a_person_with_a_new_role_end_and_the_next_shows_what_it_may_do(visitor, db, backend):
    enlist(db, Role.OWNER)
    bob = Visitor(visitor.app)
    bob_id = bob.enter(Role.MANAGER)
    async with streams(bob, "/campaigns/1/stream") as found:
        assert SENDS.search(found[0].text)
        with within(2):
            people.change_role(backend, ACTOR, bob_id, Role.VIEWER)
            await over(found)
    bob.app.extensions["volley"].doors.forget()
    async with streams(bob, "/campaigns/1/stream") as (after,):
        assert not SENDS.search(after.text)
        assert "csrf_token" not in after.text


async def test_two_who_look_at_one_campaign_see_what_each_may_press(visitor, db):
    ann, bob = Visitor(visitor.app), Visitor(visitor.app)
    ann.enter(Role.MANAGER)
    bob.enter(Role.VIEWER)
    path = "/campaigns/1/stream"
    async with streams(ann, path) as (hers,), streams(bob, path) as (his,), streams(ann, path) as (again,):
        assert SENDS.search(hers.text)
        assert SENDS.search(again.text)
        assert not SENDS.search(his.text)
        assert ("csrf_token" in hers.text, "csrf_token" in his.text) == (True, False)
        assert len(visitor.app.extensions["volley"].boards._boards) == 2
    assert SENDS.search(await ann.read("/campaigns/1"))
    assert not SENDS.search(await bob.read("/campaigns/1"))


async def test_those_of_the_open_time_end_once_there_is_an_account(visitor, db, backend):
    async with streams(visitor, *PATHS) as found:
        with within(2):
            people.set_up(backend, "ann@people.example", "hash", "")
            await over(found)
    assert (await visitor.get("/stream", headers={"Accept": "text/event-stream"})).status_code == 401


async def test_a_stream_by_a_share_link_does_not_end_with_anybody_s_session(visitor, db, backend):
    commands.make_watch_link(backend, ACTOR, 1, "board", 7)
    page = await visitor.read("/campaigns/1")
    link = re.search(r"/watch/[\w.-]+", page)[0]
    async with streams(Visitor(visitor.app), f"{link}/stream") as (found,):
        people.set_up(backend, "ann@people.example", "hash", "")
        before = time.monotonic()
        while time.monotonic() < before + 2:
            async with asyncio.timeout(PATIENCE_S):
                found.text += (await found._connection.receive()).decode()
