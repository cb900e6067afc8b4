"""Campaigns through the API: stored whole or refused with every fault, changed as they allow, posted once."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from mailing.campaigns import queries as campaigns
from mailing.core import tables
from mailing.core.states import CampaignState, RecipientState
from mailing.core.tables import answers, recipients
from mailing.library import files
from tests.support.api import CAMPAIGNS, JSON, faults_of, order, post, problem_of, stored
from webapp.http import list_process
from webapp.http.list_process import HUGE, Lists

if TYPE_CHECKING:
    from collections.abc import Callable

    from quart.typing import TestClientProtocol

    from mailing.core.database import Database


async def test_a_posted_campaign_is_kept_as_a_draft(client: TestClientProtocol):
    pasted = "Ann <a@example.org>\nb@EXAMPLE.org, b@example.org\nnonsense"
    response = await client.post(CAMPAIGNS, json=order(recipients=pasted))
    assert response.status_code == 201
    answer = await response.get_json()
    refusal = answer["refused"].pop()
    assert answer == {"id": answer["id"], "state": "draft", "total": 2, "duplicates": 1, "refused": []}
    assert (refusal["line"], refusal["text"]) == (3, "nonsense")
    assert 'Missing "@"' in refusal["reason"]
    assert refusal["code"] == "address.no-at-in-words"
    assert response.headers["Location"] == f"{CAMPAIGNS}/{answer['id']}"


async def test_a_campaign_tells_its_state_and_its_ledger(client: TestClientProtocol):
    answer = await post(client, order())
    campaign = await (await client.get(f"{CAMPAIGNS}/{answer['id']}")).get_json()
    assert campaign.pop("created_at").endswith("Z")
    assert campaign == {
        "id": answer["id"],
        "rehearses": None,
        "topic": "",
        "transactional": False,
        "version": 1,
        "breaker": {"percent": 10, "of_last": 200, "at_least": 20, "complaints": 3, "complaints_at_least": 3},
        "canary": 0,
        "canary_until": None,
        "state": "draft",
        "condition": "draft",
        "from": "Default <default@example.org>",
        "subject": "Hi",
        "priority": 5,
        "senders": None,
        "limits": {},
        "send_at": None,
        "time_zone": "",
        "hours": None,
        "late_seconds": 0,
        "give_up_hours": 24,
        "total": 2,
        "counts": {state: 2 if state == "queued" else 0 for state in RecipientState},
        "rate_per_minute": 0,
        "rate_seconds": 0,
        "next_try_at": None,
        "given_up_at": None,
        "started_at": None,
        "finished_at": None,
        "paused_reason": "",
        "paused_reason_code": None,
        "waits": None,
        "actions": ["schedule", "send", "cancel"],
        "under_way": [],
    }


async def test_everything_that_is_posted_is_stored(client: TestClientProtocol, db: Database):
    rows = [{"email": "a@example.org", "name": "Ann", "city": "Hue", "seat": 7}]
    body = order(recipients=rows, html="<p>{{ city }}</p>", priority=0, **{"from": "Me <me@example.org>"})
    campaign_id = (await post(client, body))["id"]
    with db.read() as connection:
        campaign = campaigns.get(connection, campaign_id)
        row = connection.execute(recipients.select()).one()
    assert campaign is not None
    assert (campaign.sender_from, campaign.html, campaign.priority) == (
        "Me <me@example.org>",
        "<p>{{ city }}</p>",
        0,
    )
    assert (row.email, row.name, row.fields) == ("a@example.org", "Ann", {"city": "Hue", "seat": 7})


async def test_what_was_remarked_on_the_rows_is_told(client: TestClientProtocol, db: Database):
    rows = [
        "Ann <a@example.org>",
        {"Email": "A@example.org", "Name": "Anna", "first-name": "A", "vip": False},
        {"email": "a@example.org", "name": "Ann Lee", "age": 18, "T-shirt": None},
        "b..c@example.org",
        {"email": "d@example.org", "tags": ["x"]},
        {"email": "e@example.org", "bio": "x" * 65_537},
    ]
    answer = await post(client, order(recipients=rows))
    assert (answer["total"], answer["duplicates"]) == (3, 1)
    assert [(note["line"], note["email"], note["note"]) for note in answer["notes"]] == [
        (2, "A@example.org", "same as line 1 except for upper/lower case; kept as a separate address"),
        (3, "a@example.org", "same as line 1; this line has more values, so they are used"),
        (4, "b..c@example.org", 'unusual dots before the "@"; kept'),
    ]
    assert answer["fields"] == {"first-name": "first_name", "T-shirt": "t_shirt"}
    assert [refusal["line"] for refusal in answer["refused"]] == [5, 6]
    assert "The field tags" in answer["refused"][0]["reason"]
    assert "the limit is 64 KB" in answer["refused"][1]["reason"]
    with db.read() as connection:
        stored_rows = connection.execute(recipients.select().order_by(recipients.c.id)).all()
    assert [row.fields for row in stored_rows] == [{"age": 18}, {"first_name": "A", "vip": False}, None]


async def test_addresses_may_be_posted_as_a_plain_list(client: TestClientProtocol):
    answer = await post(client, order(recipients=["a@example.org", "Ben <b@example.org>", "a@EXAMPLE.org"]))
    assert answer == {"id": answer["id"], "state": "draft", "total": 2, "duplicates": 1, "refused": []}


async def test_a_campaign_is_stored_and_sending_although_redis_is_away(client: TestClientProtocol):
    async with asyncio.timeout(15):
        answer = await post(client, order(send=True))
    assert answer["state"] == "sending"
    campaign = await (await client.get(f"{CAMPAIGNS}/{answer['id']}")).get_json()
    assert (campaign["state"], campaign["actions"]) == ("sending", ["pause", "cancel"])
    assert campaign["started_at"].endswith("Z")


async def test_parts_that_are_too_much_together_are_a_fault_of_the_larger(client: TestClientProtocol):
    half = "\U0001f600" * 500_000  # 12 bytes each as quoted-printable: 6 MB of the 10 that can be sent
    problem = await problem_of(await client.post(CAMPAIGNS, json=order(text=half, html=half + "!")), 422)
    (fault,) = problem["errors"]
    assert (fault["field"], fault["code"]) == ("html", "message.too-large")


BAD_FIELDS = [
    ({"subject": ...}, "subject", "missing"),
    ({"subject": "  "}, "subject", "empty"),
    ({"subject": 5}, "subject", "string"),
    ({"subject": "Hi {{ name"}, "subject", "an error in line 1"),
    ({"text": ...}, "text", "missing"),
    ({"text": ""}, "text", "empty"),
    ({"text": "a\0b"}, "text", "NUL"),
    ({"text": "{% for x in y %}{% endfor %}"}, "text", "loop"),
    ({"html": None}, "html", "string"),
    ({"html": "{{ name.x }}"}, "html", "dot"),
    ({"from": "nobody"}, "from", "one sender address"),
    ({"from": None}, "from", "string"),
    ({"send": ...}, "send", "true to send"),
    ({"send": "yes"}, "send", "true or false"),
    ({"priority": 10}, "priority", "0"),
    ({"priority": True}, "priority", "whole number"),
    ({"give_up_hours": 0}, "give_up_hours", "from 1 to 168"),
    ({"give_up_hours": 169}, "give_up_hours", "from 1 to 168"),
    ({"give_up_hours": "24"}, "give_up_hours", "whole number"),
    ({"priority": 1.5}, "priority", "whole number"),
    ({"recipients": ...}, "recipients", "missing"),
    ({"recipients": 5}, "recipients", "text or a list"),
    ({"recipients": ""}, "recipients", "empty"),
    ({"recipients": []}, "recipients", "empty"),
    ({"recipients": "nobody, nowhere"}, "recipients", "skipped"),
    ({"recipients": [7, {"name": "Ann"}]}, "recipients", "skipped"),
    ({"recipient": "a@example.org"}, "recipient", "Unknown field"),
]


@pytest.mark.parametrize(("change", "field", "words"), BAD_FIELDS)
async def test_a_faulty_campaign_is_refused_with_what_to_do(
    client: TestClientProtocol, db: Database, change: dict[str, Any], field: str, words: str
):
    response = await client.post(CAMPAIGNS, json=order(**change))
    faults = await faults_of(response)
    assert list(faults) == [field]
    assert words in faults[field]
    assert stored(db) == 0


async def test_all_faults_are_told_at_once(client: TestClientProtocol):
    body = {"subject": "a\nb", "text": " ", "priority": -1, "recipients": "nobody", "colour": "red"}
    response = await client.post(CAMPAIGNS, json=body)
    problem = await problem_of(response, 422)
    fields = [fault["field"] for fault in problem["errors"]]
    assert fields == ["colour", "subject", "text", "send", "priority", "recipients"]
    assert [refusal["text"] for refusal in problem["refused"]] == ["nobody"]


@pytest.mark.parametrize("junk", ["\r\nBcc: x@example.org", "\nX: y", "\0", "\r"])
@pytest.mark.parametrize("part", ["subject", "from"])
async def test_no_header_can_be_injected(client: TestClientProtocol, db: Database, part: str, junk: str):
    body = order(send=True) | {part: f"Ann <a@example.org>{junk}"}
    assert list(await faults_of(await client.post(CAMPAIGNS, json=body))) == [part]
    assert stored(db) == 0


async def test_no_header_can_be_injected_by_a_recipient(client: TestClientProtocol, db: Database):
    rows = [{"email": "a@example.org\r\nBcc: x@example.org"}, {"email": "b@example.org", "name": "B\nX: y"}]
    problem = await problem_of(await client.post(CAMPAIGNS, json=order(recipients=rows)), 422)
    assert [refusal["line"] for refusal in problem["refused"]] == [1, 2]
    assert stored(db) == 0


async def test_an_unknown_merge_field_is_refused_before_sending(client: TestClientProtocol, db: Database):
    rows = [{"email": "a@example.org", "city": "Hue"}, {"email": "b@example.org"}]
    body = order(recipients=rows, text="Dear {{ city }}")
    faults = await faults_of(await client.post(CAMPAIGNS, json=body | {"send": True}))
    assert "{{ city }}" in faults["recipients"]
    assert "b@example.org" in faults["recipients"]
    assert "a@example.org" not in faults["recipients"]
    assert stored(db) == 0


async def test_a_draft_may_lack_a_merge_field_until_it_is_sent(client: TestClientProtocol):
    draft = await post(client, order(text="Dear {{ city }}"))
    path = f"{CAMPAIGNS}/{draft['id']}"
    problem = await problem_of(await client.post(f"{path}/send"), 409)
    assert "{{ city }}" in problem["detail"]
    assert (await (await client.get(path)).get_json())["state"] == "draft"


async def test_a_campaign_is_sent_paused_resumed_and_canceled(client: TestClientProtocol):
    path = f"{CAMPAIGNS}/{(await post(client, order()))['id']}"
    for action, state in (
        ("send", "sending"),
        ("pause", "paused"),
        ("resume", "sending"),
        ("cancel", "canceled"),
    ):
        response = await client.post(f"{path}/{action}")
        assert response.status_code == 200
        campaign = await response.get_json()
        assert campaign["state"] == state
        assert sum(campaign["counts"].values()) == campaign["total"]
        again = await problem_of(await client.post(f"{path}/{action}"), 409)
        assert f"is {state}" in again["detail"]
    assert campaign["counts"]["canceled"] == 2
    assert campaign["actions"] == []
    assert campaign["finished_at"]


async def test_an_action_is_done_exactly_where_it_is_offered(client: TestClientProtocol, db: Database):
    for state in CampaignState:
        for action in ("send", "pause", "resume", "cancel"):
            path = f"{CAMPAIGNS}/{(await post(client, order()))['id']}"
            with db.write() as connection:
                connection.execute(tables.campaigns.update().values(state=state))
            offered = (await (await client.get(path)).get_json())["actions"]
            response = await client.post(f"{path}/{action}")
            assert response.status_code == (200 if action in offered else 409)


async def test_a_repeated_post_returns_the_first_answer(client: TestClientProtocol, db: Database):
    headers = {"Idempotency-Key": "7f1c"}
    first = await client.post(CAMPAIGNS, json=order(recipients="a@example.org x"), headers=headers)
    await client.post(f"{CAMPAIGNS}/1/cancel")
    again = await client.post(CAMPAIGNS, json=order(recipients="a@example.org x"), headers=headers)
    assert first.status_code == again.status_code == 201
    assert await first.get_data() == await again.get_data()
    assert first.headers["Location"] == again.headers["Location"]
    assert stored(db) == 1


async def test_a_key_that_belongs_to_another_body_is_refused(client: TestClientProtocol, db: Database):
    await post(client, order(), Idempotency_Key="k")
    response = await client.post(CAMPAIGNS, json=order(subject="B"), headers={"Idempotency-Key": "k"})
    assert "new key" in (await problem_of(response, 422))["detail"]
    assert stored(db) == 1


async def test_a_refused_post_leaves_its_key_free(client: TestClientProtocol):
    bad = await client.post(CAMPAIGNS, json=order(recipients=""), headers={"Idempotency-Key": "k"})
    assert bad.status_code == 422
    await post(client, order(), Idempotency_Key="k")


async def test_posts_without_a_key_are_each_a_campaign(client: TestClientProtocol, db: Database):
    await post(client, order())
    await post(client, order())
    assert stored(db) == 2


@pytest.mark.parametrize("key", ["", "a b", "k" * 256, "schlüssel"])
async def test_a_key_that_cannot_be_kept_is_refused(client: TestClientProtocol, key: str):
    response = await client.post(CAMPAIGNS, json=order(), headers={"Idempotency-Key": key})
    await problem_of(response, 400)


@pytest.mark.parametrize("send", [True, False])
async def test_simultaneous_posts_with_one_key_make_one_campaign(
    client: TestClientProtocol, db: Database, send: bool
):
    posts = [post(client, order(send=send), Idempotency_Key="k" * 255) for _ in range(8)]
    told = await asyncio.gather(*posts)
    assert all(answer == told[0] for answer in told)
    assert stored(db) == 1
    with db.read() as connection:
        assert len(connection.execute(answers.select()).all()) == 1
        assert len(connection.execute(recipients.select()).all()) == 2


async def test_a_long_list_keeps_no_other_request_waiting(client: TestClientProtocol, db: Database):
    rows = [{"email": f"u{number}@example.org", "city": "Hue"} for number in range(30_000)]
    body = orjson.dumps(order(recipients=[*rows, {"email": "nobody"}]))
    posting = asyncio.ensure_future(client.post(CAMPAIGNS, data=body, headers=JSON))
    for _ in range(20):
        assert (await client.get("/healthz")).status_code == 200
    assert not posting.done()
    answer = await (await posting).get_json()
    assert (answer["total"], len(answer["refused"])) == (30_000, 1)
    assert stored(db) == 1


async def test_a_long_list_is_refused_with_the_same_words_as_a_short_one(client: TestClientProtocol):
    """It is read in another process, from where the refusal has to come back."""
    faults = await faults_of(await client.post(CAMPAIGNS, json=order(recipients="no " * 100_000, send=1)))
    assert list(faults) == ["send", "recipients"]


async def test_a_message_in_markdown_gets_a_frame_and_a_text(client: TestClientProtocol, db: Database):
    written = {"html": "# Hello {{ name }}\n\n[More](https://one.example)", "preheader": "Soon"}
    body = order(**written, writing="markdown")
    del body["text"]
    campaign_id = (await post(client, body))["id"]
    with db.read() as connection:
        stored = campaigns.get(connection, campaign_id)
    assert stored
    assert "<h1" in stored.html
    assert "Soon" in stored.html
    assert "Hello {{ name }}" in stored.text
    assert stored.written.html == body["html"]
    assert await faults_of(await client.post(CAMPAIGNS, json=order(writing="word"))) == {
        "writing": "Must be one of: plain, visual, markdown, source, mjml."
    }


async def test_recipients_come_from_saved_lists_and_files_go_with_the_message(
    client: TestClientProtocol, db: Database
):
    ids = []
    for name, people in (("Members", "ann@one.example, ben@one.example"), ("Left", "ben@one.example")):
        made = await client.post("/api/v1/lists", json={"name": name, "contacts": people})
        ids.append((await made.get_json())["list"])
    attached = {"name": "plan.txt", "content": base64.b64encode(b"The plan").decode()}
    body = order(recipients=..., lists=ids[:1], minus_lists=ids[1:], attachments=[attached])
    answer = await post(client, body)
    assert answer["total"] == 1
    with db.read() as connection:
        campaign = campaigns.get(connection, answer["id"])
        assert [it.name for it in files.listed(connection, answer["id"])] == ["plan.txt"]
    assert campaign
    assert campaign.audience


async def test_long_saved_lists_are_taken_beside_the_web_process_however_short_the_call_is(
    client: TestClientProtocol, monkeypatch: pytest.MonkeyPatch
):
    made = await client.post("/api/v1/lists", json={"name": "Members", "contacts": "ann@one.example"})
    sizes = []

    async def measure(_lists: Lists, size: int, work: Callable[..., Any], *args: Any) -> Any:
        sizes.append(size)
        return await asyncio.to_thread(work, _lists._db, *args)

    monkeypatch.setattr(Lists, "measure", measure)
    monkeypatch.setattr(list_process, "_size", lambda _db, _audience: 1_000_000)
    await post(client, order(recipients=..., lists=[(await made.get_json())["list"]]))
    assert sizes[0] > HUGE


async def test_lists_and_files_that_cannot_be_used_are_refused(client: TestClientProtocol, db: Database):
    bad = {
        "lists": {"recipients": ..., "lists": [9]},
        "recipients": {"recipients": ...},
        "attachments": {"attachments": [{"name": "a.txt", "content": "%"}]},
    }
    for field, change in bad.items():
        assert list(await faults_of(await client.post(CAMPAIGNS, json=order(**change)))) == [field]
    both = await faults_of(await client.post(CAMPAIGNS, json=order(lists=[1])))
    assert "either" in both["lists"]
    assert stored(db) == 0
