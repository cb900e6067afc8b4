"""A form saves itself while somebody types, however far it is, and never over another's text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest
from sqlalchemy import update

from mailing.accounts import audit
from mailing.accounts.audit import Asked
from mailing.accounts.roles import Role
from mailing.campaigns import drafts, sittings
from mailing.campaigns import queries as campaigns
from mailing.campaigns.drafts import Draft
from mailing.core.clock import now_ms
from mailing.core.states import CampaignState
from mailing.core.tables import campaigns as table
from mailing.writing.written import Writing
from tests.support.web import DRAFT, running, store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Any

    from mailing.core.database import Database
    from mailing.settings import Settings
    from tests.support.web import Visitor

FORM = {"from": "Ann <ann@example.org>", "subject": "Picnic", "writing": "plain", "text": "Dear {{ na"}


@pytest.fixture
async def visitor(db: Database, chosen: Settings) -> AsyncIterator[Visitor]:
    async with running(chosen) as visitor:
        yield visitor


async def saved(visitor: Visitor, path: str, form: dict[str, str], status: int = 200) -> dict[str, Any]:
    answer = await visitor.post(path, form)
    body = await answer.get_data()
    assert answer.status_code == status, body
    told = orjson.loads(body)
    assert isinstance(told, dict)
    return told


def kept(db: Database, campaign_id: int = 1) -> campaigns.Campaign:
    with db.read() as connection:
        campaign = campaigns.get(connection, campaign_id)
    assert campaign
    return campaign


async def test_a_new_campaign_becomes_a_draft_without_recipients_however_far_it_is(
    visitor: Visitor, db: Database
):
    await visitor.read("/campaigns/new")
    told = await saved(visitor, "/campaigns/autosave", FORM | {"subject": "", "from": ""}, 201)
    assert told["here"] == "/campaigns/1"
    draft = kept(db)
    assert (draft.state, draft.total, draft.subject) == (CampaignState.DRAFT, 0, "")
    assert draft.written.text == "Dear {{ na"
    for path in (
        "/campaigns/1",
        "/campaigns",
        "/",
        "/campaigns/1/edit",
    ):  # every page takes a draft without a subject
        await visitor.read(path)
    assert "(no subject)" in await visitor.read("/campaigns")


async def test_each_save_goes_on_from_the_one_before_and_the_log_tells_of_them_once(
    visitor: Visitor, db: Database
):
    await visitor.read("/campaigns/new")
    revision = (await saved(visitor, "/campaigns/autosave", FORM, 201))["revision"]
    for text in ("Dear {{ name }}", "Dear {{ name }},"):
        form = FORM | {"text": text, "revision": str(revision)}
        revision = (await saved(visitor, "/campaigns/1/autosave", form))["revision"]
    assert kept(db).revision == revision == 2
    assert kept(db).text == "Dear {{ name }},"
    with db.read() as connection:
        rows = audit.page(connection, Asked(subject="campaign:1"))
    assert [row.action for row in rows] == ["create"]


async def test_whoever_comes_too_late_overwrites_nothing_and_is_told(visitor: Visitor, db: Database):
    store(db, "bob@one.example")
    await visitor.read("/campaigns/1/edit")
    await saved(visitor, "/campaigns/1/autosave", FORM | {"text": "Mine", "revision": "0"})
    told = await saved(visitor, "/campaigns/1/autosave", FORM | {"text": "Theirs", "revision": "0"}, 409)
    assert "changed" in told["said"]
    assert kept(db).text == "Mine"


async def test_a_save_leaves_recipients_and_hours_as_they_were(visitor: Visitor, db: Database):
    store(db, "bob@one.example\neve@one.example")
    await visitor.read("/campaigns/1/edit")
    await saved(visitor, "/campaigns/1/autosave", FORM | {"revision": "0", "give_up_hours": "6"})
    assert (kept(db).total, kept(db).give_up_hours) == (2, 6)


async def test_a_form_without_a_session_saves_nothing_and_says_so(visitor: Visitor, db: Database):
    store(db, "bob@one.example")
    visitor.token = "00" * 64
    told = await saved(visitor, "/campaigns/1/autosave", FORM | {"revision": "0"}, 403)
    assert told["said"]
    assert kept(db).text == DRAFT.text


async def test_a_second_writer_is_told_who_has_the_draft_open_until_that_one_is_gone(
    visitor: Visitor, db: Database
):
    store(db, "bob@one.example")
    visitor.enter(Role.MANAGER, "ben@people.example")
    assert 'id="sitting" role="status"' in await visitor.read("/campaigns/1/edit")
    assert (await saved(visitor, "/campaigns/1/sitting", {}))["other"] == ""
    visitor.enter(Role.MANAGER, "ann@people.example")
    assert "ben@people.example has this draft open" in await visitor.read("/campaigns/1/edit")
    assert (await saved(visitor, "/campaigns/1/sitting", {}))["other"] == "ben@people.example"
    told = await saved(visitor, "/campaigns/1/autosave", FORM | {"revision": "0"})
    assert told["other"] == "ben@people.example"
    with db.write() as connection:
        connection.execute(update(table).values(edited_at=now_ms() - sittings.GONE_MS - 1))
    assert "ben@people.example has" not in await visitor.read("/campaigns/1/edit")
    assert (await saved(visitor, "/campaigns/1/sitting", {}))["other"] == ""


def test_what_gives_no_html_is_kept_and_cannot_be_sent(db: Database):
    draft = Draft("ann@example.org", "Picnic", "Hello", "<mjml><mj-body>", writing=Writing.MJML)
    store(db, "bob@one.example", Draft("ann@example.org", "Picnic", "Hello"))
    with db.write() as connection:
        drafts.rewrite(connection, 1, draft)
    assert kept(db).written.html == "<mjml><mj-body>"
    with db.read() as connection:
        assert drafts.faults(connection, 1)
