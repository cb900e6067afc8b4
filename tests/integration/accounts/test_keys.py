"""API keys: shown once, bound to scopes and to their maker's role, refused at once when they are revoked."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from sqlalchemy import select, update
from werkzeug.datastructures import Headers

from mailing.accounts import audit, users
from mailing.accounts.audit import Asked
from mailing.accounts.roles import Permission, Role
from mailing.accounts.tables import api_keys as table
from mailing.core import logs
from mailing.core.clock import now_ms
from mailing.programs import api_keys
from mailing.redis import events
from tasks.commands.accounts import people
from tests.support import programs
from tests.support.api import CAMPAIGNS, order, post, problem_of
from tests.support.clock import within
from tests.support.marks import PATIENCE_S
from tests.support.programs import CLI, ask, bearing, make_key
from tests.support.redis_servers import server
from tests.support.stack import free_port
from tests.support.web import HOST, Visitor, enlist, running
from webapp.cli.commands import main
from webapp.programs import limits
from webapp.programs.limits import Limits

if TYPE_CHECKING:
    from pathlib import Path

    from quart.typing import TestClientProtocol

    from mailing.core.database import Database
    from mailing.settings import Settings

TELLER = frozenset({Permission.READ, Permission.WRITE})


@pytest.fixture(autouse=True)
def _no_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command runs in this process: it must not redirect its log."""
    monkeypatch.setattr(logs, "configure", lambda _kind, **_more: None)


def forget(client: TestClientProtocol) -> None:
    """Let a second go by, after which nothing is believed without a look."""
    client.app.extensions["volley"].doors.forget()


def only_key(db: Database) -> Any:
    with db.read() as connection:
        return api_keys.listed(connection)[0]


async def test_what_a_browser_shows_to_a_proxy_does_not_shut_its_session_out(
    client: TestClientProtocol, db: Database
):
    enlist(db, Role.OWNER)
    to_a_proxy = {"Host": HOST, "Authorization": "Basic YW5uOmhlcm9u"}
    signed_in = Visitor(client.app)
    signed_in.enter(Role.VIEWER)
    assert (await signed_in.get(CAMPAIGNS, headers=to_a_proxy)).status_code == 200
    stranger = await Visitor(client.app).get(CAMPAIGNS, headers=to_a_proxy)
    assert (await problem_of(stranger, 401))["code"] == "bearer.scheme"
    several = Headers([("Host", HOST), ("Authorization", "Basic YQ=="), ("Authorization", "Bearer volley_x")])
    assert (await signed_in.get(CAMPAIGNS, headers=several)).status_code == 401  # a key is no decoration


async def test_a_key_opens_the_api_and_the_audit_log_names_it(client: TestClientProtocol, db: Database):
    text = make_key(client.app, TELLER)
    assert (await ask(client, text)).status_code == 200
    await post(client, order(), **bearing(text))
    key = only_key(db)
    with db.read() as connection:
        created, made = (
            audit.page(connection, asked)[0] for asked in (Asked(actor="script"), Asked(action="add key"))
        )
        kept = connection.execute(select(table)).mappings().one()
    assert key.used_at >= key.created_at
    assert text.split("_")[2] not in str(dict(kept))
    assert (made.actor_kind, made.subject, made.details["name"]) == ("cli", f"key:{key.id}", "script")
    assert (created.actor_kind, created.actor_name, created.actor_id) == ("api", "script", key.id)


async def test_a_key_may_do_what_its_scopes_name_and_is_told_what_it_lacks(client: TestClientProtocol):
    reader, writer = make_key(client.app), make_key(client.app, TELLER)
    refused = await client.post(CAMPAIGNS, json=order(), headers=bearing(reader))
    problem = await problem_of(refused, 403)
    assert problem["code"] == "request.scope"
    assert "campaigns:write" in problem["detail"]
    assert refused.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope", scope="campaigns:write"'
    stored = await post(client, order(), **bearing(writer))
    sent = await client.post(f"{CAMPAIGNS}/{stored['id']}/send", headers=bearing(writer))
    assert "campaigns:send" in (await problem_of(sent, 403))["detail"]
    at_once = await client.post(CAMPAIGNS, json=order(send=True), headers=bearing(writer))
    assert "campaigns:send" in (await problem_of(at_once, 403))["detail"]


async def test_what_is_no_good_key_is_refused_also_where_nobody_needs_one(client: TestClientProtocol):
    good = make_key(client.app)
    assert (await client.get(CAMPAIGNS)).status_code == 200
    wrong = [
        *("", "Bearer", "Bearer ", "Bearer x", f"Basic {good}", f"Bearer {good}x", f"Bearer {good} {good}"),
        *(f"Bearer {good[:-1]}", f"Bearer {good},Bearer {good}", f"Bearer {good.upper()}", good),
        *("Bearer " + "a" * 9000, "Bearer é", "Bearer a.b.c", "Bearer volley_aaaaaaaa_" + "a" * 32),
        *(f"Bearer {good[:-32]}{'a' * 32}", "Bearer " + "." * 50),
    ]
    for field in wrong:
        answer = await client.get(CAMPAIGNS, headers={"Authorization": field})
        problem = await problem_of(answer, 401)
        assert problem["code"].startswith("bearer."), field
        assert answer.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token"')
    twice = await client.get(CAMPAIGNS, headers=[("Authorization", f"Bearer {good}")] * 2)
    assert (await problem_of(twice, 401))["code"] == "bearer.several"
    assert (await client.get(CAMPAIGNS, headers={"Authorization": f"bearer  {good}"})).status_code == 200
    assert (await client.get("/healthz", headers={"Authorization": "Basic eDp5"})).status_code == 200


async def test_a_key_in_a_url_is_refused_and_told_to_be_replaced(client: TestClientProtocol):
    good = make_key(client.app)
    for query in (f"key={good}", f"a=1&access_token={good}", "access_token=a.b.c"):
        problem = await problem_of(await client.get(f"{CAMPAIGNS}?{query}", headers=bearing(good)), 400)
        assert "Revoke it" in problem["detail"]
        assert good not in str(problem)


async def test_once_somebody_has_an_account_a_program_needs_a_key(client: TestClientProtocol):
    programs.person(client.app, "ann@example.org", Role.OWNER)
    forget(client)
    refused = await client.get(CAMPAIGNS)
    assert "Authorization: Bearer" in (await problem_of(refused, 401))["detail"]
    assert refused.headers["WWW-Authenticate"] == "Bearer"
    assert (await ask(client, make_key(client.app))).status_code == 200


async def test_a_key_loses_what_the_role_of_its_maker_loses_and_ends_with_the_account(
    client: TestClientProtocol, db: Database
):
    programs.person(client.app, "owner@example.org", Role.OWNER)
    ann = programs.person(client.app, "ann@example.org", Role.OWNER)
    assert ann.id
    text = make_key(client.app, [*TELLER, Permission.AUDIT], by=ann)
    await post(client, order(), **bearing(text))
    people.change_role(programs.backend_of(client.app), CLI, ann.id, Role.VIEWER)
    forget(client)
    assert (await client.post(CAMPAIGNS, json=order(), headers=bearing(text))).status_code == 403
    assert (await ask(client, text)).status_code == 200
    assert only_key(db).permissions == {Permission.READ}
    people.deactivate(programs.backend_of(client.app), CLI, ann.id)
    forget(client)
    assert (await problem_of(await ask(client, text), 401))["code"] == "bearer.revoked"
    with db.write() as connection:
        users.reactivate(connection, ann.id)
    forget(client)
    assert (await ask(client, text)).status_code == 401


async def test_a_key_that_expired_is_refused(client: TestClientProtocol, db: Database):
    text = make_key(client.app, days=1)
    assert (await ask(client, text)).status_code == 200
    with db.write() as connection:
        connection.execute(update(table).values(expires_at=1))
    forget(client)
    assert (await problem_of(await ask(client, text), 401))["code"] == "bearer.expired"


async def test_a_key_that_another_process_revoked_is_refused_after_a_second_and_its_stream_ends_after_two(
    client: TestClientProtocol, db: Database
):
    text = make_key(client.app, TELLER)
    path = f"{CAMPAIGNS}/{(await post(client, order(), **bearing(text)))['id']}/events"
    async with client.request(path, headers=bearing(text)) as stream:
        await stream.send_complete()
        assert (await stream.receive()).startswith(b"event: snapshot")
        assert (await ask(client, text)).status_code == 200
        with db.write() as connection:
            api_keys.revoke(connection, only_key(db).id)
        with within(2):
            async with asyncio.timeout(PATIENCE_S):
                while (await ask(client, text)).status_code == 200:
                    pass
                await stream.as_response()


def allow(monkeypatch: pytest.MonkeyPatch, requests: int) -> None:
    """Let each program ask so often at once, and as long as the machine needs to count it."""
    monkeypatch.setattr(limits, "LIMIT", limits.Limit(burst=requests, every_ms=60_000))
    monkeypatch.setattr(limits, "PATIENCE_S", PATIENCE_S)


async def test_a_program_that_asks_too_often_is_told_when_to_go_on(
    client: TestClientProtocol, monkeypatch: pytest.MonkeyPatch
):
    allow(monkeypatch, 3)
    eager, other = make_key(client.app), make_key(client.app)
    answers = [await ask(client, eager) for _ in range(4)]
    assert [it.status_code for it in answers] == [200, 200, 200, 429]
    assert [it.headers["RateLimit"] for it in answers[:3]] == [
        *('"key";r=2;t=60', '"key";r=1;t=120', '"key";r=0;t=180')
    ]
    problem = await problem_of(answers[3], 429)
    assert problem["code"] == "request.too-many"
    assert 50 <= int(answers[3].headers["Retry-After"]) <= 60
    assert answers[3].headers["RateLimit-Policy"] == '"key";q=100;w=10'
    assert (await ask(client, other)).status_code == 200


async def test_all_processes_count_together_and_each_alone_while_redis_is_away(
    db: Database, chosen: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    allow(monkeypatch, 4)
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    with server(tmp_path / "redis", url, f"port {port}"):
        one, two = (events.connect_async(url) for _ in range(2))
        sides = [Limits(client, chosen.database_url) for client in (one, two)]
        taken = [await sides[turn % 2].take("key:1") for turn in range(5)]
        assert [it.left for it in taken] == [3, 2, 1, 0, 0]
        assert [bool(it.wait_ms) for it in taken] == [False] * 4 + [True]
        assert 50_000 < taken[-1].wait_ms <= 60_000
    monkeypatch.setattr(limits, "PATIENCE_S", 0.2)
    with within(2):
        assert (await sides[0].take("key:1")).left == 3
        assert (await sides[0].take("key:1")).left == 2
    for client in (one, two):
        await client.aclose()


async def test_the_page_shows_a_new_key_once_lists_it_without_its_secret_and_revokes_it(
    db: Database, chosen: Settings
):
    async with running(chosen) as visitor:
        owner = programs.person(visitor.app, "ann@example.org", Role.OWNER)
        programs.sign_in(visitor.app, visitor.client, owner)
        assert "There are no keys yet" in await visitor.read("/keys")
        empty = await visitor.post("/keys", {"name": "x", "days": "30"})
        assert empty.status_code == 422
        assert "Choose at least one scope" in await empty.get_data(as_text=True)
        odd = {"name": "x", "days": "31", "scope": "campaigns:read"}
        assert (await visitor.post("/keys", odd)).status_code == 400
        assert (await visitor.post("/keys", odd | {"days": "30", "scope": "keys:write"})).status_code == 400
        form = {"name": " Nightly \n report ", "days": "90", "scope": "campaigns:read"}
        made = await visitor.post("/keys", form)
        assert made.status_code == 201
        key = only_key(db)
        shown = await made.get_data(as_text=True)
        text = shown.split('class="once">')[1].split("<")[0]
        assert text.startswith(f"volley_{key.prefix}_")
        listed = await visitor.read("/keys")
        assert text.split("_")[2] not in listed
        assert (key.name, key.maker, key.scopes) == ("Nightly report", "ann@example.org", {Permission.READ})
        assert 89 < (key.expires_at - key.created_at) / 86_400_000 <= 90
        program = visitor.app.test_client()
        assert (await ask(program, text)).status_code == 200
        assert (await visitor.post(f"/keys/{key.id}/revoke")).status_code == 303
        assert (await ask(program, text)).status_code == 401
        assert "Key revoked" in await visitor.read("/keys")
        await _strangers(visitor, text)


async def _strangers(visitor: Visitor, text: str) -> None:
    """Neither a role that may not, nor a key, opens the page."""
    manager = programs.person(visitor.app, "ben@example.org", Role.MANAGER)
    browser = visitor.app.test_client()
    programs.sign_in(visitor.app, browser, manager)
    assert (await browser.get("/keys", headers={"Host": "127.0.0.1"})).status_code == 403
    answer = await visitor.app.test_client().get("/keys", headers={"Host": "127.0.0.1", **bearing(text)})
    assert answer.status_code == 401


def test_the_command_line_prints_a_new_key_alone_lists_and_revokes(db: Database, chosen: Settings):
    env = {"VOLLEY_INSTANCE": str(chosen.instance), "VOLLEY_DATABASE_URL": chosen.database_url}
    env["VOLLEY_REDIS_URL"] = chosen.redis_url

    def volley(*arguments: str) -> Any:
        return CliRunner().invoke(main, ["key", *arguments], env=env)

    made = volley("add", "script", "--scope", "campaigns:read", "--expires-days", "30")
    text = made.stdout.strip()
    assert made.exit_code == 0, made.output
    assert api_keys.SHAPE.fullmatch(text)
    key = only_key(db)
    assert (key.maker, key.permissions) == ("", {Permission.READ})
    assert f"{key.prefix}  script  campaigns:read  until " in volley("list").stdout
    assert volley("add", "x", "--scope", "people:write").exit_code == 2
    assert volley("add", "x").exit_code == 2
    assert volley("revoke", "zzzzzzzz").exit_code == 1
    assert volley("revoke", key.prefix).exit_code == 0
    assert "revoked" in volley("list").stdout


@pytest.mark.parametrize(
    ("name", "scopes"),
    [("", ["campaigns:read"]), ("x" * 81, ["campaigns:read"]), ("x", []), ("x", Permission)],
)
def test_a_key_has_a_name_and_scopes_that_a_program_may_have(db: Database, name: str, scopes: Any):
    with db.write() as connection, pytest.raises(users.AccountError):
        api_keys.add(connection, name, [Permission(it) for it in scopes], user_id=None, expires_at=None)


def test_a_key_that_never_expires_counts_however_fast_the_clock_goes(
    db: Database, monkeypatch: pytest.MonkeyPatch
):
    ticks = itertools.count(now_ms(), 1000)
    monkeypatch.setattr(api_keys, "now_ms", lambda: next(ticks))
    with db.write() as connection:
        key_id, _ = api_keys.add(connection, "x", [Permission.READ], user_id=None, expires_at=None)
        assert [it.id for it in api_keys.listed(connection)] == [key_id]
        assert api_keys.permissions(connection, [key_id]) == {key_id: {Permission.READ}}
