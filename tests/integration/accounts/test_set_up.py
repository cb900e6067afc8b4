"""The first account: on a machine of one's own by anybody there, elsewhere by the link of the log alone."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from mailing.accounts import tokens, users
from mailing.accounts.roles import Role
from tests.support.stack import free_port, wait_until
from tests.support.web import HOST, Visitor, running, settings_for
from webapp.cli.commands import main

PASSWORD = "a word of many letters"
FORM = {"email": "ann@people.example", "password": PASSWORD, "again": PASSWORD}
CLOSED = {"VOLLEY_BIND": "0.0.0.0:5000"}


def anybody(db):
    with db.read() as connection:
        return users.any_exist(connection)


async def test_on_loopback_everybody_uses_it_until_the_first_account_is_made(chosen, db, told):
    async with running(chosen) as visitor:
        page = await visitor.read("/campaigns")
        assert "Anyone on this machine can use Volley." in page
        for of_people in ("/account", "/people", "/keys", "/audit", "/audit.csv"):
            assert (await visitor.get(of_people)).location == "/setup"
        other = Visitor(visitor.app)
        await other.read("/campaigns/new")
        await visitor.read("/setup")
        assert (await visitor.post("/setup", FORM | {"again": "another"})).status_code == 422
        assert (await visitor.post("/setup", FORM | {"email": "ann"})).status_code == 422
        assert not anybody(db)
        made = await visitor.post("/setup", FORM)
        assert (made.status_code, made.location) == (303, "/")
        assert "Anyone on this machine" not in await visitor.read("/campaigns")
        assert "owner" in (await visitor.read("/account")).lower()
        assert (await other.get("/campaigns", headers={"Accept": "text/html"})).location.startswith(
            "/sign-in"
        )
        assert (await other.post("/campaigns", {"subject": "x"})).status_code == 401
        assert (await other.get("/setup")).location == "/sign-in"
        assert (await other.post("/setup", FORM | {"email": "eve@people.example"})).status_code == 409
    assert told()[:2] == ["set up", "sign in"]


async def test_elsewhere_the_link_is_asked_for_and_a_wrong_one_is_refused(tmp_path, database_url, db):
    settings = settings_for(tmp_path, database_url, **CLOSED)
    right = tokens.set_up(settings.secret_key)
    async with running(settings, role=None) as visitor:
        for wrong in (
            "",
            "?token=",
            "?token=x",
            f"?token={right[:-1]}",
            f"?token={tokens.set_up('o' * 40)}",
            "?token=%C3%A9",
        ):
            text = await visitor.read(f"/setup{wrong}", status=403)
            assert "volley setup-link" in text
            assert right not in text
            assert (await visitor.post(f"/setup{wrong}", FORM)).status_code == 403
        said = await visitor.read("/", status=503)
        assert "set up yet" in said
        assert "<nav" not in said  # no page to go to
        assert right not in said
        assert not anybody(db)
        page = await visitor.read(f"/setup?token={right}")
        assert f"/setup?token={right}" in page  # the form goes where the link leads
        assert (await visitor.post(f"/setup?token={right}", FORM)).status_code == 303
        assert await visitor.read("/campaigns")
        stranger = Visitor(visitor.app)
        assert (await stranger.get(f"/setup?token={right}")).location == "/sign-in"
        late = await visitor.post(f"/setup?token={right}", FORM | {"email": "eve@people.example"})
        assert late.status_code in {403, 409}
    with db.read() as connection:
        assert [user.email for user in users.listed(connection)] == ["ann@people.example"]


def test_the_command_prints_the_link_until_there_is_an_account(tmp_path, database_url, db, monkeypatch):
    address = {"VOLLEY_URL": "https://mail.example.com/volley", "VOLLEY_SECRET_KEY": "s" * 40}
    environ = {"VOLLEY_INSTANCE": str(tmp_path), "VOLLEY_DATABASE_URL": database_url, **address}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    printed = CliRunner().invoke(main, ["setup-link"])
    assert printed.output == f"https://mail.example.com/volley/setup?token={tokens.set_up('s' * 40)}\n"
    with db.write() as connection:
        users.add(connection, "ann@people.example", Role.OWNER, None)
    refused = CliRunner().invoke(main, ["setup-link"])
    assert refused.exit_code == 1
    assert "volley user add" in refused.output
    assert "token=" not in refused.output


def test_the_server_logs_the_link_where_others_can_reach_it_and_only_then(make_stack):
    port = free_port()
    stack = make_stack(extra={"VOLLEY_BIND": f"0.0.0.0:{port}"}, web_port=port)
    stack.start("redis", "web")
    right = tokens.set_up(stack.settings.secret_key)
    wait_until(lambda: f"/setup?token={right}" in stack.log("web"), "the link is logged")
    assert f"http://127.0.0.1:{port}/setup?token=" in stack.log("web")
    stack.stop("web")
    with stack.db.write() as connection:
        users.add(connection, "ann@people.example", Role.OWNER, None)
    before = len(stack.log("web"))
    stack.start("web")
    wait_until(lambda: "in a browser" in stack.log("web")[before:], "it serves again")
    assert "token=" not in stack.log("web")[before:]


@pytest.mark.parametrize(("how", "details"), [({}, True), (CLOSED, False)])
async def test_strangers_learn_no_details_of_what_does_not_work(tmp_path, database_url, db, how, details):
    async with running(settings_for(tmp_path, database_url, **how), role=None) as visitor:
        for account in (False, True):
            if account:
                visitor.enter(Role.OWNER)
            answer = await visitor.client.get("/readyz", headers={"Host": HOST})
            found = await answer.get_json()
            assert answer.status_code == 503  # Redis is away
            assert found["checks"]["redis"]["ok"] is False
            told = {key for check in found["checks"].values() for key in check}
            assert ("detail" in told) is (details and not account)
