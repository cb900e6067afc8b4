"""Bounces for programs: taken in as they came, listed, and what follows from them changed."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from tests.integration.bounces.test_recording import ANN, address_of, sent_campaign
from tests.support import bounces
from tests.support.api import problem_of

if TYPE_CHECKING:
    from quart.typing import TestClientProtocol

    from mailing.core.database import Database

PATH = "/api/v1/bounces"


async def test_programs_hand_in_a_report_and_find_it_and_its_recipient(
    client: TestClientProtocol, db: Database
) -> None:
    campaign_id = sent_campaign(db)
    raw = bounces.dsn(to=address_of(db, campaign_id))
    answer = await client.post(PATH, json={"message": raw.decode()})
    assert answer.status_code == 201
    told = await answer.get_json()
    assert (told["kind"], told["new"], told["campaign"]) == ("bounced", True, campaign_id)
    assert (told["cause"], told["counted"], told["suppressed"]) == ("no-mailbox", True, True)
    sent = {"message": base64.b64encode(raw).decode(), "encoding": "base64"}
    again = await (await client.post(PATH, json=sent)).get_json()
    assert (again["id"], again["new"]) == (told["id"], False)
    one = await (await client.get(f"{PATH}/{told['id']}")).get_json()
    assert (one["email"], one["matched_by"], one["bounce_class"]) == (ANN, "token", "hard")
    rows = await (await client.get(f"/api/v1/campaigns/{campaign_id}/recipients")).get_json()
    ann = next(it for it in rows["recipients"] if it["email"] == ANN)
    assert (ann["state"], ann["bounced"]["cause"], ann["complained_at"]) == ("sent", "no-mailbox", None)


async def test_reports_are_listed_in_pages_by_kind_and_campaign(
    client: TestClientProtocol, db: Database
) -> None:
    campaign_id = sent_campaign(db)
    to = address_of(db, campaign_id)
    for raw in (bounces.dsn(to=to), bounces.VACATION, bounces.complaint(original_from=to)):
        assert (await client.post(PATH, json={"message": raw.decode()})).status_code == 201
    first = await (await client.get(f"{PATH}?limit=2")).get_json()
    assert [it["kind"] for it in first["bounces"]] == ["complained", "auto-reply"]
    rest = await (await client.get(f"{PATH}?before={first['next']}")).get_json()
    assert [it["kind"] for it in rest["bounces"]] == ["bounced"]
    of = await (await client.get(f"{PATH}?campaign={campaign_id}&kind=complained")).get_json()
    assert [it["campaign"] for it in of["bounces"]] == [campaign_id]
    gone = await client.get(f"{PATH}/999")
    assert (await problem_of(gone, 404))["code"] == "bounce.not-found"


async def test_rules_are_read_and_changed(client: TestClientProtocol) -> None:
    rules = (await (await client.get(f"{PATH}/rules")).get_json())["rules"]
    assert {it["of"]: it["times"] for it in rules} == {"hard": 1, "soft": 3, "policy": 0, "complained": 1}
    changed = await client.post(f"{PATH}/rules", json={"of": "soft", "times": 5, "days": 60})
    assert changed.status_code == 200
    rules = (await (await client.get(f"{PATH}/rules")).get_json())["rules"]
    assert {"of": "soft", "times": 5, "days": 60} in rules


@pytest.mark.parametrize(
    "body",
    [{}, {"message": ""}, {"message": 1}, {"message": "é", "encoding": "base64"}, {"message": "x", "to": 1}],
)
async def test_what_is_no_message_is_a_problem(client: TestClientProtocol, body: object) -> None:
    await problem_of(await client.post(PATH, json=body), 422)


@pytest.mark.parametrize(
    "body", [{}, {"of": "soft"}, {"of": "whim", "times": 1}, {"of": "soft", "times": 101}]
)
async def test_a_rule_that_cannot_be_is_a_problem(client: TestClientProtocol, body: object) -> None:
    await problem_of(await client.post(f"{PATH}/rules", json=body), 422)
