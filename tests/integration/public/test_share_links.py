"""A watch link shows one campaign and no address, to whoever has it, until it ends; then nothing."""

from __future__ import annotations

import asyncio
import re

import pytest
from sqlalchemy import update

from mailing.core import clock, tables
from mailing.core.states import AttemptResult
from tests.integration.live.test_hub import stream
from tests.support.web import HOST, Visitor, deliver, running, settings_for, store
from webapp.public.share_views import masked

ADDRESS = re.compile(r"[\w.+%=-]+(?:@|%40|=40)[\w-]+|\bann\b|b\.example", re.IGNORECASE)
REFUSED = (
    AttemptResult.FAILED,
    550,
    "5.1.1",
    "550 5.1.1 <ann@b.example>: no mailbox ann here, ann=40b.example",
)
OTHER = (AttemptResult.FAILED, 554, "5.7.1", "554 5.7.1 see http://x/?id=bob%40b.example")
SENT = (AttemptResult.SENT, 250, "2.0.0", "250 2.0.0 ok")


@pytest.fixture
async def visitor(tmp_path, db, database_url):
    async with running(settings_for(tmp_path, database_url)) as visitor:
        yield visitor


async def made(visitor, db, *, days="7"):
    """A campaign in which something happened, and the path of a watch link of it."""
    store(db, "ann@b.example Bob <bob@b.example> cat@b.example dan@b.example", send=True)
    await asyncio.to_thread(deliver, db, REFUSED, OTHER, SENT)
    await visitor.read("/campaigns/1")
    done = await visitor.post("/campaigns/1/watches", {"label": "Our <client>", "days": days})
    assert done.status_code == 303
    page = await visitor.read("/campaigns/1")
    assert "Our &lt;client&gt;" in page
    [token] = set(re.findall(rf"http://{HOST}/watch/([\w.-]+)", page))
    return f"/watch/{token}"


def test_a_masked_address_tells_only_that_it_is_another():
    assert masked("anna.ng@mail.example.org") == "a•••@m•••.org"
    assert masked("a@b.example") == "a•••@b•••.example"


async def test_a_stranger_sees_how_it_stands_and_no_address(visitor, db):
    path = await made(visitor, db)
    stranger = Visitor(visitor.app)
    response = await stranger.get(path)
    page = (await response.get_data()).decode()
    assert response.status_code == 200
    for words in (
        "Picnic",
        "<b>3</b> of 4",
        "a•••@b•••.example",
        "This mailbox doesn&#39;t exist",
        "550 5.1.1",
    ):
        assert words in page, words
    told = re.sub(r"a•••@b•••.example|[bc]•••@b•••.example|\?v=\w+", "", page)  # a file's hash may begin so
    assert not ADDRESS.search(told)
    assert 'href="/campaigns' not in page
    assert "<nav" not in page
    assert "<form" not in page
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["Cache-Control"] == "no-store"
    assert "noindex" in response.headers["X-Robots-Tag"]
    assert "Set-Cookie" not in response.headers


async def test_its_stream_is_live_needs_no_session_and_holds_no_address(visitor, db):
    path = await made(visitor, db)
    stranger = Visitor(visitor.app)
    async with stream(stranger, f"{path}/stream") as page:
        first = await page.until(r"data: (live|away)\n\n")
        assert "Set-Cookie" not in page.connection.headers
        assert "<b>3</b> of 4" in first.string
        await asyncio.to_thread(deliver, db, SENT)
        second = await page.until(r"<b>4</b> of 4.*?data: (live|away)\n\n")
        for text in (first.string, second.string):
            assert not ADDRESS.search(re.sub(r"[abcd]•••@b•••.example", "", text))


async def test_an_open_stream_ends_within_seconds_of_the_withdrawal(visitor, db):
    path = await made(visitor, db)
    async with stream(Visitor(visitor.app), f"{path}/stream") as page:
        await page.until(r"<b>3</b> of 4")
        await visitor.read("/campaigns/1")
        done = await visitor.post("/campaigns/1/watches/1/revoke")
        assert (done.status_code, done.location) == (303, "/campaigns/1#share")
        async with asyncio.timeout(3):
            last = await page.until("This link isn&#39;t valid.*data: (live|away)\n\n")
            assert "of 4" not in last[0]
            while await page.connection.receive():
                pass


@pytest.mark.parametrize("why", ["withdrawn", "expired", "forged", "of another purpose", "campaign gone"])
async def test_a_link_that_ended_or_never_was_says_the_same(visitor, db, why):
    path = await made(visitor, db)
    with db.write() as connection:
        if why == "withdrawn":
            connection.execute(update(tables.watches).values(revoked_at=clock.now_ms()))
        elif why == "expired":
            connection.execute(update(tables.watches).values(expires_at=clock.now_ms()))
        elif why == "campaign gone":
            connection.execute(tables.watches.delete())
    if why == "forged":
        path = path[:-2] + ("AA" if not path.endswith("AA") else "BB")
    elif why == "of another purpose":
        path = "/watch/MQ"
    answers = []
    for address in (path, f"{path}/stream", "/watch/x"):
        response = await Visitor(visitor.app).get(address)
        assert response.status_code == 404
        assert response.headers["Cache-Control"] == "no-store"
        answers.append(await response.get_data())
    assert len(set(answers)) == 1
    assert b"This link isn&#39;t valid" in answers[0]


@pytest.mark.parametrize(
    ("path", "form", "status"),
    [
        ("/campaigns/1/watches", {"label": " ", "days": "7"}, 400),
        ("/campaigns/1/watches", {"label": "x", "days": "8"}, 400),
        ("/campaigns/1/watches", {"label": "x"}, 400),
        ("/campaigns/9/watches", {"label": "x", "days": "7"}, 404),
    ],
)
async def test_a_link_that_cannot_be_made_says_why(visitor, db, path, form, status):
    store(db, "ann@b.example", send=True)
    await visitor.read("/campaigns/1")
    assert (await visitor.post(path, form)).status_code == status


async def test_links_are_shown_on_their_own_campaign_only(visitor, db):
    await made(visitor, db)
    store(db, "eve@b.example", send=True)
    assert "/watch/" not in await visitor.read("/campaigns/2")
