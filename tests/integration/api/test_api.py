"""The API as programs meet it: every route, wrong methods, bodies that are none, a database that gives up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.exc import OperationalError

from mailing.campaigns import drafts
from tests.support.api import CAMPAIGNS, JSON, order, problem_of, stored
from webapp.app import create_app

if TYPE_CHECKING:
    from quart.typing import TestClientProtocol

    from mailing.core.database import Database
    from mailing.settings import Settings


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
    CAMPAIGNS: "GET POST",
    f"{CAMPAIGNS}/1": "GET PATCH",
    f"{CAMPAIGNS}/1/send": "POST",
    f"{CAMPAIGNS}/1/pause": "POST",
    f"{CAMPAIGNS}/1/resume": "POST",
    f"{CAMPAIGNS}/1/cancel": "POST",
    f"{CAMPAIGNS}/1/retry": "POST",
    f"{CAMPAIGNS}/1/resend-unknown": "POST",
    f"{CAMPAIGNS}/1/mark-unknown-sent": "POST",
    f"{CAMPAIGNS}/1/skip": "POST",
    f"{CAMPAIGNS}/1/fail": "POST",
    f"{CAMPAIGNS}/1/recipients": "GET",
    f"{CAMPAIGNS}/1/follow-up": "POST",
    f"{CAMPAIGNS}/1/events": "GET",
    f"{CAMPAIGNS}/1/route": "PUT",
    f"{CAMPAIGNS}/1/receipt": "GET",
    f"{CAMPAIGNS}/1/forecast": "GET",
    f"{CAMPAIGNS}/1/lanes": "GET",
    f"{CAMPAIGNS}/1/received": "GET",
    f"{CAMPAIGNS}/1/lanes/resume": "POST",
    f"{CAMPAIGNS}/1/recipients/1/attempts": "GET",
    f"{CAMPAIGNS}/1/schedule": "POST",
    "/api/v1/bounces": "GET POST",
    "/api/v1/bounces/7": "GET",
    "/api/v1/bounces/rules": "GET POST",
    "/api/v1/received": "GET",
    "/api/v1/webhooks": "GET POST",
    "/api/v1/webhooks/7": "GET DELETE",
    "/api/v1/webhooks/7/key": "POST",
    "/api/v1/mailboxes": "GET POST",
    "/api/v1/mailboxes/7": "GET PATCH DELETE",
    "/api/v1/mailboxes/7/test": "POST",
    "/api/v1/domains": "GET POST",
    "/api/v1/domains/x.example": "GET",
    "/api/v1/domains/x.example/check": "POST",
    "/api/v1/domains/x.example/reports": "GET",
    "/api/v1/domains/x.example/rotate": "POST",
    "/api/v1/domains/x.example/keys/v1": "DELETE",
    "/api/v1/suppressions": "GET POST",
    "/api/v1/suppressions/7": "DELETE",
    "/api/v1/suppressions/why": "GET",
    "/api/v1/suppressions/forget": "POST",
    "/api/v1/senders": "GET POST",
    "/api/v1/senders/7": "GET PATCH DELETE",
    "/api/v1/senders/7/test": "POST",
    "/api/v1/senders/7/warmup": "GET PUT DELETE",
    f"{CAMPAIGNS}/1/preview": "POST",
    f"{CAMPAIGNS}/1/test": "POST",
    f"{CAMPAIGNS}/1/preflight": "POST",
    f"{CAMPAIGNS}/1/rehearse": "POST",
    f"{CAMPAIGNS}/1/rehearsal": "GET",
    "/api/v1/log": "GET",
    "/api/v1/log.jsonl": "GET",
    "/api/v1/audit": "GET",
    "/api/v1/openapi.json": "GET",
    "/api/v1/token": "POST",
    "/api/v1/templates": "GET",
    "/api/v1/lists": "GET POST",
    "/api/v1/lists/1": "GET",
    "/api/v1/lists/1/contacts": "GET",
    "/api/v1/imports/1": "GET",
    "/api/v1/imports/1/notes": "GET",
    "/api/v1/imports/1/cancel": "POST",
}


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ROUTES)
async def test_a_wrong_method_is_a_problem_that_names_the_right_one(
    client: TestClientProtocol, path: str, method: str
):
    response = await client.open(path, method=method)
    if method in ROUTES[path].split():
        assert response.status_code != 405
    else:
        await problem_of(response, 405)
        assert set(ROUTES[path].split()) <= set(response.headers["Allow"].split(", "))


def test_the_wrong_methods_are_tried_on_every_route(chosen: Settings):
    app = create_app(chosen)
    rules = [rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/api/v1/")]
    matched = {
        app.url_map.bind("x").match(path, method)[0]
        for path, methods in ROUTES.items()
        for method in methods.split()
    }
    assert {rule.endpoint for rule in rules} == matched


@pytest.mark.parametrize(
    ("path", "method"), [(path, each) for path in ROUTES if "/1" in path for each in ROUTES[path].split()]
)
async def test_an_unknown_campaign_is_not_found(client: TestClientProtocol, path: str, method: str):
    problem = await problem_of(await client.open(path, method=method), 404)
    codes = {"lists": "saved-list", "imports": "request", "attempts": "recipient"}
    code = next((codes[part] for part in path.split("/") if part in codes), "campaign")
    assert problem["code"] == f"{code}.not-found"


@pytest.mark.parametrize(
    "path", ["", "/nothing", "/campaigns/x", "/campaigns/-1", "/campaigns/1/edit", "/campaigns/1/send/x"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_unknown_address_is_a_problem(client: TestClientProtocol, path: str, method: str):
    await problem_of(await client.open(f"/api/v1{path}", method=method), 404)


@pytest.mark.parametrize("number", [2**63, 10**40, "9" * 5000, 0])
async def test_a_number_that_no_campaign_can_have_is_not_found(client: TestClientProtocol, number: object):
    await problem_of(await client.get(f"{CAMPAIGNS}/{number}"), 404)


async def test_a_database_that_gives_up_is_a_problem_that_asks_to_try_again(
    client: TestClientProtocol, db: Database, monkeypatch: pytest.MonkeyPatch
):
    def give_up(*_args: object, **_options: object) -> None:
        raise OperationalError("BEGIN", {}, Exception("locked"))

    monkeypatch.setattr(drafts, "creating", give_up)
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
