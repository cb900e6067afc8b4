"""When a campaign is sent, on its pages: all of it works without scripts, and for those who may."""

from __future__ import annotations

import re
from dataclasses import replace

from sqlalchemy import update

from mailing.accounts.roles import Role
from mailing.campaigns import lifecycle
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason
from mailing.core.states import CampaignState
from mailing.core.tables import campaigns
from mailing.schedules.schedule import Schedule
from tests.support.web import DRAFT, campaign_in, running, settings_for, store

FORM = {"from": "Ann <ann@example.org>", "subject": "Hi", "text": "Dear {{ name }}"}
WHEN = {"send_at": "2030-12-01T08:00", "time_zone": "Asia/Ho_Chi_Minh"}
HOUR_MS = 3_600_000


def field(page, name):
    return re.search(rf'name="{name}"[^>]* value="([^"]*)"', page)[1]


def now(db, campaign_id=1):
    return campaign_in(db, campaign_id)


async def text_of(response):
    return (await response.get_data()).decode()


async def test_a_form_keeps_the_time_the_hours_and_the_priority_with_the_draft(visitor, db):
    hours = {"hours_from": "22:00", "hours_to": "06:00", "priority": "2"}
    await visitor.read("/campaigns/new")
    answer = await visitor.post("/campaigns", FORM | WHEN | hours | {"recipients": "ann@x.example"})
    assert answer.status_code == 303
    campaign = now(db)
    assert (campaign.state, campaign.schedule.local, campaign.hours, campaign.priority) == (
        CampaignState.DRAFT,
        WHEN["send_at"],
        "22:00-06:00",
        2,
    )
    page = await visitor.read("/campaigns/1/edit")
    shown = [field(page, name) for name in ("send_at", "time_zone", "hours_from", "hours_to")]
    assert shown == [*WHEN.values(), "22:00", "06:00"]


async def test_a_time_that_cannot_be_meant_is_told_at_its_field_with_all_that_was_typed(visitor, db):
    wrong = FORM | {
        "recipients": "ann@x.example",
        "send_at": "2030-03-31T02:30",
        "time_zone": "Europe/Berlin",
    }
    await visitor.read("/campaigns/new")
    answer = await visitor.post("/campaigns", wrong)
    page = await text_of(answer)
    assert answer.status_code == 422
    assert "the clocks skip it" in page
    assert field(page, "send_at") == "2030-03-31T02:30"
    assert now(db) is None


async def test_a_draft_is_scheduled_moved_and_made_a_draft_again_from_its_page(visitor, db):
    store(db, "ann@x.example")
    await visitor.read("/campaigns/1")
    assert (await visitor.post("/campaigns/1/schedule", WHEN)).status_code == 303
    page = await visitor.read("/campaigns/1")
    assert now(db).state is CampaignState.SCHEDULED
    assert "2030-12-01 08:00</time> (Asia/Ho_Chi_Minh)" in page
    moved = {"send_at": "2031-01-01T09:00", "time_zone": "Europe/Berlin"}
    assert (await visitor.post("/campaigns/1/timing", moved)).status_code == 303
    assert now(db).schedule == Schedule(1_925_020_800_000, "Europe/Berlin")
    listed = await visitor.read("/campaigns")
    assert "2031-01-01 09:00</time> (Europe/Berlin)" in listed
    await visitor.read("/campaigns/1")
    assert (await visitor.post("/campaigns/1/unschedule")).status_code == 303
    assert now(db).state is CampaignState.DRAFT


async def test_a_time_in_the_past_is_refused_with_a_sentence(visitor, db):
    store(db, "ann@x.example")
    await visitor.read("/campaigns/1")
    answer = await visitor.post("/campaigns/1/schedule", WHEN | {"send_at": "2020-12-01T08:00"})
    assert answer.status_code == 422
    assert "has passed" in await text_of(answer)
    assert now(db).state is CampaignState.DRAFT


async def test_a_scheduled_campaign_is_edited_with_the_button_and_does_not_save_itself(visitor, db):
    store(db, "ann@x.example", replace(DRAFT, schedule=Schedule(now_ms() + HOUR_MS, "UTC")))
    await visitor.read("/campaigns/1")
    await visitor.post("/campaigns/1/schedule")
    page = await visitor.read("/campaigns/1/edit")
    assert "data-autosave" not in page
    assert (await visitor.post("/campaigns/1/autosave", FORM | {"subject": "Ha"})).status_code == 409
    planned = {"send_at": field(page, "send_at"), "time_zone": "UTC"}
    assert (await visitor.post("/campaigns/1", FORM | planned)).status_code == 303
    assert (now(db).state, now(db).subject) == (CampaignState.SCHEDULED, "Hi")


async def test_the_page_of_a_scheduled_campaign_loads_again_once_it_has_started(visitor, db):
    store(db, "ann@x.example", replace(DRAFT, schedule=Schedule(now_ms() + 60_000, "UTC")))
    await visitor.read("/campaigns/1")
    await visitor.post("/campaigns/1/schedule")
    assert 50 < int((await visitor.get("/campaigns/1")).headers["Refresh"]) < 70


async def test_who_may_not_send_changes_nothing_that_is_scheduled(db, database_url, tmp_path):
    store(db, "ann@x.example", replace(DRAFT, schedule=Schedule(now_ms() + HOUR_MS, "UTC")))
    with db.write() as connection:
        connection.execute(update(campaigns).values(state="scheduled"))
    chosen = settings_for(
        tmp_path, database_url, VOLLEY_URL="https://mail.example.org", VOLLEY_BIND="0.0.0.0:5000"
    )
    async with running(chosen, Role.WRITER) as visitor:
        headers = {"Host": "mail.example.org"}
        answer = await visitor.get("/campaigns/1/edit", headers=headers)
        assert answer.status_code == 403


async def test_a_campaign_says_until_when_it_waits_for_its_hours_and_how_late_it_started(visitor, db):
    hour = now_ms() // HOUR_MS % 24
    campaign_id = store(db, "ann@x.example", send=True)
    closed = {"hours_from": f"{(hour + 4) % 24:02}:00", "hours_to": f"{(hour + 8) % 24:02}:00"}
    await visitor.read(f"/campaigns/{campaign_id}")
    answer = await visitor.post("/campaigns/1/timing", closed | {"time_zone": "UTC", "priority": "0"})
    assert answer.status_code == 303
    assert (now(db).priority, now(db).condition) == (0, "waiting_for_hours")
    with db.write() as connection:
        connection.execute(update(campaigns).values(send_at=campaigns.c.started_at - 2 * HOUR_MS))
    page = await visitor.read("/campaigns/1")
    assert f"Waits until {closed['hours_from']} (UTC)" in page
    assert "Started 2\N{NO-BREAK SPACE}h late" in page


async def test_the_overview_shows_what_is_scheduled_and_what_could_not_start_until_it_is_mended(visitor, db):
    store(db, "ann@x.example", replace(DRAFT, subject="Soon", schedule=Schedule(now_ms() + HOUR_MS, "UTC")))
    store(db, "ann@x.example", replace(DRAFT, subject="Broken", schedule=Schedule(now_ms() + HOUR_MS, "UTC")))
    for campaign_id in (1, 2):
        await visitor.read(f"/campaigns/{campaign_id}")
        await visitor.post(f"/campaigns/{campaign_id}/schedule")
    with db.write() as connection:
        connection.execute(update(campaigns).where(campaigns.c.id == 2).values(send_at=now_ms() - 1))
        assert lifecycle.put_back(connection, 2, Reason("message.empty"))
    page = await visitor.read("/")
    assert "“Broken” did not start" in page
    assert page.index("Scheduled</h2>") < page.index("Soon")
    await visitor.read("/campaigns/2/edit")
    assert (await visitor.post("/campaigns/2", FORM | WHEN)).status_code == 303
    assert "did not start" not in await visitor.read("/")
