"""Through the API: when a campaign pauses by itself, its canary, a corrected message, and follow-ups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mailing.campaigns import lifecycle
from mailing.core.states import AttemptResult, CampaignAction
from tests.support.api import CAMPAIGNS, faults_of, order, post, problem_of
from tests.support.web import deliver

if TYPE_CHECKING:
    from quart.typing import TestClientProtocol

    from mailing.core.database import Database

USUAL = {"percent": 10, "of_last": 200, "at_least": 20, "complaints": 3, "complaints_at_least": 3}
GONE = (AttemptResult.FAILED, 550, "5.1.1", "550 5.1.1 no such user")
FULL = (AttemptResult.FAILED, 552, "5.2.2", "552 5.2.2 full")
SENT = (AttemptResult.SENT, 250, "2.0.0", "250 2.0.0 Ok")


async def read(client: TestClientProtocol, path: str) -> Any:
    return await (await client.get(path)).get_json()


async def paused(client: TestClientProtocol, db: Database, **more: Any) -> str:
    """Post a campaign and pause it; return its path."""
    campaign = await post(client, order(send=True, **more))
    with db.write() as connection:
        lifecycle.act(connection, campaign["id"], CampaignAction.PAUSE)
    return f"{CAMPAIGNS}/{campaign['id']}"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({}, USUAL),
        ({"breaker": {}}, USUAL),
        ({"breaker": {"percent": 3}}, USUAL | {"percent": 3}),
        ({"breaker": None}, None),
    ],
)
async def test_a_breaker_is_usual_of_its_own_or_off(client: TestClientProtocol, given: Any, kept: Any):
    campaign = await post(client, order(canary=50, **given))
    stored = await read(client, f"{CAMPAIGNS}/{campaign['id']}")
    assert (stored["breaker"], stored["canary"], stored["version"]) == (kept, 50, 1)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"breaker": {"percent": -1}}, "0 to 100"),
        ({"breaker": {"of_last": 50, "at_least": 60}}, "at most 50"),
        ({"breaker": {"often": 1}}, "whole numbers"),
        ({"breaker": {"percent": "ten"}}, "whole numbers"),
        ({"breaker": False}, "whole numbers"),
        ({"canary": -1}, "from 0 to 1000"),
        ({"canary": True}, "from 0 to 1000"),
    ],
)
async def test_what_cannot_be_used_is_refused_by_its_field(client: TestClientProtocol, given: Any, said: str):
    response = await client.post(CAMPAIGNS, json=order(**given))
    ((field, detail),) = (await faults_of(response)).items()
    assert field in given
    assert said in detail


async def test_a_draft_is_changed_in_what_is_sent_and_in_nothing_else(client: TestClientProtocol):
    campaign = await post(client, order())
    path = f"{CAMPAIGNS}/{campaign['id']}"
    before = await read(client, path)
    response = await client.patch(path, json={"subject": "New", "breaker": None, "canary": 7})
    assert response.status_code == 200
    now = await response.get_json()
    assert now == before | {"subject": "New", "breaker": None, "canary": 7}


async def test_the_message_of_a_paused_campaign_is_corrected_and_its_version_counts_up(
    client: TestClientProtocol, db: Database
):
    path = await paused(client, db)
    response = await client.patch(path, json={"subject": "Sorry, {{ name }}"})
    assert response.status_code == 200
    now = await response.get_json()
    assert (now["subject"], now["version"], now["state"]) == ("Sorry, {{ name }}", 2, "paused")
    again = await client.patch(path, json={"text": "And once more.\n", "breaker": {"percent": 50}})
    now = await again.get_json()
    assert (now["version"], now["breaker"]["percent"]) == (3, 50)


async def test_what_some_recipients_lack_keeps_the_old_message(client: TestClientProtocol, db: Database):
    path = await paused(client, db)
    response = await client.patch(path, json={"text": "Your code: {{ code }}\n"})
    assert "{{ code }}" in (await problem_of(response, 409))["detail"]
    assert (await read(client, path))["version"] == 1


@pytest.mark.parametrize("name", ["from", "canary", "give_up_hours"])
async def test_of_a_campaign_that_was_sent_only_the_message_and_the_breaker_change(
    client: TestClientProtocol, db: Database, name: str
):
    path = await paused(client, db)
    given = {"from": "Ben <ben@example.org>", "canary": 5, "give_up_hours": 3}[name]
    response = await client.patch(path, json={name: given})
    assert [*await faults_of(response)] == [name]


async def test_a_message_that_is_being_sent_is_not_changed_and_its_breaker_is(client: TestClientProtocol):
    campaign = await post(client, order(send=True))
    path = f"{CAMPAIGNS}/{campaign['id']}"
    refused = await client.patch(path, json={"subject": "Too late"})
    assert refused.status_code == 409
    assert (await client.patch(path, json={"breaker": None})).status_code == 200
    assert (await read(client, path))["breaker"] is None


@pytest.mark.parametrize(
    ("asked", "who"),
    [
        ({"state": "failed"}, ["ann@example.org", "ben@example.org"]),
        ({"reply": "552-5.2.2"}, ["ben@example.org"]),
        ({"q": "ann@"}, ["ann@example.org"]),
        ({"state": "failed", "q": "@example.org", "reply": "550-5.1.1"}, ["ann@example.org"]),
        (None, ["ann@example.org", "ben@example.org", "cat@example.org"]),
    ],
)
async def test_a_follow_up_is_a_draft_to_exactly_those_that_are_found(
    client: TestClientProtocol, db: Database, asked: Any, who: list[str]
):
    people = [{"email": f"{name}@example.org", "name": name, "city": "Hue"} for name in ("ann", "ben", "cat")]
    text = "Hello {{ name }} in {{ city }}\n"
    await post(client, order(send=True, recipients=people, text=text))
    deliver(db, GONE, FULL, SENT)
    response = await client.post(f"{CAMPAIGNS}/1/follow-up", json=asked or {})
    assert response.status_code == 201
    draft = await response.get_json()
    assert response.headers["Location"].endswith(f"{CAMPAIGNS}/{draft['id']}")
    assert (draft["state"], draft["total"]) == ("draft", len(who))
    found = (await read(client, f"{CAMPAIGNS}/{draft['id']}/recipients"))["recipients"]
    assert [each["email"] for each in found] == who
    assert (await client.post(f"{CAMPAIGNS}/{draft['id']}/send")).status_code == 200  # with their fields


async def test_a_follow_up_to_nobody_is_refused(client: TestClientProtocol):
    await post(client, order(send=True))
    response = await client.post(f"{CAMPAIGNS}/1/follow-up", json={"state": "unknown"})
    assert "No recipient" in (await problem_of(response, 409))["detail"]
