"""The API as programs meet it: every route, wrong methods, bad input, repeated calls."""

from __future__ import annotations

import asyncio
import http.client
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from sqlalchemy.exc import OperationalError

from mailing import campaigns, ledger, models, settings
from mailing.models import answers, recipients
from mailing.states import AttemptResult, CampaignState, RecipientState
from tests.harness import free_port
from tests.integration.web import deliver
from webapp import create_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from quart.typing import TestClientProtocol

    from mailing.database import Database
    from mailing.settings import Settings
    from tests.harness import Stack

CAMPAIGNS = "/api/v1/campaigns"
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def chosen(database_url: str, tmp_path: Path) -> Settings:
    """Settings of a Volley whose Redis is away."""
    return settings.load(
        {
            "VOLLEY_INSTANCE": str(tmp_path),
            "VOLLEY_DATABASE_URL": database_url,
            "VOLLEY_REDIS_URL": f"redis://127.0.0.1:{free_port()}/0",
            "VOLLEY_FROM": "Default <default@example.org>",
        }
    )


@pytest.fixture
async def client(db: Database, chosen: Settings) -> AsyncIterator[TestClientProtocol]:
    app = create_app(chosen)
    async with app.test_app():
        yield app.test_client()


def order(**changes: Any) -> dict[str, Any]:
    """A campaign that can be posted."""
    good = {"subject": "Hi", "text": "Hello", "recipients": "a@example.org\nb@example.org", "send": False}
    return {name: value for name, value in (good | changes).items() if value is not ...}


async def problem_of(response: Any, status: int) -> dict[str, Any]:
    """The problem in a response, which must have the shape of RFC 9457."""
    assert response.status_code == status
    assert response.content_type == "application/problem+json"
    problem = await response.get_json(force=True)
    assert problem["type"] == "about:blank"
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"].endswith(".")
    return problem


async def faults_of(response: Any) -> dict[str, str]:
    problem = await problem_of(response, 422)
    return {fault["field"]: fault["detail"] for fault in problem["errors"]}


async def post(client: TestClientProtocol, body: dict[str, Any], **headers: str) -> dict[str, Any]:
    response = await client.post(
        CAMPAIGNS, json=body, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )
    assert response.status_code == 201, await response.get_data()
    return await response.get_json()


def stored(db: Database) -> int:
    """How many campaigns the database holds."""
    with db.read() as connection:
        return len(campaigns.latest(connection))


async def test_a_posted_campaign_is_kept_as_a_draft(client: TestClientProtocol):
    pasted = "Ann <a@example.org>\nb@EXAMPLE.org, b@example.org\nnonsense"
    response = await client.post(CAMPAIGNS, json=order(recipients=pasted))
    assert response.status_code == 201
    answer = await response.get_json()
    refusal = answer["refused"].pop()
    assert answer == {"id": answer["id"], "state": "draft", "total": 2, "duplicates": 1, "refused": []}
    assert (refusal["line"], refusal["text"]) == (3, "nonsense")
    assert "no @" in refusal["reason"]
    assert response.headers["Location"] == f"{CAMPAIGNS}/{answer['id']}"


async def test_a_campaign_tells_its_state_and_its_ledger(client: TestClientProtocol):
    answer = await post(client, order())
    campaign = await (await client.get(f"{CAMPAIGNS}/{answer['id']}")).get_json()
    assert campaign.pop("created_at").endswith("Z")
    assert campaign == {
        "id": answer["id"],
        "state": "draft",
        "from": "Default <default@example.org>",
        "subject": "Hi",
        "priority": 5,
        "give_up_hours": 24,
        "total": 2,
        "counts": {state: 2 if state == "queued" else 0 for state in RecipientState},
        "rate_per_minute": 0,
        "started_at": None,
        "finished_at": None,
        "paused_reason": "",
        "actions": ["send", "cancel"],
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
    assert (row.email, row.name, row.fields) == ("a@example.org", "Ann", {"city": "Hue", "seat": "7"})


async def test_a_campaign_is_stored_and_sending_although_redis_is_away(client: TestClientProtocol):
    async with asyncio.timeout(5):
        answer = await post(client, order(send=True))
    assert answer["state"] == "sending"
    campaign = await (await client.get(f"{CAMPAIGNS}/{answer['id']}")).get_json()
    assert (campaign["state"], campaign["actions"]) == ("sending", ["pause", "cancel"])
    assert campaign["started_at"].endswith("Z")


BAD_FIELDS = [
    ({"subject": ...}, "subject", "missing"),
    ({"subject": "  "}, "subject", "empty"),
    ({"subject": 5}, "subject", "string"),
    ({"subject": "Hi {{ name"}, "subject", "cannot be read"),
    ({"text": ...}, "text", "missing"),
    ({"text": ""}, "text", "empty"),
    ({"text": "a\0b"}, "text", "NUL"),
    ({"text": "{% for x in y %}{% endfor %}"}, "text", "loop"),
    ({"html": None}, "html", "string"),
    ({"html": "{{ name.x }}"}, "html", "dot"),
    ({"from": "nobody"}, "from", "From"),
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
    ({"recipients": 5}, "recipients", "neither"),
    ({"recipients": ""}, "recipients", "empty"),
    ({"recipients": []}, "recipients", "empty"),
    ({"recipients": "nobody, nowhere"}, "recipients", "refused"),
    ({"recipients": [7, {"name": "Ann"}]}, "recipients", "refused"),
    ({"recipient": "a@example.org"}, "recipient", "no field"),
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


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff\xfe\x00", 400),
        (b"[" * 100_000, 400),
        ("{}".encode("utf-16"), 400),
        (b'{"subject": "\\ud800"}', 400),
        (b"[]", 422),
        (b"null", 422),
    ],
    ids=["empty", "cut", "binary", "nested", "UTF-16", "surrogate", "a list", "null"],
)
async def test_a_body_that_is_no_campaign_is_refused(client: TestClientProtocol, body: bytes, status: int):
    assert (
        "JSON" in (await problem_of(await client.post(CAMPAIGNS, data=body, headers=JSON), status))["detail"]
    )


async def test_binary_junk_as_a_list_is_refused(client: TestClientProtocol):
    junk = bytes(range(256)).decode("latin-1") * 20
    problem = await problem_of(await client.post(CAMPAIGNS, json=order(recipients=junk)), 422)
    assert problem["refused"]


async def test_five_megabytes_of_one_line_are_refused_in_a_short_answer(client: TestClientProtocol):
    response = await client.post(CAMPAIGNS, json=order(recipients="x" * 5_000_000))
    problem = await problem_of(response, 422)
    assert len(problem["refused"]) == 1
    assert len(problem["refused"][0]["text"]) <= 200


async def test_more_than_20_mb_are_refused(client: TestClientProtocol):
    response = await client.post(CAMPAIGNS, data=b" " * (20 * 1024 * 1024 + 1), headers=JSON)
    assert "20 MB" in (await problem_of(response, 413))["detail"]


@pytest.mark.parametrize("path", [CAMPAIGNS, f"{CAMPAIGNS}/1/send", f"{CAMPAIGNS}/1/cancel"])
async def test_a_body_must_be_json(client: TestClientProtocol, path: str):
    await problem_of(await client.post(path, form={"subject": "x"}), 415)
    await problem_of(await client.post(path, data=b"{}", headers={"Content-Type": "text/plain"}), 415)


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
)
async def test_another_sites_page_can_change_nothing(
    client: TestClientProtocol, db: Database, headers: dict[str, str]
):
    await problem_of(await client.post(CAMPAIGNS, json=order(), headers=headers), 403)
    await problem_of(await client.post(f"{CAMPAIGNS}/1/send", headers=headers), 403)
    assert stored(db) == 0


ROUTES = {
    CAMPAIGNS: "POST",
    f"{CAMPAIGNS}/1": "GET",
    f"{CAMPAIGNS}/1/send": "POST",
    f"{CAMPAIGNS}/1/pause": "POST",
    f"{CAMPAIGNS}/1/resume": "POST",
    f"{CAMPAIGNS}/1/cancel": "POST",
    f"{CAMPAIGNS}/1/retry": "POST",
    f"{CAMPAIGNS}/1/resend-unknown": "POST",
    f"{CAMPAIGNS}/1/mark-unknown-sent": "POST",
    f"{CAMPAIGNS}/1/recipients": "GET",
    f"{CAMPAIGNS}/1/events": "GET",
    "/api/v1/log": "GET",
    "/api/v1/log.jsonl": "GET",
}


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ROUTES)
async def test_a_wrong_method_is_a_problem_that_names_the_right_one(
    client: TestClientProtocol, path: str, method: str
):
    response = await client.open(path, method=method)
    if method == ROUTES[path]:
        assert response.status_code != 405
    else:
        await problem_of(response, 405)
        assert ROUTES[path] in response.headers["Allow"]


def test_the_wrong_methods_are_tried_on_every_route(chosen: Settings):
    app = create_app(chosen)
    rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith("api.")]
    matched = {app.url_map.bind("x").match(path, method)[0] for path, method in ROUTES.items()}
    assert {rule.endpoint for rule in rules} == matched


@pytest.mark.parametrize(("path", "method"), [(path, ROUTES[path]) for path in ROUTES if "/1" in path])
async def test_an_unknown_campaign_is_not_found(client: TestClientProtocol, path: str, method: str):
    problem = await problem_of(await client.open(path, method=method), 404)
    assert "no campaign 1" in problem["detail"]


@pytest.mark.parametrize(
    "path", ["", "/nothing", "/campaigns/x", "/campaigns/-1", "/campaigns/1/edit", "/campaigns/1/send/x"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_unknown_address_is_a_problem(client: TestClientProtocol, path: str, method: str):
    await problem_of(await client.open(f"/api/v1{path}", method=method), 404)


@pytest.mark.parametrize("number", [2**63, 10**40, "9" * 5000, 0])
async def test_a_number_that_no_campaign_can_have_is_not_found(client: TestClientProtocol, number: object):
    await problem_of(await client.get(f"{CAMPAIGNS}/{number}"), 404)


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
                connection.execute(models.campaigns.update().values(state=state))
            offered = (await (await client.get(path)).get_json())["actions"]
            response = await client.post(f"{path}/{action}")
            assert response.status_code == (200 if action in offered else 409)


async def failed_campaign(client: TestClientProtocol, db: Database) -> str:
    """Post a campaign whose recipients fail, and which is over; return its path."""
    campaign = await post(client, order(send=True, give_up_hours=2))
    assert campaign["id"] == 1
    refused = (AttemptResult.FAILED, 550, "5.1.1", "550 5.1.1 no")
    deliver(db, refused, refused)
    with db.write() as connection:
        assert ledger.finish(connection, 1)
    return f"{CAMPAIGNS}/1"


async def test_failed_recipients_are_retried_one_some_and_all(client: TestClientProtocol, db: Database):
    path = await failed_campaign(client, db)
    campaign = await (await client.get(path)).get_json()
    assert (campaign["state"], campaign["counts"]["failed"], campaign["give_up_hours"]) == ("finished", 2, 2)
    for body, affected, state in (
        ({"state": "deferred"}, 0, "finished"),
        ({"q": "nobody"}, 0, "finished"),
        ({"state": "failed", "q": "B@"}, 1, "sending"),
        ({"recipient": 1}, 1, "sending"),
        (None, 0, "sending"),
    ):
        response = (
            await client.post(f"{path}/retry", json=body) if body else await client.post(f"{path}/retry")
        )
        answer = await response.get_json()
        assert (response.status_code, answer["affected"], answer["state"]) == (200, affected, state)
        assert sum(answer["counts"].values()) == 2
    assert answer["counts"]["queued"] == 2
    assert answer["finished_at"] is None


@pytest.mark.parametrize(("verb", "state"), [("resend-unknown", "queued"), ("mark-unknown-sent", "sent")])
async def test_the_unknown_are_resent_or_marked_as_sent(
    client: TestClientProtocol, db: Database, verb: str, state: str
):
    await post(client, order(send=True))
    deliver(db, (AttemptResult.UNKNOWN, None, "", "The connection was lost."))
    answer = await (await client.post(f"{CAMPAIGNS}/1/{verb}")).get_json()
    assert (answer["affected"], answer["counts"]["unknown"]) == (1, 0)
    page = await (await client.get(f"{CAMPAIGNS}/1/recipients?q=a@")).get_json()
    assert page["recipients"][0]["state"] == state


async def test_recipients_of_a_canceled_campaign_are_not_queued_again(
    client: TestClientProtocol, db: Database
):
    path = await failed_campaign(client, db)
    with db.write() as connection:
        connection.execute(models.campaigns.update().values(state="canceled"))
    problem = await problem_of(await client.post(f"{path}/retry"), 409)
    assert "is canceled" in problem["detail"]
    assert (await (await client.get(path)).get_json())["counts"]["failed"] == 2


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"state": "sent"}, "state", "deferred or failed"),
        ({"state": ["failed"]}, "state", "deferred or failed"),
        ({"q": 1}, "q", "string"),
        ({"q": "\0"}, "q", "NUL"),
        ({"recipient": "1"}, "recipient", "id"),
        ({"recipient": True}, "recipient", "id"),
        ({"recipient": 2**63}, "recipient", "id"),
        ({"everybody": True}, "everybody", "no field"),
    ],
)
async def test_a_choice_that_nobody_can_mean_is_refused(
    client: TestClientProtocol, db: Database, body: dict[str, Any], field: str, words: str
):
    path = await failed_campaign(client, db)
    faults = await faults_of(await client.post(f"{path}/retry", json=body))
    assert words in faults[field]
    assert (await (await client.get(path)).get_json())["counts"]["failed"] == 2


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


async def test_recipients_come_in_pages(client: TestClientProtocol):
    pasted = "\n".join(f"u{number}@example.org" for number in range(7))
    path = f"{CAMPAIGNS}/{(await post(client, order(recipients=pasted)))['id']}/recipients"
    seen, after = [], 0
    for size in (3, 3, 1):
        page = await (await client.get(f"{path}?limit=3&after={after}")).get_json()
        assert len(page["recipients"]) == size
        seen += [row["email"] for row in page["recipients"]]
        after = page["next"]
    assert after is None
    assert seen == pasted.splitlines()


async def test_recipients_are_found_by_state_and_by_how_they_begin(client: TestClientProtocol):
    rows = [{"email": "a_b@example.org"}, {"email": "axb@example.org", "name": "Bob"}]
    path = f"{CAMPAIGNS}/{(await post(client, order(recipients=rows)))['id']}/recipients"

    async def found(query: str) -> list[str]:
        page = await (await client.get(f"{path}?{query}")).get_json()
        return [row["email"] for row in page["recipients"]]

    assert await found("q=A_B") == ["a_b@example.org"]
    assert await found("q=xb") == []
    assert await found("q=%25") == []
    assert await found("state=sent") == []
    assert len(await found("state=queued&q=@example")) == 2


async def test_a_recipient_without_an_attempt_has_none(client: TestClientProtocol):
    path = f"{CAMPAIGNS}/{(await post(client, order(recipients='Ann <a@example.org>')))['id']}/recipients"
    (row,) = (await (await client.get(path)).get_json())["recipients"]
    assert row.pop("changed_at").endswith("Z")
    assert row.pop("id") > 0
    assert row == {
        "email": "a@example.org",
        "name": "Ann",
        "state": "queued",
        "attempts": 0,
        "worker": None,
        "due_at": None,
        "last_attempt": None,
    }


async def test_a_faulty_query_is_refused_with_all_faults(client: TestClientProtocol):
    path = f"{CAMPAIGNS}/{(await post(client, order()))['id']}/recipients"
    faults = await faults_of(await client.get(f"{path}?state=lost&q=%00&after=-1&limit=501"))
    assert list(faults) == ["state", "q", "after", "limit"]
    for query in ("limit=0", "limit=x", "after=1.5", f"after={'9' * 40}", "after=%D9%A3"):
        assert len(await faults_of(await client.get(f"{path}?{query}"))) == 1


async def test_the_events_of_a_canceled_campaign_are_how_it_stands_and_the_end(client: TestClientProtocol):
    path = f"{CAMPAIGNS}/{(await post(client, order()))['id']}"
    await client.post(f"{path}/cancel")
    response = await client.get(f"{path}/events")
    assert response.content_type.startswith("text/event-stream")
    blocks = (await response.get_data(as_text=True)).strip().split("\n\n")
    assert [block.split("\n")[0] for block in blocks] == ["event: snapshot", "event: end"]
    assert orjson.loads(blocks[0].split("data: ")[1])["counts"]["canceled"] == 2


async def test_a_database_that_gives_up_is_a_problem_that_asks_to_try_again(
    client: TestClientProtocol, db: Database, monkeypatch: pytest.MonkeyPatch
):
    def give_up(*_args: object) -> None:
        raise OperationalError("BEGIN", {}, Exception("locked"))

    monkeypatch.setattr(campaigns, "create", give_up)
    response = await client.post(CAMPAIGNS, json=order())
    await problem_of(response, 503)
    assert response.headers["Retry-After"]
    assert stored(db) == 0


async def test_a_database_locked_for_a_moment_only_takes_longer(client: TestClientProtocol, db: Database):
    with db.write() as connection:
        if not db.sqlite:
            connection.exec_driver_sql("LOCK TABLE campaigns IN EXCLUSIVE MODE")
        posting = asyncio.ensure_future(client.post(CAMPAIGNS, json=order()))
        assert (await client.get("/healthz")).status_code == 200
        done, _ = await asyncio.wait([posting], timeout=0.3)
        assert not done
    assert (await posting).status_code == 201


def call(stack: Stack, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    with closing(http.client.HTTPConnection("127.0.0.1", stack.web_port, timeout=20)) as line:
        line.request(method, path, orjson.dumps(body) if body else None, JSON)
        answer = line.getresponse()
        assert answer.status in {200, 201}
        return orjson.loads(answer.read())


@contextmanager
def following(stack: Stack, path: str) -> Iterator[http.client.HTTPResponse]:
    """The events of a campaign, from the snapshot on."""
    with closing(http.client.HTTPConnection("127.0.0.1", stack.web_port, timeout=20)) as line:
        line.request("GET", f"{path}/events")
        events = line.getresponse()
        assert events.readline() == b"event: snapshot\n"
        yield events


def test_a_campaign_is_sent_and_followed_through_the_api(make_stack: Callable[..., Stack]):
    """Each email is told while it happens, and the recipients say the same afterwards."""
    stack = make_stack()
    stack.start("redis", "inbox", "worker", "beat", "web")
    pasted = "\n".join(f"u{number}@example.org" for number in range(40)) + "\nx+bounce@example.org"
    path = f"{CAMPAIGNS}/{call(stack, 'POST', CAMPAIGNS, order(recipients=pasted))['id']}"
    with following(stack, path) as events:
        call(stack, "POST", f"{path}/send")
        blocks = events.read().decode().strip().split("\n\n")  # until its end, which is the campaign's
    emails = [
        orjson.loads(block.removeprefix("data: ")) for block in blocks if block.startswith('data: {"type')
    ]
    told = {email["email"]: email for email in emails}
    rows = {row["email"]: row for row in call(stack, "GET", f"{path}/recipients?limit=100")["recipients"]}
    assert {email: row["state"] for email, row in rows.items()} == {
        email: event["state"] for email, event in told.items()
    }
    failed = rows["x+bounce@example.org"]["last_attempt"]
    assert (failed["code"], failed["enhanced"]) == (550, "5.1.1")
    assert failed["reply"] == told["x+bounce@example.org"]["reply"]
    campaign = call(stack, "GET", path)
    assert (campaign["state"], campaign["counts"]["sent"], campaign["counts"]["failed"]) == (
        "finished",
        40,
        1,
    )
    name, data = blocks[-1].split("\n")
    assert (name, orjson.loads(data.removeprefix("data: "))["counts"]) == ("event: end", campaign["counts"])


def test_an_open_stream_does_not_keep_the_server_from_stopping(make_stack: Callable[..., Stack]):
    stack = make_stack()
    stack.start("redis", "web")
    path = f"{CAMPAIGNS}/{call(stack, 'POST', CAMPAIGNS, order())['id']}"
    with following(stack, path) as events:
        while (line := events.readline()) != b"event: beat\n":
            assert line
        assert stack.stop("web") < 5
        assert b"event: end" not in events.read()
