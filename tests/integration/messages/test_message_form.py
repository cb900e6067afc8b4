"""The message half of a campaign's form: five ways to write it, and nothing typed is lost."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

import pytest

from mailing.campaigns import queries as campaigns
from mailing.campaigns.drafts import Draft
from mailing.writing.written import Writing
from tests.support.web import running, store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mailing.core.database import Database
    from mailing.settings import Settings
    from tests.support.web import Visitor

FORM = {"from": "Ann <ann@example.org>", "subject": "Picnic", "recipients": "bob@one.example"}
MARKS = 'Dear {{ name|default("friend") }}, {% if vip %}come now{% else %}come{% endif %} & <b>bring it</b>.'


@pytest.fixture
async def visitor(db: Database, chosen: Settings) -> AsyncIterator[Visitor]:
    async with running(chosen) as visitor:
        yield visitor


def kept(db: Database, campaign_id: int = 1) -> campaigns.Campaign:
    with db.read() as connection:
        campaign = campaigns.get(connection, campaign_id)
    assert campaign
    return campaign


def box(page: str, name: str) -> str:
    """Return what a box of a page's form holds."""
    found = re.search(rf'<textarea id="{name}".*?>\n(.*?)</textarea>', page, re.DOTALL)
    assert found
    return html.unescape(found[1])


@pytest.mark.parametrize("way", Writing)
async def test_each_way_of_writing_is_kept_and_shown_again(visitor: Visitor, db: Database, way: Writing):
    await visitor.read("/campaigns/new")
    body = {"text": MARKS} if way is Writing.PLAIN else {"html": f"<mjml>{MARKS}</mjml>", "text": "Hello"}
    body |= {"writing": way, "preheader": "It will be fun, {{ name }}"}
    if way is Writing.MJML:
        body["html"] = "<mjml><mj-body><mj-text>Dear {{ name }}</mj-text></mj-body></mjml>"
    answer = await visitor.post("/campaigns", FORM | body)
    assert answer.status_code == 303
    written = kept(db).written
    assert (written.writing, written.preheader) == (way, "It will be fun, {{ name }}")
    page = await visitor.read("/campaigns/1/edit")
    assert re.search(rf'value="{way}" checked', page)
    for name, typed in body.items():
        if name in {"text", "html"}:
            assert box(page, name) == typed


async def test_what_the_api_wrote_without_html_is_plain_text(visitor: Visitor, db: Database):
    store(db, "bob@one.example", Draft("ann@example.org", "Picnic", "Dear Bob"))
    assert 'value="plain" checked' in await visitor.read("/campaigns/1/edit")


@pytest.mark.parametrize(("way", "field"), [(Writing.PLAIN, "text"), (Writing.SOURCE, "html")])
async def test_a_broken_mark_is_told_with_its_line_and_column_at_its_field(
    visitor: Visitor, way: Writing, field: str
):
    await visitor.read("/campaigns/new")
    broken = "Dear Bob,\n\nsee {{ name"
    answer = await visitor.post("/campaigns", FORM | {"writing": way, field: broken})
    page = (await answer.get_data()).decode()
    assert answer.status_code == 422
    assert f'id="{field}-fault"' in page
    assert "line 3" in page.lower()
    assert 'data-at="3:5"' in page
    assert box(page, field) == broken
    assert f'value="{way}" checked' in page


async def test_a_message_without_a_body_is_refused_where_it_is_missing(visitor: Visitor):
    await visitor.read("/campaigns/new")
    answer = await visitor.post("/campaigns", FORM | {"writing": "markdown", "text": "", "html": " "})
    assert answer.status_code == 422
    assert 'id="html-fault"' in (await answer.get_data()).decode()


async def test_a_body_outlasts_a_look_at_plain_text(visitor: Visitor, db: Database):
    draft = Draft("ann@example.org", "Picnic", "", "<p>Dear {{ name }}</p>", writing=Writing.SOURCE)
    store(db, "bob@one.example", draft)
    page = await visitor.read("/campaigns/1/edit")
    as_plain = FORM | {"writing": "plain", "text": "Dear Bob", "html": box(page, "html"), "recipients": ""}
    assert (await visitor.post("/campaigns/1", as_plain)).status_code == 303
    assert kept(db).message.html == ""
    assert box(await visitor.read("/campaigns/1/edit"), "html") == "<p>Dear {{ name }}</p>"


async def test_an_unknown_way_of_writing_changes_nothing(visitor: Visitor, db: Database):
    store(db, "bob@one.example", Draft("ann@example.org", "Picnic", "Dear Bob", writing=Writing.PLAIN))
    await visitor.read("/campaigns/1/edit")
    odd = FORM | {"writing": "runes", "text": "Dear Bob", "recipients": ""}
    assert (await visitor.post("/campaigns/1", odd)).status_code == 303
    assert kept(db).writing is Writing.PLAIN


async def test_the_fields_of_the_list_are_offered(visitor: Visitor, db: Database):
    store(db, "email,city\nbob@one.example,Bonn")
    assert 'data-fields="name email unsubscribe_url city"' in await visitor.read("/campaigns/1/edit")
