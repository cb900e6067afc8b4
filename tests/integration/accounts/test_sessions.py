"""Sessions: how long one counts, what is kept of it, and how soon its end is seen."""

from __future__ import annotations

import asyncio
import dataclasses
import threading

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from mailing.accounts import sessions
from mailing.accounts.roles import Role
from mailing.accounts.sessions import CONFIRMED_MS, IDLE_MS, LONGEST_MS
from mailing.core.actors import Actor, ActorKind
from tasks.commands.accounts import people
from tests.support.clock import within
from tests.support.factors import confirmed_long_ago
from tests.support.marks import PATIENCE_S
from tests.support.web import Visitor, enlist, running
from webapp.http import auth, doorkeeper
from webapp.http.doorkeeper import BELIEVED_S

ACTOR = Actor(ActorKind.CLI)
A_DAY = 24 * 3600 * 1000


@pytest.fixture
async def visitor(chosen, db):
    async with running(chosen) as visitor:
        yield visitor


def begin(db, user_id):
    with db.write() as connection:
        return sessions.begin(connection, user_id, "192.0.2.1", "a browser")


def find(db, token):
    with db.read() as connection:
        return sessions.find(connection, token)


def kept(db):
    with db.read() as connection:
        return connection.execute(select(sessions.table)).all()


def test_a_session_that_is_not_used_for_a_day_ends(db, clock):
    _id, token = begin(db, enlist(db, Role.VIEWER))
    clock.now = find(db, token).seen_at
    clock.pass_ms(IDLE_MS - 1)
    assert find(db, token).email == "viewer@people.example"
    clock.pass_ms(1)
    assert find(db, token) is None


def test_one_that_is_used_every_hour_ends_after_thirty_days(db, clock):
    _id, token = begin(db, enlist(db, Role.VIEWER))
    clock.now = find(db, token).created_at
    for _half in range(LONGEST_MS // A_DAY * 2 - 1):
        clock.pass_ms(A_DAY // 2)
        session = find(db, token)
        assert sessions.to_touch(session)
        with db.write() as connection:
            sessions.touch(connection, session)
    clock.pass_ms(A_DAY // 2 - 1)
    assert find(db, token)
    clock.pass_ms(1)
    assert find(db, token) is None


def test_only_a_hash_of_its_token_is_kept_and_no_two_are_alike(db):
    user = enlist(db, Role.VIEWER)
    tokens = [begin(db, user)[1] for _ in range(3)]
    rows = repr(kept(db))
    assert len(set(tokens)) == 3
    assert not any(token in rows for token in tokens)
    assert find(db, tokens[0] + "x") is None
    assert find(db, "") is None


def test_one_s_sessions_are_ended_by_oneself_alone(db, backend):
    ann, bob = enlist(db, Role.OWNER), enlist(db, Role.VIEWER)
    session_id, token = begin(db, ann)
    people.sign_out(backend, ACTOR, bob, session_id)
    assert find(db, token)
    people.sign_out(backend, ACTOR, ann, session_id)
    assert find(db, token) is None


def test_a_new_password_ends_all_others(db, backend):
    ann = enlist(db, Role.OWNER)
    (mine, token), (_other, elsewhere) = begin(db, ann), begin(db, ann)
    people.change_password(backend, ACTOR, ann, "hash", session=mine)
    assert find(db, token)
    assert find(db, elsewhere) is None


def test_signing_in_again_renews_the_session_and_ends_the_one_before(db, backend):
    ann = enlist(db, Role.OWNER)
    with db.read() as connection:
        user = people.users.get(connection, ann)
    first = people.sign_in(backend, user, "", "", "password")
    second = people.sign_in(backend, user, "", "", "password", before=first)
    assert first != second
    assert find(db, first) is None
    assert find(db, second)


async def test_an_ended_session_is_refused_in_the_next_request(visitor, db):
    visitor.enter(Role.OWNER)
    thief = Visitor(visitor.app)
    thief.client.cookie_jar = visitor.client.cookie_jar
    stolen = {cookie.name: cookie.value for cookie in visitor.client.cookie_jar}
    await visitor.read("/account")
    assert (await visitor.post("/sign-out")).status_code == 303
    thief = Visitor(visitor.app)
    for name, value in stolen.items():
        thief.client.set_cookie("127.0.0.1", name, value)
    assert (await thief.get("/api/v1/campaigns")).status_code == 401
    assert (await thief.get("/account", headers={"Accept": "text/html"})).location.startswith(
        "/sign-in?next="
    )
    assert [row.ended_at is not None for row in kept(db)] == [True]


async def test_a_session_that_another_process_ended_is_refused_within_a_second(visitor, db, backend):
    user_id = visitor.enter(Role.OWNER)
    await visitor.read("/account")
    with within(BELIEVED_S + 0.5):  # and a request
        assert people.sign_out_everywhere(backend, ACTOR, user_id) == 1
        async with asyncio.timeout(PATIENCE_S):
            while (await visitor.get("/api/v1/campaigns")).status_code == 200:
                pass


async def test_a_role_that_another_process_changed_counts_within_a_second(visitor, db, backend):
    visitor.enter(Role.OWNER)
    other = Visitor(visitor.app)
    bob = other.enter(Role.MANAGER)
    await other.read("/campaigns/new")
    with within(BELIEVED_S + 0.5):
        people.change_role(backend, ACTOR, bob, Role.VIEWER)
        async with asyncio.timeout(PATIENCE_S):
            while (await other.get("/campaigns/new")).status_code == 200:
                pass
    assert (await other.get("/campaigns/new")).status_code == 403


def test_to_confirm_who_one_is_gives_the_session_another_token(db, backend):
    session_id, token = begin(db, enlist(db, Role.OWNER))
    renewed = people.confirm(backend, ACTOR, session_id, "password")
    assert find(db, token) is None
    assert find(db, renewed).id == session_id


async def test_one_s_other_sessions_are_ended_only_by_who_has_lately_shown_who_they_are(visitor, db):
    ann = visitor.enter(Role.OWNER)
    other, token = begin(db, ann)
    await visitor.read("/account")
    confirmed_long_ago(db)
    for path in (f"/account/sessions/{other}/end", "/account/sessions/end"):
        visitor.app.extensions["volley"].doors.forget()
        answer = await visitor.post(path)
        assert (answer.status_code, answer.location.partition("?")[0]) == (303, "/confirm")
    assert find(db, token)


async def test_an_owner_signs_somebody_out_everywhere(visitor, db):
    visitor.enter(Role.OWNER)
    bob = enlist(db, Role.VIEWER)
    tokens = [begin(db, bob)[1] for _ in range(2)]
    await visitor.read("/people")
    assert (await visitor.post(f"/people/{bob}/sign-out")).status_code == 303
    assert [find(db, token) for token in tokens] == [None, None]
    assert "Signed out" in await visitor.read("/people")


async def test_what_was_looked_up_before_a_change_is_not_believed_after_it(visitor, db, monkeypatch):
    doors, answers = visitor.app.extensions["volley"].doors, iter(("before", "after"))
    looked, go_on = threading.Event(), threading.Event()

    def look(_connection):
        looked.set()
        assert go_on.wait(30)
        return next(answers)

    slow = asyncio.create_task(doors.ask("what", look))
    await asyncio.to_thread(looked.wait, 30)
    doors.forget()  # something was changed
    go_on.set()
    assert await slow == "before"
    assert await doors.ask("what", look) == "after"


async def test_pages_can_be_read_while_nothing_can_be_written(visitor, db, monkeypatch):
    visitor.enter(Role.OWNER)
    tries = []

    def touch(*_asked):
        tries.append(1)
        raise OperationalError("UPDATE", {}, Exception("the disk is full"))

    monkeypatch.setattr(people, "touch", touch)
    monkeypatch.setattr(sessions, "_TOUCH_MS", -1)
    assert [(await visitor.get("/campaigns")).status_code for _ in range(5)] == [200] * 5
    assert tries


async def test_that_a_session_is_used_is_noted_once_a_minute(visitor, db, clock, monkeypatch):
    visitor.enter(Role.OWNER)
    clock.pass_ms(2 * 60_000)
    monkeypatch.setattr(doorkeeper, "now_ms", clock)
    for _ in range(5):
        assert (await visitor.get("/campaigns")).status_code == 200
    visitor.app.extensions["volley"].doors.forget()
    assert (await visitor.get("/campaigns")).status_code == 200
    assert [row.seen_at for row in kept(db)] == [clock.now]


async def test_a_new_secret_key_signs_everybody_out_and_loses_nothing_else(visitor, chosen, db):
    visitor.enter(Role.OWNER)
    await visitor.read("/account")
    async with running(dataclasses.replace(chosen, secret_key="n" * 40)) as later:
        later.client.cookie_jar = visitor.client.cookie_jar
        assert (await later.get("/account", headers={"Accept": "text/html"})).status_code == 303
        later.enter(Role.OWNER)
        assert "owner@people.example" in await later.read("/account")
    assert len(kept(db)) == 2


@pytest.mark.parametrize("cookie", ["x", "x.y", ".", "é", "A" * 43, "A" * 43 + "." + "0" * 64, "=" * 4000])
async def test_a_made_up_cookie_is_nobody_s_and_asks_the_database_nothing(visitor, monkeypatch, cookie):
    visitor.enter(Role.OWNER)
    stranger, asked = Visitor(visitor.app), []
    monkeypatch.setattr(sessions, "find", lambda *_: asked.append(1))
    answer = await stranger.get("/api/v1/campaigns", headers={"Cookie": f"{auth.COOKIE}={cookie}"})
    assert (answer.status_code, asked) == (401, [])


async def test_people_are_touched_only_by_who_has_lately_shown_who_they_are(visitor, clock):
    visitor.enter(Role.OWNER)
    await visitor.read("/people")
    clock.pass_ms(CONFIRMED_MS + 60_000)
    visitor.app.extensions["volley"].doors.forget()
    auth_clock = pytest.MonkeyPatch()
    with auth_clock.context() as patch:
        patch.setattr(auth, "now_ms", clock)
        assert (await visitor.get("/people")).location == "/confirm?next=/people"
        came = {"Host": "127.0.0.1", "Origin": "http://127.0.0.1", "Referer": "http://127.0.0.1/people"}
        answer = await visitor.post("/people/1/role", {"role": "viewer"}, headers=came)
        assert answer.location == "/confirm?next=/people"  # a page that can be opened
        assert (await visitor.get("/campaigns")).status_code == 200
