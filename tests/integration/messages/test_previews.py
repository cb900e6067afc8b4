"""A campaign's message as anybody gets it: as text, as HTML, and as the bytes that are sent."""

from __future__ import annotations

import html
import re
from dataclasses import replace

import pytest

from mailing.campaigns import queries as campaigns
from mailing.messages import compose
from tests.support.web import DRAFT, running, settings_for, store
from webapp.http.security import MESSAGE_HEADERS

LIST = "Ann Lee <ann@x.example>\nBen Ng <ben@x.example>\ncy@x.example"
BOTH = replace(DRAFT, html="<p>Dear <b>{{ name }}</b></p><script>alert(1)</script>", writing="source")


@pytest.fixture
async def visitor(tmp_path, db, database_url):
    async with running(settings_for(tmp_path, database_url)) as visitor:
        yield visitor


async def text_of(response):
    return (await response.get_data()).decode()


async def test_the_first_recipient_is_shown_and_the_others_are_beside_them(visitor, db):
    store(db, LIST, BOTH)
    page = await visitor.read("/campaigns/1/preview")
    assert "<dd>Ann Lee &lt;ann@x.example&gt;</dd>" in page
    assert 'rel="prev"' not in page
    following = re.search(r'href="([^"]+)" rel="next"', page)[1]
    assert "ben@x.example" in await visitor.read(following)


async def test_a_typed_address_is_found_in_the_list_also_in_another_case(visitor, db):
    store(db, LIST)
    page = await visitor.read("/campaigns/1/preview?as=BEN@X.example")
    assert "Picnic, Ben Ng" in page
    assert "is not in the list" not in page


async def test_an_address_that_is_not_in_the_list_is_shown_the_values_of_somebody_who_is(visitor, db):
    store(db, LIST)
    page = await visitor.read("/campaigns/1/preview?as=zoe@y.example&to=2")
    assert "<dd>Ben Ng &lt;zoe@y.example&gt;</dd>" in page
    assert "zoe@y.example is not in the list. The values are those of ben@x.example." in page


async def test_what_is_no_address_is_told_beside_a_preview_that_stays(visitor, db):
    store(db, LIST)
    page = await visitor.read("/campaigns/1/preview?as=nobody")
    assert "Missing &#34;@&#34;" in page
    assert 'aria-invalid="true"' in page
    assert "Picnic, Ann Lee" in page


async def test_the_source_is_what_the_workers_send_but_for_its_date(visitor, db):
    campaign_id = store(db, LIST, BOTH)
    answer = await visitor.get(f"/campaigns/{campaign_id}/preview.eml?to=2")
    data = await answer.get_data()
    token = re.search(rb"Message-ID: <(\w+)\.2\.", data)[1].decode()
    with db.read() as connection:
        campaign = campaigns.get(connection, campaign_id)
        message = campaigns.listed_message(connection, campaign)
        message = replace(message, list_fields=replace(message.list_fields, rehearsal=True))
    sent = compose.prepare(message, token=token, domain=None).fill(2, "ben@x.example", "Ben Ng", None, 0)
    undated = re.compile(rb"^Date: .*\r\n", re.MULTILINE)
    assert undated.sub(b"", data) == undated.sub(b"", sent.data)
    page = await visitor.read(f"/campaigns/{campaign_id}/preview?to=2")
    shown = re.search(r'<summary>Source.*?<pre class="body">(.*?)</pre>', page, re.DOTALL)[1]
    lines = [line for line in html.unescape(shown).splitlines() if not line.startswith("Date: ")]
    assert lines == undated.sub(b"", data).decode().splitlines()


async def test_the_html_stands_in_a_frame_without_rights_in_each_width_and_theme(visitor, db):
    store(db, LIST, BOTH)
    page = await visitor.read("/campaigns/1/preview?width=phone&theme=dark")
    assert '<iframe class="phone in-dark" sandbox src="/campaigns/1/preview/html?' in page
    frame = await visitor.get("/campaigns/1/preview/html?to=2")
    shown = await text_of(frame)
    assert "Dear <b>Ben Ng</b>" in shown
    assert "<script" not in shown
    for name, value in MESSAGE_HEADERS.items():
        assert frame.headers[name] == value
    assert 'class="desktop in-light"' in await visitor.read("/campaigns/1/preview?width=odd&theme=odd")


@pytest.mark.parametrize(("theme", "seen"), [("light", "max-width"), ("dark", "min-width")])
async def test_a_theme_is_the_one_that_is_asked_for_whatever_the_reader_has(visitor, db, theme, seen):
    styles = "<style>@media ( Prefers-Color-Scheme:dark ) and (max-width: 9px) { p { color: red } }</style>"
    meta = '<meta name="color-scheme" content="light dark">'
    document = f"<html><head>{meta}{styles}</head><body><p>Dear</p></body></html>"
    store(db, LIST, replace(DRAFT, html=document))
    shown = await text_of(await visitor.get(f"/campaigns/1/preview/html?theme={theme}"))
    assert f'<meta name="color-scheme" content="{theme}">' in shown
    assert re.search(rf"@media \({seen}: ?0\) and \(max-width: ?9px\)", shown)


async def test_a_message_that_cannot_be_filled_says_why_and_a_list_of_nobody_too(visitor, db):
    store(db, LIST, replace(DRAFT, text="{{ city }}"))
    assert "city" in re.search(r'<p class="fault">(.*?)</p>', await visitor.read("/campaigns/1/preview"))[1]
    assert (await visitor.get("/campaigns/1/preview.eml")).status_code == 404
    store(db, "nobody")
    assert "The list has no valid addresses." in await visitor.read("/campaigns/2/preview")
    assert (await visitor.get("/campaigns/9/preview")).status_code == 404
