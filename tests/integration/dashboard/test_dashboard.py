"""The dashboard and the workers page say what needs a person, and make up nothing that nobody can know."""

from __future__ import annotations

import asyncio
import re

import pytest
from sqlalchemy import update

from mailing.campaigns import lifecycle
from mailing.core import clock, tables
from mailing.core.states import AttemptResult, CampaignAction
from mailing.ledger import leases
from tests.integration.live.test_hub import stream, until
from tests.support.web import deliver, register, running, settings_for, store

SENT = (AttemptResult.SENT, 250, "2.0.0", "250 2.0.0 ok")
UNKNOWN = (AttemptResult.UNKNOWN, None, "", "lost")


@pytest.fixture
async def visitor(tmp_path, db, database_url):
    """A visitor of a Volley without Redis."""
    async with running(settings_for(tmp_path, database_url)) as visitor:
        await until(lambda: visitor.app.extensions["volley"].hub.away, "the hub knows")
        yield visitor


async def test_an_empty_volley_says_how_to_begin(visitor):
    page = await visitor.read("/")
    assert "Send your first campaign" in page
    assert "Recently finished" in page
    assert "No worker is running" not in page, "nobody waits for one"


async def test_a_campaign_is_shown_with_its_speed_while_it_is_sent_and_with_its_numbers_when_it_ended(
    visitor, db
):
    store(db, "ann@b.example bob@b.example", send=True)
    register(db)
    page = await visitor.read("/")
    assert page.index("In progress") < page.index('id="c1"') < page.index("Recently finished")
    assert "Calculating…" in page
    deliver(db, SENT, SENT)
    with db.write() as connection:
        connection.execute(update(tables.campaigns).values(state="finished", finished_at=clock.now_ms()))
    page = await visitor.read("/")
    assert "Nothing is being sent." in page
    assert page.index("Recently finished") < page.index('id="c1"')
    assert "<dd>2</dd>" in page


async def test_what_needs_a_person_is_said_with_the_way_to_it(visitor, db):
    store(db, "ann@b.example bob@b.example cat@b.example", send=True)
    page = await visitor.read("/")
    assert "No worker is running" in page
    assert "The queue (Redis) isn&#39;t responding" in page
    deliver(db, UNKNOWN)
    page = await visitor.read("/")
    assert "unconfirmed" not in page, "not while emails are being sent"
    with db.write() as connection:
        lifecycle.act(connection, 1, CampaignAction.PAUSE)
        connection.execute(update(tables.campaigns).values(paused_reason="535 5.7.8 <b>no</b>"))
    page = await visitor.read("/")
    assert "Volley paused" in page
    assert "535 5.7.8 &lt;b&gt;no&lt;/b&gt;" in page
    assert "1\N{NO-BREAK SPACE}delivery is unconfirmed" in page
    assert '<a href="/campaigns/1?state=unknown#list">Picnic, {{ name }} (1)</a>' in page


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"notice": "mx:25: no route"}, ("1\N{NO-BREAK SPACE}of 2 workers is blocked", "mx:25: no route")),
        (
            {"notice": "mx:25 asks to be sent less: 451 4.7.1 later", "notice_kind": "slowed"},
            ("The mail server is throttling", "Sending continues", "451 4.7.1 later"),
        ),
        (
            {"consuming": False},
            ("1\N{NO-BREAK SPACE}of 2 workers is paused", "The others take over."),
        ),
    ],
)
async def test_a_worker_that_does_not_send_is_told(visitor, db, told, words):
    store(db, "ann@b.example", send=True)
    register(db)
    register(db, "host:2", **told)
    page = await visitor.read("/")
    for word in words:
        assert word in page


async def test_the_day_begins_at_the_reader_s_midnight(visitor, db):
    store(db, "ann@b.example", send=True)
    deliver(db, SENT)
    with db.write() as connection:
        connection.execute(update(tables.paces).values(slot=tables.paces.c.slot - 24 * 3600))
    assert "<dd>0</dd>" in await visitor.read("/")


async def test_the_dashboard_is_live(visitor, db):
    store(db, "ann@b.example bob@b.example", send=True)
    async with stream(visitor, "/stream") as page:
        await page.until(r"<b>0</b> of 2")
        await asyncio.to_thread(deliver, db, SENT)
        await page.until(r"<b>1</b> of 2")


async def test_without_a_database_nobody_knows_and_the_pages_say_so(visitor, db):
    with db.write() as connection:
        connection.exec_driver_sql("ALTER TABLE workers RENAME TO gone")
    for path in ("/", "/workers"):
        assert "Status unavailable." in await visitor.read(path, 503)


async def test_the_workers_page_shows_each_worker_and_that_nobody_knows_what_waits(visitor, db):
    page = await visitor.read("/workers")
    assert "No worker is running." in page
    assert "the queue (Redis) isn&#39;t responding" in page
    store(db, "ann@b.example", send=True)
    register(db, in_flight=3, campaign_id=1, memory=84_500_000, done=1234)
    page = await visitor.read("/workers")
    for words in (
        "host:1",
        "Sending",
        "3 in progress, 5\N{NO-BREAK SPACE}connections",
        "1\N{NO-BREAK SPACE}worker ready",
        "up to 5\N{NO-BREAK SPACE}connections",
        "3\N{NO-BREAK SPACE}emails in progress",
        "84 MB",
        "1,234 processed",
        'href="/campaigns/1"',
        "just now",
    ):
        assert words in page, words
    assert "This is the last active worker" in page


async def test_the_workers_page_shows_a_death_and_what_becomes_of_what_was_held(visitor, db):
    worker_id = register(db)
    async with stream(visitor, "/workers/stream") as page:
        await page.until(r"Idle</span>")
        with db.write() as connection:
            leases.end_named(connection, "host:1")
        await page.until(r"Lost</span>.*0\u00a0emails in progress")
        assert f"stop-{worker_id}" not in page.text


@pytest.mark.parametrize(
    ("verb", "form", "status", "words"),
    [
        ("stop", {"worker": "nobody:1"}, 409, "No worker named"),
        ("stop", {}, 409, "No worker named"),
        ("resize", {"worker": "host:1", "connections": "0"}, 400, "from 1 to 200"),
        ("resize", {"worker": "host:1", "connections": "²"}, 400, "from 1 to 200"),
        ("resize", {"worker": "host:1"}, 400, "from 1 to 200"),
        ("stop", {"worker": "host:1"}, 503, "respond. It may be"),
        ("start", {"worker": "host:1"}, 503, "respond. It may be"),
        ("resize", {"worker": "host:1", "connections": "20"}, 503, "respond. It may be"),
    ],
)
async def test_an_order_that_nobody_can_obey_is_refused_in_words(  # noqa: PLR0917
    visitor, db, verb, form, status, words
):
    register(db)
    await visitor.read("/workers")
    response = await visitor.post(f"/workers/{verb}", form)
    assert response.status_code == status
    assert words in (await response.get_data()).decode()


async def test_how_much_waits_is_told_by_priority(make_stack, db):
    stack = make_stack()
    stack.start("redis")
    async with running(stack.settings) as visitor:
        queue = f"{stack.redis.prefix}volley"
        stack.redis.lpush(queue, "a", "b")
        stack.redis.lpush(f"{queue}\x06\x163", "c")
        stack.redis.hset(f"{stack.redis.prefix}unacked", "d", "e")
        await until(lambda: not visitor.app.extensions["volley"].hub.away, "Redis is there")
        page = await visitor.read("/workers")
        assert [int(n) for n in re.findall(r"<dd[^>]*>(\d+)</dd>", page)] == [2, 1, 0, 0, 1]
        assert "3\N{NO-BREAK SPACE}batches waiting, 1\N{NO-BREAK SPACE}being sent" in page
