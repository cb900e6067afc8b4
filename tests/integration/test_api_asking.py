"""What a program asks of the API in vain: it is told, and nothing else is done instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mailing.states import CampaignState
from tests.integration.api import CAMPAIGNS, JSON, faults_of, order, post, problem_of

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
    assert problem["errors"] == [{"field": "sate", "detail": "There is no such parameter: 'sate'."}]
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
    assert faults == {"recipient": f"{verb} takes no fields: it is for the whole campaign."}
    assert (await (await client.get(path)).get_json())["state"] == CampaignState.DRAFT
    await problem_of(await client.post(f"{path}/{verb}", data=b"{", headers=JSON), 400)
    assert (await client.post(f"{path}/{verb}", json={})).status_code == 200
