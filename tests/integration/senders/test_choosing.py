"""A campaign chooses its senders and limits, in its form and while it is sent."""

from __future__ import annotations

import asyncio
import re

import pytest

from mailing.senders.limits import Limits
from mailing.senders.routes import Route
from tests.integration.senders.adding import add, said, senders
from tests.support.smtp_server import EXTENSIONS, FakeServer
from tests.support.web import campaign_in
from tests.support.web import store as store_campaign

DRAFT = {
    "from": "a@example.org",
    "subject": "Hello",
    "text": "text",
    "writing": "plain",
    "recipients": "a@one.example",
    "route": "1",
}


async def test_a_draft_chooses_senders_in_order_and_its_own_limits(visitor, db):
    await add(visitor)
    await add(visitor, name="Second")
    _default, club, second = (account.id for account in senders(db))
    await visitor.read("/campaigns/new")
    chosen = {"sender_1": str(second), "sender_2": str(club), "limit_per_minute": "60"}
    answer = await visitor.post("/campaigns", DRAFT | chosen)
    assert answer.status_code == 303, await answer.get_data(as_text=True)
    campaign = campaign_in(db, 1)
    assert campaign
    assert campaign.route == Route((second, club), Limits(per_minute=60))
    page = await visitor.read("/campaigns/1/edit")
    assert f'<option value="{second}" selected>Second</option>' in page
    assert re.search(r'name="limit_per_minute"[^>]* value="60"', page)
    answer = await visitor.post("/campaigns/1", DRAFT | {"sender_1": ""})
    assert answer.status_code == 303
    campaign = campaign_in(db, 1)
    assert campaign
    assert campaign.route == Route()


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ({"sender_1": "99"}, "There is no sender 99"),
        ({"limit_per_hour": "0"}, "must be a whole number from 1"),
    ],
)
async def test_a_draft_is_not_stored_with_a_sender_or_limit_that_is_none(visitor, db, typed, text):
    await visitor.read("/campaigns/new")
    assert text in await said(await visitor.post("/campaigns", DRAFT | typed), 422)
    assert campaign_in(db, 1) is None


async def test_a_form_that_says_nothing_of_senders_keeps_them(visitor, db):
    await add(visitor)
    club = senders(db)[-1].id
    await visitor.read("/campaigns/new")
    await visitor.post("/campaigns", DRAFT | {"sender_1": str(club)})
    await visitor.read("/campaigns/1/edit")
    form = {name: value for name, value in DRAFT.items() if name != "route"}
    assert (await visitor.post("/campaigns/1", form)).status_code == 303
    campaign = campaign_in(db, 1)
    assert campaign
    assert campaign.senders == [club]


async def test_senders_and_limits_change_while_a_campaign_is_sent(visitor, db):
    await add(visitor)
    club = senders(db)[-1].id
    campaign_id = store_campaign(db, "a@one.example", send=True)
    assert "Senders and limits" in await visitor.read(f"/campaigns/{campaign_id}")
    await visitor.read(f"/campaigns/{campaign_id}/senders")
    form = {"route": "1", "sender_1": str(club), "limit_per_hour": "7"}
    page = await said(await visitor.post(f"/campaigns/{campaign_id}/senders", form | {"sender_1": "99"}), 422)
    assert "There is no sender 99" in page
    assert (await visitor.post(f"/campaigns/{campaign_id}/senders", form)).status_code == 303
    campaign = campaign_in(db, campaign_id)
    assert campaign
    assert campaign.route == Route((club,), Limits(per_hour=7))


async def test_a_test_send_goes_by_the_sender_that_the_campaign_names_first(visitor, db):
    async with FakeServer(extensions=(*EXTENSIONS, "AUTH PLAIN"), login=("club", "hunter2")) as server:
        await add(visitor, host="127.0.0.1", port=str(server.port), tls="none")
        club = senders(db)[-1].id
        await visitor.read("/campaigns/new")
        await visitor.post("/campaigns", DRAFT | {"sender_1": str(club)})
        await visitor.read("/campaigns/1/test")
        answer = await visitor.post("/campaigns/1/test", {"to": "me@one.example", "like": ""})
        assert answer.status_code == 303, await answer.get_data(as_text=True)
        name = answer.headers["Location"].rpartition("/")[2]
        run = visitor.app.extensions["trials"].get(name, "campaign:1")
        await asyncio.wait([run.task])
    assert [message.recipients for message in server.received] == [("me@one.example",)]
