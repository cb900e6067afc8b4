"""A campaign's message through the API before it is sent: previewed, sent as a test, and checked."""

from __future__ import annotations

from dataclasses import replace
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select

from mailing.accounts.roles import Permission
from mailing.accounts.tables import audit
from mailing.core.tables import attempts
from mailing.internet import names
from tasks.commands import campaigns as commands
from tests.support.api import CAMPAIGNS, faults_of, order, post, problem_of
from tests.support.programs import CLI, bearing, make_key
from tests.support.smtp_server import DROP, FakeServer
from tests.support.stack import free_port
from tests.support.web import DRAFT, settings_for, store
from webapp.app import create_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from quart.typing import TestClientProtocol

    from mailing.core.database import Database

LIST = "Ann Lee <ann@x.example>\nBến <ben@x.example>"
HTML = '<p>Chào {{ name }}</p><img src="x.png"><a href="https://example.org/park">the park</a>'


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    async with FakeServer() as server:
        yield server


@pytest.fixture
async def client(
    tmp_path: Path, db: Database, database_url: str, server: FakeServer
) -> AsyncIterator[TestClientProtocol]:
    """A program, and a mail server behind Volley that is there."""
    app = create_app(settings_for(tmp_path, database_url, VOLLEY_SMTP_URL=f"smtp://127.0.0.1:{server.port}"))
    async with app.test_app():
        yield app.test_client()


@pytest.fixture(autouse=True)
def no_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """No server of names can be asked."""

    async def ask(*_: object) -> tuple[str, ...]:
        raise names.UnansweredError

    monkeypatch.setattr(names.Dns, "texts", ask)


async def got(client: TestClientProtocol, call: str, body: dict[str, Any] | None = None, at: int = 1) -> Any:
    response = await client.post(f"{CAMPAIGNS}/{at}/{call}", json=body or {})
    assert response.status_code == 200, await response.get_data()
    return await response.get_json()


async def test_a_preview_is_the_message_as_its_recipient_gets_it_to_the_last_byte(client, db):
    store(db, LIST, replace(DRAFT, html=HTML))
    it = await got(client, "preview", {"recipient": "BEN@x.example"})
    assert (it["recipient"], it["to"]) == (
        {"id": 2, "email": "ben@x.example", "name": "Bến"},
        "ben@x.example",
    )
    assert it["subject"] == "Picnic, Bến"
    assert it["text"].startswith("Dear Bến,")
    assert "Chào Bến" in it["html"]
    assert {"name": "To", "value": "Bến <ben@x.example>"} in it["headers"]
    assert {"name": "Subject", "value": "Picnic, Bến"} in it["headers"]
    page = await client.get("/campaigns/1/preview.eml?to=2", headers={"Host": "127.0.0.1"})
    sent = (await page.get_data()).decode()
    assert undated(it["source"]) == undated(sent)
    assert it["size"] == len(it["source"].encode())
    read = message_from_bytes(it["source"].encode(), policy=policy.default)
    assert read["Subject"] == it["subject"]


def undated(source: str) -> list[str]:
    return [line for line in source.split("\r\n") if not line.startswith("Date:")]


async def test_a_preview_is_for_anybody_by_id_by_address_or_for_an_address_outside_the_list(client, db):
    store(db, LIST)
    first, second = "ann@x.example", "ben@x.example"
    for body, whose, to in (
        (None, first, first),
        ({"recipient": 2}, second, second),
        ({"to": second}, second, second),
        ({"to": "me@y.example"}, first, "me@y.example"),
        ({"to": "me@y.example", "recipient": 2}, second, "me@y.example"),
        ({"to": first, "recipient": second}, second, first),
    ):
        it = await got(client, "preview", body)
        assert (it["recipient"]["email"], it["to"]) == (whose, to), body
        assert f"<{to}>" in next(field["value"] for field in it["headers"] if field["name"] == "To")


async def test_a_preview_names_its_files(client):
    files = [{"name": "plan.txt", "content": "SGVsbG8="}]
    await post(client, order(attachments=files))
    it = await got(client, "preview")
    assert it["files"] == [{"name": "plan.txt", "type": "text/plain", "size": 5}]


async def test_a_test_goes_out_at_once_and_the_answer_is_all_that_was_said(client, db, server):
    store(db, LIST)
    it = await got(client, "test", {"to": "me@y.example", "recipient": 2})
    assert (it["accepted"], it["to"], it["recipient"]["email"]) == (True, "me@y.example", "ben@x.example")
    assert it["server"] == f"127.0.0.1:{server.port}"
    assert it["began_at"].endswith("Z")
    said = [(line["side"], line["said"]) for line in it["dialogue"]]
    assert ("client", "RCPT TO:<me@y.example>") in said
    assert said[-1][0] == "server"
    assert [line["ms"] for line in it["dialogue"]] == sorted(line["ms"] for line in it["dialogue"])
    assert {line["stage"] for line in it["dialogue"]} >= {"connect", "greeting", "mail", "rcpt", "dot", None}
    (received,) = server.accepted
    assert received.recipients == ("me@y.example",)
    assert b"Dear" in received.data


async def test_a_test_is_what_recipients_get_with_all_its_headers(client, db, server):
    """But for what has to be of its own: the date, and the Message-ID."""
    store(db, LIST, replace(DRAFT, html=HTML))
    await got(client, "test", {"to": "ben@x.example"})
    real = (await got(client, "preview", {"recipient": 2}))["source"]
    (received,) = server.accepted
    parts = [message_from_bytes(it, policy=policy.default) for it in (received.data, real.encode())]
    assert parts[0].keys() == parts[1].keys()
    own = {"Date", "Message-ID", "Content-Type"}
    headers = [[(name, value) for name, value in it.items() if name not in own] for it in parts]
    assert headers[0] == headers[1]
    bodies = [[part.get_content() for part in it.iter_parts()] for it in parts]
    assert bodies[0] == bodies[1]


async def test_a_test_is_outside_the_ledger_and_in_the_audit_log(client, db):
    store(db, LIST)
    await got(client, "test", {"to": "me@y.example"})
    with db.read() as connection:
        assert connection.execute(select(func.count()).select_from(attempts)).scalar() == 0
        told = connection.execute(select(audit.c.details).where(audit.c.action == "test send")).scalars()
        assert list(told) == [{"to": "me@y.example", "recipient": "ann@x.example"}]
    campaign = await (await client.get(f"{CAMPAIGNS}/1")).get_json()
    assert (campaign["state"], campaign["counts"]["queued"], campaign["counts"]["sent"]) == ("draft", 2, 0)


@pytest.mark.parametrize(
    ("refusal", "in_its_words"),
    [
        ({"rcpt": b"550 5.1.1 <me@y.example> is unknown here\r\n"}, True),
        ({"greeting": b"554 5.7.1 Go away\r\n"}, False),
        ({"greeting": DROP}, False),
    ],
)
async def test_a_server_that_does_not_take_it_is_an_answer(client, db, server, refusal, in_its_words):
    server.answers |= refusal
    store(db, LIST)
    it = await got(client, "test", {"to": "me@y.example"})
    assert not it["accepted"]
    assert it["reply"].startswith("55") is in_its_words
    assert (it["reason_code"] is None) is in_its_words
    assert it["dialogue"]


async def test_a_server_that_cannot_be_reached_is_an_answer_too(tmp_path, db, database_url):
    url = f"smtp://127.0.0.1:{free_port()}"
    app = create_app(settings_for(tmp_path, database_url, VOLLEY_SMTP_URL=url))
    store(db, LIST)
    async with app.test_app():
        it = await got(app.test_client(), "test", {"to": "me@y.example"})
    assert (it["accepted"], it["dialogue"][0]["side"]) == (False, "note")
    assert it["reason_code"]


async def test_who_sends_many_tests_is_told_when_to_try_again(client, db, server):
    store(db, LIST)
    for _ in range(5):
        await got(client, "test", {"to": "me@y.example"})
    answer = await client.post(f"{CAMPAIGNS}/1/test", json={"to": "me@y.example"})
    assert (await problem_of(answer, 429))["code"] == "test-send.too-many"
    assert 0 < int(answer.headers["Retry-After"]) <= 15
    assert len(server.accepted) == 5


@pytest.mark.parametrize(
    ("call", "body", "said"),
    [
        ("test", {}, {"to": '"to" is missing. Give the address to send the test to.'}),
        ("test", {"to": ""}, {"to": "Must not be empty. Give the address to send the test to."}),
        ("test", {"to": "a@x.example", "recipient": 9}, {"recipient": "This campaign has no recipient 9."}),
        ("test", {"to": ["a@x.example"]}, {"to": "Must be a string."}),
        ("test", {"to": "nobody"}, {"to": "Enter the address to send the test to."}),
        ("test", {"to": "me@y.example\r\nRCPT TO:<eve@y.example>"}, {"to": "Enter the address"}),
        ("preview", {"to": "nobody"}, {"to": "Missing"}),
        ("preview", {"recipient": "zoe@x.example"}, {"recipient": "zoe@x.example is not in the list."}),
        ("preview", {"recipient": 3}, {"recipient": "This campaign has no recipient 3."}),
        ("preview", {"recipient": 2**70}, {"recipient": "Must be the id or the address of a recipient"}),
        ("preview", {"recipient": True}, {"recipient": "Must be the id or the address of a recipient"}),
        ("preview", {"recipient": "\0"}, {"recipient": "Must be the id or the address of a recipient"}),
        ("preview", {"as": "ann@x.example"}, {"as": "Unknown field 'as'. Use: recipient, to."}),
        ("preflight", {"open_links": "yes"}, {"open_links": "Must be true or false."}),
        ("preflight", {"links": True}, {"links": "Unknown field 'links'. Use: open_links."}),
    ],
)
async def test_bad_input_is_refused_with_what_to_do(client, db, call, body, said):
    """Recipient 3 is one of another campaign."""
    store(db, LIST)
    store(db, "zoe@x.example")
    found = await faults_of(await client.post(f"{CAMPAIGNS}/1/{call}", json=body))
    assert found.keys() == said.keys()
    for field, sentence in said.items():
        assert found[field].startswith(sentence), found


@pytest.mark.parametrize("call", ["preview", "test", "preflight"])
async def test_a_campaign_that_is_not_there_and_a_body_that_is_none(client, db, call):
    body = {"to": "me@y.example"} if call == "test" else {}
    answer = await client.post(f"{CAMPAIGNS}/9/{call}", json=body)
    assert (await problem_of(answer, 404))["code"] == "campaign.not-found"
    store(db, LIST)
    for sent, status in ((b"{", 400), (b"[]", 422), (b'{"a": 1, "a": ', 400)):
        headers = {"Content-Type": "application/json"}
        await problem_of(await client.post(f"{CAMPAIGNS}/1/{call}", data=sent, headers=headers), status)


@pytest.mark.parametrize("call", ["preview", "test"])
@pytest.mark.parametrize("text", ["{{ city }}", "{{ name", "{{ name + 1 }}", "{{ 'x' * 999999999 }}"])
async def test_a_message_that_cannot_be_filled_says_why(client, db, call, text):
    """A draft may be saved in the middle of a word."""
    store(db, LIST)
    commands.revise(db, CLI, 1, replace(DRAFT, text=text))
    body = {"to": "me@y.example"} if call == "test" else {}
    problem = await problem_of(await client.post(f"{CAMPAIGNS}/1/{call}", json=body), 409)
    assert problem["code"].split(".")[0] in {"message", "template"}
    assert (await got(client, "preflight"))["findings"][0]["severity"] == "red"


async def test_a_campaign_without_recipients_has_nobody_to_show(client, db):
    store(db, "")
    for call, body in (("preview", {}), ("test", {"to": "me@y.example"})):
        problem = await problem_of(await client.post(f"{CAMPAIGNS}/1/{call}", json=body), 409)
        assert problem["code"] == "list-fault.no-addresses"
    assert (await got(client, "preflight"))["counts"]["red"] > 0


async def test_the_check_says_what_is_wrong_how_grave_it_is_and_what_to_do(client, db):
    store(db, LIST, replace(DRAFT, text="{{ city }}", html=HTML))
    it = await got(client, "preflight")
    severities = [each["severity"] for each in it["findings"]]
    assert severities == sorted(severities, key=["red", "amber", "unknown", "green"].index)
    assert it["counts"] == {name: severities.count(name) for name in ("red", "amber", "unknown", "green")}
    assert "city" in it["findings"][0]["detail"]
    unasked = next(each for each in it["findings"] if each["severity"] == "unknown")
    assert unasked["code"]
    store(db, LIST, replace(DRAFT, html=HTML))
    found = {each["code"]: each for each in (await got(client, "preflight", at=2))["findings"]}
    alt = found["preflight.no-alt"]
    assert (alt["severity"], alt["todo_code"]) == ("amber", "preflight.no-alt-todo")
    assert alt["todo"].startswith("Describe each one in its alt attribute.")
    assert found["preflight.text-fine"]["todo"] is None


async def test_the_check_opens_links_only_when_told_to_and_not_all_the_time(client, db):
    store(db, LIST, replace(DRAFT, html='<a href="http://127.0.0.1:9/x">the park</a>'))
    it = await got(client, "preflight")
    assert (it["links"], it["links_opened"]) == (1, False)
    it = await got(client, "preflight", {"open_links": True})
    assert it["links_opened"]
    assert "link.private" in {each["code"] for each in it["findings"]}
    for _ in range(4):
        await got(client, "preflight", {"open_links": True})
    answer = await client.post(f"{CAMPAIGNS}/1/preflight", json={"open_links": True})
    assert (await problem_of(answer, 429))["code"] == "link.too-many"
    await got(client, "preflight")


@pytest.mark.parametrize("call", ["preview", "test", "preflight"])
async def test_a_key_needs_the_scope_to_write(client, db, call):
    store(db, LIST)
    body = {"to": "me@y.example"} if call == "test" else {}
    for scope, status in ((Permission.READ, 403), (Permission.SEND, 403), (Permission.WRITE, 200)):
        key = bearing(make_key(client.app, [scope]))
        answer = await client.post(f"{CAMPAIGNS}/1/{call}", json=body, headers=key)
        assert answer.status_code == status, scope
