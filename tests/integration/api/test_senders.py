"""Senders for programs: made, changed, tried, put in order, deleted; and no secret ever comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, update

from mailing.accounts.tables import audit
from mailing.addresses import parsing
from mailing.addresses.parsing import ParsedList
from mailing.campaigns import drafts
from mailing.campaigns.drafts import Draft
from mailing.core.tables import campaigns
from mailing.senders import opening, store
from tests.support.smtp_server import EXTENSIONS, FakeServer

if TYPE_CHECKING:
    from quart.typing import TestClientProtocol

    from mailing.core.database import Database
    from mailing.settings import Settings

PATH = "/api/v1/senders"
CLUB = {"name": "Club", "host": "smtp.example.org", "username": "club", "password": "hunter2"}


async def asked(
    client: TestClientProtocol, method: str, path: str = "", **body: Any
) -> tuple[int, dict[str, Any]]:
    response = await client.open(f"{PATH}{path}", method=method, json=body if method != "GET" else None)
    return response.status_code, await response.get_json()


async def made(client: TestClientProtocol, **more: Any) -> dict[str, Any]:
    status, answer = await asked(client, "POST", **{**CLUB, **more})
    assert status == 201, answer
    return answer


def kept(db: Database, sender_id: int) -> store.Account:
    with db.read() as connection:
        found = store.get(connection, sender_id)
    assert found
    return found


async def test_the_sender_of_the_settings_is_there_from_the_start(client, chosen):
    _status, answer = await asked(client, "GET")
    [first] = answer["senders"]
    assert (first["from_settings"], first["host"], first["port"]) == (
        True,
        chosen.sender.host,
        chosen.sender.port,
    )
    assert first["position"] == 1


async def test_a_sender_is_made_and_shown_without_its_secrets(client, db, chosen: Settings):
    answer = await made(client, limits={"per_day": 500}, receiver_limits={"gmail": {"per_hour": 9}})
    assert (answer["tls"], answer["port"], answer["has_password"]) == ("starttls", 587, True)
    assert (answer["limits"], answer["receiver_limits"]) == ({"per_day": 500}, {"gmail": {"per_hour": 9}})
    assert "hunter2" not in str(answer)
    account = kept(db, answer["id"])
    assert opening.usable(account, chosen.secret_key, chosen.sender).password == "hunter2"
    status, again = await asked(client, "GET", f"/{answer['id']}")
    assert (status, again) == (200, answer)


async def test_a_preset_brings_what_is_left_out(client):
    status, answer = await asked(
        client, "POST", preset="microsoft", username="club@example.org", client_id="mine"
    )
    assert status == 201, answer
    assert (answer["name"], answer["host"]) == ("Microsoft 365", "smtp.office365.com")
    assert (answer["auth"], answer["provider"], answer["connected"]) == ("xoauth2", "microsoft", False)
    assert answer["limits"] == {"per_minute": 30, "per_24h": 10_000}
    status, answer = await asked(
        client,
        "POST",
        preset="gmail",
        username="club@gmail.com",
        password="app password",
        limits={"per_day": 90},
    )
    assert (status, answer["auth"], answer["limits"]) == (201, "", {"per_day": 90})


async def test_what_is_left_out_of_a_change_stays(client, db, chosen):
    answer = await made(client, limits={"per_day": 500}, connections=3)
    status, changed = await asked(
        client, "PATCH", f"/{answer['id']}", limits={"per_hour": 20}, connections=None
    )
    assert status == 200, changed
    assert (changed["name"], changed["limits"], changed["connections"]) == ("Club", {"per_hour": 20}, None)
    assert opening.usable(kept(db, answer["id"]), chosen.secret_key, chosen.sender).password == "hunter2"
    assert changed["revision"] > answer["revision"]


async def test_of_two_changes_at_once_the_second_is_refused(client):
    answer = await made(client)
    where = f"/{answer['id']}"
    assert (await asked(client, "PATCH", where, name="A", revision=answer["revision"]))[0] == 200
    status, problem = await asked(client, "PATCH", where, name="B", revision=answer["revision"])
    assert (status, problem["code"]) == (409, "sender.changed-meanwhile")


async def test_all_faults_are_told_by_their_fields(client):
    status, problem = await asked(
        client, "POST", name=" ", host="a b", port=0, limits={"per_day": 0}, unknown=1, tls="ssl"
    )
    assert status == 422
    assert {fault["field"] for fault in problem["errors"]} >= {"port", "limits", "unknown", "tls"}
    status, problem = await asked(client, "POST", name=" ", host="a b")
    assert {fault["code"] for fault in problem["errors"]} == {"sender-fault.name", "sender-fault.host"}
    status, problem = await asked(client, "POST")
    assert {fault["field"] for fault in problem["errors"]} == {"name", "host"}


@pytest.mark.parametrize("limit", [0, -5, 10**12, "many", 1.5, True])
async def test_an_absurd_limit_is_refused_with_a_sentence(client, limit):
    status, problem = await asked(client, "POST", **CLUB, limits={"per_day": limit})
    assert (status, problem["code"]) == (422, "limits.whole")
    assert "must be a whole number from 1 to 10,000,000" in problem["detail"]


async def test_another_server_needs_the_password_again(client):
    answer = await made(client)
    status, problem = await asked(client, "PATCH", f"/{answer['id']}", host="evil.example")
    assert (status, problem["code"]) == (422, "sender-fault.password-again")
    status, _answer = await asked(client, "PATCH", f"/{answer['id']}", host="new.example", password="p")
    assert status == 200


async def test_senders_have_an_order(client):
    one, two = await made(client), await made(client, name="Two")
    status, answer = await asked(client, "PATCH", f"/{two['id']}", position=1)
    assert (status, answer["position"]) == (200, 1)
    _status, answer = await asked(client, "GET")
    assert next(it["id"] for it in answer["senders"]) == two["id"]
    assert [it["id"] for it in answer["senders"]][-1] == one["id"]


async def test_a_sender_in_use_is_not_deleted(client, db):
    answer = await made(client)
    campaign_id = drafts.create(db, Draft("a@example.org", "Party", "text"), ParsedList())
    with db.write() as connection:
        own = update(campaigns).where(campaigns.c.id == campaign_id)
        connection.execute(own.values(senders=[answer["id"]]))
    status, problem = await asked(client, "DELETE", f"/{answer['id']}")
    assert (status, problem["code"]) == (409, "sender.in-use")
    assert f"Party ({campaign_id})" in problem["detail"]
    with db.write() as connection:
        connection.execute(own.values(senders=None))
    assert (await asked(client, "DELETE", f"/{answer['id']}"))[0] == 200
    assert (await asked(client, "GET", f"/{answer['id']}"))[0] == 404


async def test_the_sender_of_the_settings_keeps_its_server(client):
    _status, answer = await asked(client, "GET")
    where = f"/{answer['senders'][0]['id']}"
    status, answer = await asked(client, "PATCH", where, limits={"per_day": 5}, name="Relay")
    assert (status, answer["limits"], answer["name"]) == (200, {"per_day": 5}, "Relay")
    status, problem = await asked(client, "PATCH", where, host="evil.example")
    assert (status, problem["code"]) == (409, "sender.of-settings")
    status, problem = await asked(client, "DELETE", where)
    assert (status, problem["code"]) == (409, "sender.of-settings")


async def test_a_test_shows_what_was_said_and_no_secret(client, db):
    async with FakeServer(extensions=(*EXTENSIONS, "AUTH PLAIN"), login=("club", "hunter2")) as server:
        answer = await made(client, host="127.0.0.1", port=server.port, tls="none")
        status, found = await asked(client, "POST", f"/{answer['id']}/test", mail_from="club@example.org")
        assert (status, found["usable"], found["reason_code"]) == (200, True, "inspection.fine-bare")
        assert {line["stage"] for line in found["dialogue"]} >= {"connect", "hello", "auth", "mail"}
        with db.write() as connection:
            connection.execute(update(table_of(answer)).values(trouble="x", trouble_at=1))
        await asked(client, "POST", f"/{answer['id']}/test")
        assert kept(db, answer["id"]).trouble == ""
        await asked(client, "PATCH", f"/{answer['id']}", password="wr0ng")
        status, found = await asked(client, "POST", f"/{answer['id']}/test")
        assert (status, found["usable"]) == (200, False)
    assert "wr0ng" not in str(found)
    assert not server.received


def table_of(_answer: dict[str, Any]) -> Any:
    return store.table


async def test_a_secret_that_cannot_be_read_is_asked_for_again(client, db):
    answer = await made(client)
    with db.write() as connection:
        connection.execute(update(store.table).values(password="c2VhbGVkIGVsc2V3aGVyZQ=="))
    status, problem = await asked(client, "POST", f"/{answer['id']}/test")
    assert (status, problem["code"]) == (409, "sender.unreadable-secret")


async def test_tests_have_an_end(client):
    async with FakeServer() as server:
        answer = await made(client, host="127.0.0.1", port=server.port, tls="none", username="", password="")
        statuses = [(await asked(client, "POST", f"/{answer['id']}/test"))[0] for _ in range(12)]
    assert statuses[0] == 200
    assert statuses[-1] == 429


async def test_the_audit_log_tells_who_changed_what_and_no_secret(client, db):
    answer = await made(client)
    await asked(client, "PATCH", f"/{answer['id']}", name="Other", password="topsecret")
    with db.read() as connection:
        rows = connection.execute(select(audit.c.action, audit.c.details).order_by(audit.c.id)).all()
    assert [row.action for row in rows] == ["add sender", "change sender"]
    assert rows[1].details["changed"] == "name, password"
    assert not [word for word in ("hunter2", "topsecret") if word in str(rows)]


async def test_a_campaign_names_its_senders_in_order_and_has_limits_of_its_own(client):
    one, two = await made(client), await made(client, name="Two")
    body = {"subject": "s", "text": "t", "recipients": ["a@one.example"], "send": False}
    chosen = {"senders": [two["id"], one["id"]], "limits": {"per_minute": 60}}
    response = await client.post("/api/v1/campaigns", json=body | chosen)
    answer = await response.get_json()
    assert response.status_code == 201, answer
    where = f"/api/v1/campaigns/{answer['id']}"
    shown = await (await client.get(where)).get_json()
    assert (shown["senders"], shown["limits"]) == (chosen["senders"], chosen["limits"])
    status, problem = await asked(client, "DELETE", f"/{one['id']}")
    assert (status, problem["code"]) == (409, "sender.in-use")
    response = await client.put(f"{where}/route", json={"limits": {"per_hour": 5}})
    assert response.status_code == 200
    shown = await (await client.get(where)).get_json()
    assert (shown["senders"], shown["limits"]) == (None, {"per_hour": 5})
    assert (await asked(client, "DELETE", f"/{one['id']}"))[0] == 200


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"senders": [99]}, "sender.no-such"),
        ({"senders": []}, "sender.one-to-many"),
        ({"limits": {"per_day": 0}}, "limits.whole"),
    ],
)
async def test_a_campaign_without_such_a_sender_or_limit_is_not_stored(client, given, code):
    body = {"subject": "s", "text": "t", "recipients": ["a@one.example"], "send": False}
    response = await client.post("/api/v1/campaigns", json=body | given)
    assert response.status_code == 422
    assert (await response.get_json())["code"] == code
    assert (await (await client.get("/api/v1/campaigns")).get_json())["campaigns"] == []


async def test_a_warmup_is_begun_read_and_ended(client):
    sender = await made(client, limits={"per_day": 300})
    path = f"/{sender['id']}/warmup"
    status, told = await asked(client, "PUT", path, first=100)
    assert status == 200
    assert told["warmup"] == {
        "first": 100,
        "growth": 100,
        "target": None,
        "cap": 100,
        "stopped": "",
        "stopped_code": None,
    }
    assert [(row["cap"], row["sent"]) for row in told["days"]] == [(100, 0), (200, None), (300, None)]
    assert await asked(client, "GET", path) == (200, told)
    assert (await asked(client, "GET", f"/{sender['id']}"))[1]["warmup"] == told["warmup"]
    status, refusal = await asked(client, "PUT", path, first=100, target=10)
    assert (status, refusal["errors"][0]["field"]) == (422, "target")
    assert await asked(client, "DELETE", path) == (200, {"warmup": None, "days": []})
    assert (await asked(client, "PUT", "/999/warmup"))[0] == 404


async def test_the_forecast_of_a_draft_names_the_quota_that_holds_it_back(client, db):
    sender = await made(client, limits={"per_24h": 2})
    people = "\n".join(f"p{n}@one.example" for n in range(5))
    campaign_id = drafts.create(db, Draft("a@b.example", "Hi", "Dear all"), parsing.parse_pasted(people))
    with db.write() as connection:
        own = update(campaigns).where(campaigns.c.id == campaign_id)
        connection.execute(own.values(senders=[sender["id"]]))
    response = await client.get(f"/api/v1/campaigns/{campaign_id}/forecast")
    told = await response.get_json()
    assert response.status_code == 200
    assert told["left"] == 5
    assert [day["emails"] for day in told["days"]] == [2, 2, 1]
    assert told["held_by"] == {"what": "24h", "sender": sender["id"], "most": 2}
    page = await (await client.get(f"/campaigns/{campaign_id}")).get_data(as_text=True)
    assert "2 today, the rest until" in page
    assert "Held back by the quota of 24 hours of “Club”; more workers would not help." in page
