"""What a program asks of the API in vain: it is told, and nothing else is done instead."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from mailing.core.states import CampaignState
from tests.support.api import CAMPAIGNS, JSON, faults_of, order, post, problem_of
from tests.support.web import HOST, store

if TYPE_CHECKING:
    from quart.typing import TestClientProtocol


async def test_campaigns_are_listed_the_newest_first_page_by_page(client: TestClientProtocol):
    made = [(await post(client, order(subject=f"No. {n}")))["id"] for n in range(5)]
    listed, before = [], ""
    while before is not None:
        page = await (await client.get(f"{CAMPAIGNS}?limit=2{before}")).get_json()
        assert len(page["campaigns"]) <= 2
        listed += page["campaigns"]
        before = page["next"] and f"&before={page['next']}"
    assert [campaign["id"] for campaign in listed] == made[::-1]
    assert listed[0] == await (await client.get(f"{CAMPAIGNS}/{made[-1]}")).get_json()


async def test_the_last_full_page_of_campaigns_names_no_next_one(client: TestClientProtocol):
    await post(client, order())
    page = await (await client.get(f"{CAMPAIGNS}?limit=1")).get_json()
    assert (len(page["campaigns"]), page["next"]) == (1, None)


@pytest.mark.parametrize("path", [CAMPAIGNS, f"{CAMPAIGNS}/1/recipients", "/api/v1/log", "/api/v1/log.jsonl"])
async def test_a_misspelt_parameter_is_refused(client: TestClientProtocol, path: str):
    """Or a filter that is no filter would return everything."""
    await post(client, order())
    problem = await problem_of(await client.get(f"{path}?sate=failed"), 422)
    assert problem["errors"] == [
        {"field": "sate", "detail": "Unknown parameter 'sate'.", "code": "request.unknown-parameter"}
    ]
    assert "Nothing was changed" not in problem["detail"]


@pytest.mark.parametrize("wrong", ["0", "501", "x", "-1", "", "9" * 5000, "\N{SUPERSCRIPT TWO}"])
@pytest.mark.parametrize("path", [CAMPAIGNS, f"{CAMPAIGNS}/1/recipients", "/api/v1/log"])
async def test_a_page_has_from_1_to_500_rows(client: TestClientProtocol, path: str, wrong: str):
    faults = await faults_of(await client.get(path, query_string={"limit": wrong}))
    assert faults["limit"].endswith("must be a whole number from 1 to 500.")


@pytest.mark.parametrize("verb", ["send", "cancel"])
async def test_fields_for_a_whole_campaign_are_refused(client: TestClientProtocol, verb: str):
    """Who sends {"recipient": 17} to cancel does not mean the other thousands."""
    path = f"{CAMPAIGNS}/{(await post(client, order()))['id']}"
    faults = await faults_of(await client.post(f"{path}/{verb}", json={"recipient": 17}))
    assert faults == {"recipient": f"{verb} has no fields: it applies to the whole campaign."}
    assert (await (await client.get(path)).get_json())["state"] == CampaignState.DRAFT
    await problem_of(await client.post(f"{path}/{verb}", data=b"{", headers=JSON), 400)
    assert (await client.post(f"{path}/{verb}", json={})).status_code == 200


@pytest.mark.parametrize(
    ("path", "known"),
    [("/campaigns", {"send": False}), ("/campaigns/1/send", {}), ("/campaigns/1/retry", {})],
)
async def test_of_a_million_unknown_fields_the_first_are_named_and_the_rest_is_counted(
    client, db, path, known
):
    store(db, "a@b.example")
    many = 100_000 if path == "/campaigns" else 5_000
    body = json.dumps(known | {str(n): 0 for n in range(many)}).encode()
    headers = {"Content-Type": "application/json", "Host": HOST}
    answer = await client.post(f"/api/v1{path}", data=body, headers=headers)
    data = await answer.get_data()
    assert (answer.status_code, len(data) < 20_000) == (422, True)
    problem = json.loads(data)
    assert "more than 20 errors" in problem["detail"]
    told = {fault["field"]: fault["detail"] for fault in problem["errors"]}
    assert told[""] == f"And {many - 20:,} more unknown fields."
    assert "7" in told


async def test_a_field_with_a_name_of_a_megabyte_is_not_repeated(client, db):
    body = json.dumps({"x" * 1_000_000: 0}).encode()
    headers = {"Content-Type": "application/json", "Host": HOST}
    answer = await client.post("/api/v1/campaigns", data=body, headers=headers)
    assert (answer.status_code, len(await answer.get_data()) < 5_000) == (422, True)


@pytest.mark.parametrize("value", [[], {}, None, 5, True, "x"])
async def test_a_choice_of_any_other_kind_is_refused_with_a_sentence(client, db, value):
    store(db, "a@b.example", send=True)
    answer = await client.post("/api/v1/campaigns/1/retry", json={"state": value}, headers={"Host": HOST})
    assert answer.status_code == 422
