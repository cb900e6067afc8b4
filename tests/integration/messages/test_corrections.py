"""The pages: a paused campaign's message is corrected, its versions are shown, and what its page tells."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mailing.accounts.roles import Role
from mailing.campaigns import lifecycle
from mailing.core.reasons import Reason
from mailing.core.states import AttemptResult, CampaignAction
from mailing.ledger.breaker import Breaker
from mailing.suppression.purposes import Purpose
from tests.support.web import DRAFT, campaign_in, deliver, running, store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mailing.core.database import Database
    from mailing.settings import Settings
    from tests.support.web import Visitor

SENT = (AttemptResult.SENT, 250, "2.0.0", "250 2.0.0 Ok")
GONE = (AttemptResult.FAILED, 550, "5.1.1", "550 5.1.1 no such user")
LIST = "ann@one.example\nben@two.example\ncat@two.example"
FORM = {"writing": "plain", "subject": "Corrected, {{ name }}", "text": "New.\n"}


@pytest.fixture
async def visitor(db: Database, chosen: Settings) -> AsyncIterator[Visitor]:
    async with running(chosen) as visitor:
        yield visitor


def paused(db: Database, reason: Reason | None = None) -> int:
    campaign_id = store(db, LIST, send=True)
    deliver(db, SENT)
    with db.write() as connection:
        if reason:
            lifecycle.pause(connection, campaign_id, reason)
        else:
            lifecycle.act(connection, campaign_id, CampaignAction.PAUSE)
    return campaign_id


async def test_a_paused_message_is_corrected_in_the_editor_and_checked_again(visitor: Visitor, db: Database):
    paused(db)
    assert "/campaigns/1/correct" in await visitor.read("/campaigns/1")
    page = await visitor.read("/campaigns/1/correct")
    assert "2\N{NO-BREAK SPACE}recipients still wait" in page
    saved = await visitor.post("/campaigns/1/correct", FORM | {"from": "other@example.org"})
    assert (saved.status_code, saved.location) == (303, "/campaigns/1/preflight")
    assert "The message is corrected." in await visitor.read(saved.location)
    campaign = campaign_in(db, 1)
    assert campaign
    assert (campaign.version, campaign.subject, campaign.text) == (2, FORM["subject"], FORM["text"])
    assert campaign.sender_from == DRAFT.sender_from


async def test_each_recipient_is_shown_the_version_that_it_got(visitor: Visitor, db: Database):
    paused(db)
    await visitor.read("/campaigns/1/correct")
    await visitor.post("/campaigns/1/correct", FORM)
    with db.write() as connection:
        lifecycle.act(connection, 1, CampaignAction.RESUME)
    deliver(db, SENT)
    first, second = [await visitor.read(f"/campaigns/1/recipients/{n}") for n in (1, 2)]
    assert "<b>Picnic," in first
    assert "/campaigns/1/message?version=1" in first
    assert "<b>Corrected," in second
    assert "/campaigns/1/message?version=2" in second
    assert "<b>Corrected," not in await visitor.read("/campaigns/1/message?version=1")
    listed = await visitor.read("/campaigns/1/message")
    assert listed.index("Version 2") < listed.index("Version 1")
    assert "As sent to the first recipient" not in listed  # who got another one
    assert "New." in await visitor.read("/campaigns/1/recipients/1.eml?version=2")
    assert "blanket" in await visitor.read("/campaigns/1/recipients/1.eml")
    await visitor.read("/campaigns/1/message?version=3", status=404)


@pytest.mark.parametrize(
    ("changed", "status", "said"),
    [
        ({"subject": " "}, 422, "Enter a subject."),
        ({"text": "{{ name"}, 422, 'id="text-fault"'),
        ({"text": "Your code: {{ code }}"}, 409, "no such column"),
    ],
)
async def test_what_cannot_be_sent_is_named_and_nothing_typed_is_lost(
    visitor: Visitor, db: Database, changed: dict[str, str], status: int, said: str
):
    paused(db)
    await visitor.read("/campaigns/1/correct")
    answer = await visitor.post("/campaigns/1/correct", FORM | changed)
    text = (await answer.get_data()).decode()
    assert answer.status_code == status
    assert said in text
    assert FORM["text"] in text or "text" in changed
    campaign = campaign_in(db, 1)
    assert campaign
    assert campaign.version == 1


async def test_of_two_who_correct_at_once_the_second_is_told(visitor: Visitor, db: Database):
    paused(db)
    await visitor.read("/campaigns/1/correct")
    assert (await visitor.post("/campaigns/1/correct", FORM)).status_code == 303
    late = await visitor.post("/campaigns/1/correct", FORM | {"text": "Mine.\n"})
    assert late.status_code == 409
    assert "Mine." in (await late.get_data()).decode()


async def test_only_a_paused_campaign_is_corrected(visitor: Visitor, db: Database):
    store(db, LIST, send=True)
    assert "Pause it to correct" in await visitor.read("/campaigns/1/correct", status=409)


async def test_a_pause_for_failures_says_what_to_look_at(visitor: Visitor, db: Database):
    replies = (Reason("paused.reply", n=20, reply="550 5.1.1 no such user"),)
    paused(db, Reason("paused.many-failed", n=20, of=200, percent=10, replies=replies))
    page = await visitor.read("/campaigns/1")
    assert "20 of the last 200 emails failed; the limit is 10%." in page
    assert "failures are counted from zero" in page


async def test_a_canary_tells_how_it_stands_and_what_the_others_wait_for(visitor: Visitor, db: Database):
    store(db, LIST, replace(DRAFT, canary=2), send=True)
    page = await visitor.read("/campaigns/1")
    assert "Canary: 0 of the first 2 emails accepted" in page
    assert "fewer than 10% were not accepted" in page


async def test_the_form_sets_the_limit_and_the_canary_and_turns_the_limit_off(visitor: Visitor, db: Database):
    await visitor.read("/campaigns/new")
    form = {"from": DRAFT.sender_from, "subject": "Hi", "text": "Hi", "recipients": LIST, "safeguards": "1"}
    own = {"breaker": "on", "breaker_percent": "5", "breaker_of_last": "100", "breaker_at_least": "10"}
    assert (await visitor.post("/campaigns", form | own | {"canary": "50"})).status_code == 303
    campaign = campaign_in(db, 1)
    assert campaign
    assert (campaign.breaker, campaign.canary) == (Breaker(5, 100, 10), 50)
    page = await visitor.read("/campaigns/1/edit")
    assert 'name="breaker_percent" type="number" min="1" max="100" value="5"' in page
    edited = form | own | {"breaker": "", "canary": "", "recipients": ""}
    assert (await visitor.post("/campaigns/1", edited)).status_code == 303
    campaign = campaign_in(db, 1)
    assert campaign
    assert (campaign.breaker, campaign.canary) == (None, 0)


@pytest.mark.parametrize(
    ("field", "value"),
    [("breaker_percent", "0"), ("breaker_of_last", "9"), ("breaker_at_least", "201"), ("canary", "many")],
)
async def test_a_limit_that_cannot_be_is_told_at_its_field(visitor: Visitor, field: str, value: str):
    await visitor.read("/campaigns/new")
    form = {"from": DRAFT.sender_from, "subject": "Hi", "text": "Hi", "recipients": LIST, "safeguards": "1"}
    usual = {"breaker": "on", "breaker_percent": "10", "breaker_of_last": "200", "breaker_at_least": "20"}
    answer = await visitor.post("/campaigns", form | usual | {field: value})
    assert answer.status_code == 422
    assert f'id="{field}-fault"' in (await answer.get_data()).decode()


async def test_a_filter_becomes_a_draft_to_exactly_those(visitor: Visitor, db: Database):
    store(db, LIST, send=True)
    deliver(db, GONE, SENT, GONE)
    page = await visitor.read("/campaigns/1?state=failed")
    assert "New draft to these 2" in page
    made = await visitor.post("/campaigns/1/follow-up", {"state": "failed", "q": "@two.example", "reply": ""})
    assert made.status_code == 303
    draft = await visitor.read(made.location)
    assert "Draft created with these recipients." in draft
    assert "cat@two.example" in draft
    assert "ann@one.example" not in draft
    nobody = await visitor.post("/campaigns/1/follow-up", {"state": "unknown", "q": "", "reply": ""})
    assert nobody.status_code == 409


async def test_who_may_only_read_is_offered_neither(db: Database, chosen: Settings):
    paused(db)
    async with running(chosen) as visitor:
        visitor.enter(Role.VIEWER)
        page = await visitor.read("/campaigns/1?state=sent")
    assert "follow-up" not in page
    assert "/correct" not in page


async def test_the_limit_of_a_campaign_that_is_sent_is_changed_on_its_page(visitor: Visitor, db: Database):
    store(db, LIST, send=True)
    page = await visitor.read("/campaigns/1")
    assert 'action="/campaigns/1/failure-limit"' in page
    form = {"safeguards": "1", "breaker": "on"} | {"breaker_percent": "30", "breaker_of_last": "50"}
    wrong = await visitor.post("/campaigns/1/failure-limit", form | {"breaker_at_least": "51"})
    assert wrong.status_code == 422
    done = await visitor.post("/campaigns/1/failure-limit", form | {"breaker_at_least": "5"})
    assert (done.status_code, done.location) == (303, "/campaigns/1")
    campaign = campaign_in(db, 1)
    assert campaign
    assert campaign.breaker == Breaker(30, 50, 5)
    assert "30% of the last 50" in await visitor.read("/campaigns/1")
    await visitor.post("/campaigns/1/failure-limit", {"safeguards": "1"})
    campaign = campaign_in(db, 1)
    assert campaign
    assert campaign.breaker is None
    with db.write() as connection:
        lifecycle.act(connection, 1, CampaignAction.CANCEL)
    late = await visitor.post("/campaigns/1/failure-limit", {"safeguards": "1"})
    assert late.status_code == 409
    assert "failure limit can" in (await late.get_data()).decode()


async def test_the_two_limits_are_turned_off_separately(visitor: Visitor, db: Database):
    store(db, LIST, send=True)
    page = await visitor.read("/campaigns/1")
    assert page.count('name="complaint_limit" value="on" checked') == 1
    numbers = {"breaker_percent": "10", "breaker_of_last": "200", "breaker_at_least": "20"}
    numbers |= {"breaker_complaints": "5", "breaker_complaints_at_least": "4", "safeguards": "2"}
    for on, expected in (
        ({"complaint_limit": "on"}, Breaker(0, complaints=5, complaints_at_least=4)),
        ({"breaker": "on"}, Breaker(complaints=0)),
        ({"breaker": "on", "complaint_limit": "on"}, Breaker(complaints=5, complaints_at_least=4)),
        ({}, None),
    ):
        done = await visitor.post("/campaigns/1/failure-limit", numbers | on)
        assert done.status_code == 303
        campaign = campaign_in(db, 1)
        assert campaign
        assert campaign.breaker == expected
        page = await visitor.read("/campaigns/1")
        assert ('name="breaker" value="on" checked' in page) == ("breaker" in on)
        assert ('name="complaint_limit" value="on" checked' in page) == ("complaint_limit" in on)


async def test_transactional_mail_with_a_link_to_unsubscribe_is_refused(visitor: Visitor, db: Database):
    text = replace(DRAFT, text="Leave: {{ unsubscribe_url }}", purpose=Purpose(transactional=True))
    store(db, LIST, text)
    page = await visitor.read("/campaigns/1")
    assert "nobody can unsubscribe from it. Remove the link" in page
    told = await visitor.post("/campaigns/1/send", {})
    assert told.status_code == 409
