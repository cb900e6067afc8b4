"""When a campaign is sent, through the API: scheduled, moved, kept to hours of the day, made urgent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mailing.core.clock import now_ms
from mailing.core.states import CampaignAction, CampaignState
from tests.support.api import CAMPAIGNS, order, post, problem_of
from tests.support.web import campaign_in, store

if TYPE_CHECKING:
    from quart.typing import TestClientProtocol

    from mailing.core.database import Database

HOURS = {"from": "08:00", "to": "20:00"}
AT = {"send_at": "2030-12-01T08:00", "time_zone": "Asia/Ho_Chi_Minh"}


async def patch(client: TestClientProtocol, campaign_id: int, **fields: Any) -> Any:
    return await client.patch(f"{CAMPAIGNS}/{campaign_id}", json=fields)


async def test_a_posted_campaign_with_a_time_is_scheduled(client: TestClientProtocol) -> None:
    answer = await post(client, order(**AT, hours=HOURS, priority=2, send=True))
    assert answer["state"] == "scheduled"
    campaign = await (await client.get(f"{CAMPAIGNS}/{answer['id']}")).get_json()
    told = {name: campaign[name] for name in ("state", "send_at", "time_zone", "hours", "priority")}
    assert told == {
        "state": "scheduled",
        "send_at": "2030-12-01T01:00:00.000Z",
        "time_zone": "Asia/Ho_Chi_Minh",
        "hours": HOURS,
        "priority": 2,
    }
    assert campaign["actions"] == ["send", "unschedule", "cancel"]


async def test_without_send_the_time_is_kept_with_the_draft_and_scheduled_later(
    client: TestClientProtocol,
) -> None:
    answer = await post(client, order(**AT))
    assert answer["state"] == "draft"
    response = await client.post(f"{CAMPAIGNS}/{answer['id']}/schedule")
    assert (await response.get_json())["state"] == "scheduled"
    response = await client.post(f"{CAMPAIGNS}/{answer['id']}/unschedule")
    assert (await response.get_json())["state"] == "draft"
    response = await client.post(f"{CAMPAIGNS}/{answer['id']}/schedule", json={"send_at": "2031-01-01T08:00"})
    assert (await response.get_json())["send_at"] == "2031-01-01T01:00:00.000Z"


@pytest.mark.parametrize(
    ("fields", "field", "code"),
    [
        ({"send_at": "2030-12-01T08:00"}, "time_zone", "schedule.no-zone"),
        ({"send_at": "2020-12-01T08:00Z"}, "send_at", "schedule.past"),
        ({"send_at": "2030-03-31T02:30", "time_zone": "Europe/Berlin"}, "send_at", "schedule.skipped-time"),
        ({"send_at": "tomorrow", "time_zone": "UTC"}, "send_at", "schedule.unreadable-time"),
        ({"send_at": 5}, "send_at", "request.wrong-value"),
        ({"time_zone": "Asia/Saigonn"}, "time_zone", "schedule.unknown-zone-near"),
        ({"hours": HOURS}, "time_zone", "schedule.no-zone"),
        ({"hours": "08:00-20:00"}, "hours", "request.wrong-value"),
        ({"hours": {"from": "8", "to": "9"}, "time_zone": "UTC"}, "hours", "schedule.unreadable-hours"),
        ({"priority": 10}, "priority", "request.wrong-value"),
    ],
)
async def test_a_time_that_cannot_be_meant_is_a_fault_of_its_field(
    client: TestClientProtocol, fields: dict[str, Any], field: str, code: str
) -> None:
    answer = await post(client, order())
    for response in (
        await client.post(CAMPAIGNS, json=order(**fields, send=True)),
        await patch(client, answer["id"], **fields),
    ):
        assert response.status_code == 422
        found = (await response.get_json())["errors"]
        assert [(it["field"], it["code"]) for it in found] == [(field, code)]


async def test_what_is_left_out_stays_and_null_removes_it(client: TestClientProtocol) -> None:
    answer = await post(client, order(**AT, hours=HOURS, send=True))
    campaign = await (await patch(client, answer["id"], priority=0)).get_json()
    assert (campaign["priority"], campaign["hours"]) == (0, HOURS)
    campaign = await (await patch(client, answer["id"], time_zone="Europe/Berlin")).get_json()
    assert campaign["send_at"] == "2030-12-01T07:00:00.000Z", "the same time by the clocks there"
    campaign = await (await patch(client, answer["id"], hours=None)).get_json()
    assert (campaign["hours"], campaign["state"]) == (None, "scheduled")
    problem = await problem_of(await patch(client, answer["id"], send_at=None), 409)
    assert problem["code"] == "schedule.no-time"


async def test_what_is_sent_keeps_its_start_and_can_be_made_urgent_until_it_is_over(
    client: TestClientProtocol, db: Database
) -> None:
    campaign_id = store(db, "ann@one.example", send=True)
    campaign = await (await patch(client, campaign_id, priority=0)).get_json()
    assert campaign["priority"] == 0
    problem = await problem_of(await patch(client, campaign_id, **AT), 409)
    assert problem["code"] == "schedule.started"
    await client.post(f"{CAMPAIGNS}/{campaign_id}/{CampaignAction.CANCEL}")
    problem = await problem_of(await patch(client, campaign_id, priority=9), 409)
    assert problem["code"] == "schedule.over"
    found = campaign_in(db, campaign_id)
    assert found
    assert (found.priority, found.state) == (0, CampaignState.CANCELED)


async def test_outside_of_its_hours_a_campaign_says_why_and_until_when_it_waits(
    client: TestClientProtocol, db: Database
) -> None:
    hour = now_ms() // 3_600_000 % 24
    campaign_id = store(db, "ann@one.example", send=True)
    closed = {"from": f"{(hour + 4) % 24:02}:00", "to": f"{(hour + 8) % 24:02}:00"}
    campaign = await (await patch(client, campaign_id, hours=closed, time_zone="UTC")).get_json()
    assert campaign["condition"] == "waiting_for_hours"
    assert campaign["waits"]["code"] == "schedule.outside-hours"
    assert campaign["waits"]["until"][11:16] == closed["from"]


@pytest.mark.parametrize("verb", ["send", "unschedule", "pause"])
async def test_only_what_schedules_takes_a_time(client: TestClientProtocol, verb: str) -> None:
    answer = await post(client, order())
    response = await client.post(f"{CAMPAIGNS}/{answer['id']}/{verb}", json=AT)
    assert response.status_code == 422
