"""Signing in by password: it tells nobody who has an account, and storms do no harm."""

from __future__ import annotations

import asyncio
import re
from html import unescape

import pytest

from mailing.accounts import audit, passwords
from mailing.accounts.audit import Asked
from mailing.accounts.roles import Role
from mailing.accounts.throttle import Limit
from mailing.core.actors import Actor, ActorKind
from tasks.commands.accounts import people
from tests.support.web import HOST, Visitor, running, settings_for
from webapp.accounts import doors

PASSWORD = "a word of many letters"
ACTOR = Actor(ActorKind.CLI)


@pytest.fixture(scope="module")
def hashed():
    return passwords.hashed(PASSWORD)


@pytest.fixture
async def visitor(chosen, db, backend, hashed):
    for name, role in (("ann", Role.OWNER), ("bob", Role.VIEWER)):
        people.add(backend, ACTOR, f"{name}@people.example", role, hashed)
    with db.read() as connection:
        people.deactivate(backend, ACTOR, people.users.find(connection, "bob@people.example").id)
    async with running(chosen) as visitor:
        yield visitor


async def sign_in(visitor, email, password=PASSWORD, **more):
    if not visitor.token:
        await visitor.read("/sign-in")
    return await visitor.post("/sign-in", {"email": email, "password": password} | more)


def refusals(db):
    with db.read() as connection:
        rows = audit.page(connection, Asked(action="sign in refused"), limit=1000)
    return [(row.actor_name, row.actor_id, row.details["why"]) for row in reversed(rows)]


async def test_a_wrong_password_an_unknown_address_and_a_deactivated_person_are_answered_alike(
    visitor, db, monkeypatch
):
    computed, honest = [], passwords.matches
    monkeypatch.setattr(passwords, "matches", lambda *asked: computed.append(1) or honest(*asked))
    answers = []
    for email, password in (
        ("ann@people.example", "another word of letters"),
        ("nobody@people.example", PASSWORD),
        ("bob@people.example", PASSWORD),
        ("no address at all", PASSWORD),
        ("", ""),
    ):
        answer = await sign_in(visitor, email, password)
        text = re.sub(r' value="[^"]*"', "", (await answer.get_data()).decode())
        answers.append((answer.status_code, text, "Set-Cookie" in answer.headers))
    assert len(set(answers)) == 1
    assert answers[0][0] == 401
    assert "The email address or the password is wrong." in answers[0][1]
    assert len(computed) == 5  # so all of them take as long
    assert [row[0] for row in refusals(db)][:3] == [
        *("ann@people.example", "nobody@people.example", "bob@people.example")
    ]


async def test_the_right_one_leads_on_with_a_new_session_and_new_form_tokens(visitor, db, told):
    await visitor.read("/sign-in")
    before = {cookie.name: cookie.value for cookie in visitor.client.cookie_jar}
    token = visitor.token
    answer = await sign_in(visitor, " Ann@People.example ", next="/campaigns?before=3")
    assert (answer.status_code, answer.location) == (303, "/campaigns?before=3")
    cookies = " ".join(answer.headers.getlist("Set-Cookie"))
    assert "volley_session=" in cookies
    assert cookies.count("HttpOnly") == cookies.count("SameSite=Lax") == 2
    await visitor.read("/account")
    after = {cookie.name: cookie.value for cookie in visitor.client.cookie_jar}
    assert before["volley"] != after["volley"]
    visitor.token = token
    assert (await visitor.post("/account/sessions/end")).status_code == 403
    assert told()[-1] == "sign in"


async def test_no_target_leaves_the_site(visitor):
    for target in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"):
        visitor.token = ""
        visitor.client.cookie_jar.clear()
        answer = await sign_in(visitor, "ann@people.example", next=target)
        assert (answer.status_code, answer.location) == (303, "/")


async def test_guesses_are_limited_for_an_account_and_for_where_they_come_from(visitor, db, monkeypatch):
    computed = []
    monkeypatch.setattr(passwords, "matches", lambda *_: computed.append(1) and False)
    statuses = [(await sign_in(visitor, "ann@people.example", "x" * 12)).status_code for _ in range(13)]
    assert statuses == [401] * doors.PER_ACCOUNT.burst + [429] * 3
    refused = await sign_in(visitor, "ann@people.example")
    assert refused.status_code == 429  # the right one, too
    assert "Too many attempts" in (await refused.get_data()).decode()
    others = [(await sign_in(visitor, f"{n}@people.example", "x" * 12)).status_code for n in range(60)]
    assert others.count(401) <= doors.PER_ADDRESS.burst + 1
    assert 429 in others
    assert set(others) == {401, 429}
    assert len(computed) == statuses.count(401) + others.count(401)  # what is refused costs no hash


@pytest.mark.parametrize("path", ["/sign-in", "/sign-in/passkey"])
async def test_who_has_a_network_of_ipv6_addresses_has_no_more_tries_by_it(visitor, monkeypatch, path):
    monkeypatch.setattr(doors, "PER_ADDRESS", Limit(2, 3_600_000))
    await visitor.read("/sign-in")
    statuses = []
    for n in range(4):
        form = {"email": f"{n}@people.example", "password": "x" * 12}
        came = {"client": (f"2001:db8::{n}", 1)}
        statuses.append((await visitor.post(path, form, scope_base=came)).status_code)
    assert statuses == [401, 401, 429, 429]


async def test_who_comes_without_https_where_cookies_need_it_is_told_where_to_go(tmp_path, database_url, db):
    address = {"VOLLEY_URL": "https://mail.example.com", "VOLLEY_HOSTS": "lan.test"}
    headers = {"Host": "lan.test", "Origin": "http://lan.test"}
    async with running(settings_for(tmp_path, database_url, **address)) as visitor:
        forgetful = Visitor(visitor.app)  # as a browser is for Secure cookies there
        answer = await forgetful.post("/sign-in", {"email": "ann@people.example"}, headers=headers)
        said = (await answer.get_data()).decode()
    assert answer.status_code == 403
    assert "without HTTPS" in said
    assert "Open Volley at https://mail.example.com." in said


async def test_a_storm_of_a_hundred_leaves_the_pages_alone_and_ends_in_no_fault(visitor, db):
    inside = Visitor(visitor.app)
    inside.enter(Role.OWNER, "ann@people.example")
    await visitor.read("/sign-in")
    async with asyncio.timeout(60):
        storm = [
            asyncio.create_task(sign_in(visitor, f"{n % 20}@people.example", "x" * 12)) for n in range(100)
        ]
        while not all(task.done() for task in storm):
            assert (await inside.get("/campaigns")).status_code == 200
            assert (await inside.get("/healthz")).status_code == 200
        statuses = [(await task).status_code for task in storm]
    assert set(statuses) == {401, 429}
    assert 0 < statuses.count(401) <= doors.PER_ADDRESS.burst + 10
    assert (await sign_in(Visitor(visitor.app), "ann@people.example")).status_code in {303, 429}


async def test_the_password_is_asked_again_as_often_as_for_signing_in(visitor, db, hashed):
    visitor.enter(Role.OWNER, "ann@people.example")
    await visitor.read("/confirm")
    statuses = [
        (await visitor.post("/confirm", {"password": "x" * 12})).status_code
        for _ in range(doors.PER_ACCOUNT.burst + 1)
    ]
    assert statuses == [401] * doors.PER_ACCOUNT.burst + [429]


async def test_an_invitation_is_accepted_on_its_page(visitor, backend, told):
    token = people.invite(backend, ACTOR, "eve@people.example", Role.WRITER)
    assert "eve@people.example" in await visitor.read(f"/invitations/{token}")
    short = await visitor.post(f"/invitations/{token}", {"password": "short", "again": "short"})
    assert short.status_code == 422
    two = await visitor.post(f"/invitations/{token}", {"password": PASSWORD, "again": PASSWORD + "x"})
    assert two.status_code == 422
    done = await visitor.post(f"/invitations/{token}", {"password": PASSWORD, "again": PASSWORD})
    assert done.status_code == 303
    assert "eve@people.example" in await visitor.read("/account")
    for path in (f"/invitations/{token}", "/invitations/x"):
        assert "eve@" not in await visitor.read(path, status=404)
    assert told()[-2:] == ["accept invitation", "sign in"]


async def test_what_was_typed_when_the_session_ended_is_stored_after_signing_in_elsewhere(visitor, db):
    visitor.enter(Role.OWNER, "ann@people.example")
    await visitor.read("/campaigns/new")
    ours = {"Host": HOST, "Origin": f"http://{HOST}", "Sec-Fetch-Site": "same-origin"}
    typed = {
        "from": "Ann Lee <ann@example.org>",
        "subject": "Tea & <b>cake</b>",
        "text": "\nDear {{ name }},\n\nbring cake.\n",
        "recipients": "Ann Lee <ann@example.org>\nbob@example.org",
        "give_up_hours": "48",
    }
    visitor.client.cookie_jar.clear()
    visitor.token = ""
    ended = await visitor.post("/campaigns", typed, headers=dict(ours))
    page = (await ended.get_data()).decode()
    assert ended.status_code == 401
    assert "nothing is lost" in page
    assert "<b>cake" not in page
    assert (await sign_in(visitor, "ann@people.example")).status_code == 303
    kept = fields(page.partition("<footer")[0])
    assert kept == typed
    again = await visitor.client.post("/campaigns", form=kept, headers=dict(ours))
    assert again.status_code == 403  # this form has no token: it comes back filled in, with a new one
    kept = fields((await again.get_data()).decode())
    assert {name: kept[name] for name in typed} == typed
    stored = await visitor.client.post("/campaigns", form=kept, headers=dict(ours))
    assert (stored.status_code, stored.location) == (303, "/campaigns/1")


def fields(page):
    """What the inputs and boxes of a page would send."""
    inputs = re.findall(r'<input([^>]* name="(\w+)"[^>]* value="([^"]*)"[^>]*)>', page)
    found = {name: text for tag, name, text in inputs if 'type="radio"' not in tag or "checked" in tag}
    found |= dict(re.findall(r'<textarea[^>]*name="(\w+)"[^>]*>\n([^<]*)</textarea>', page))
    return {name: unescape(value) for name, value in found.items() if name not in {"email", "next"}}
