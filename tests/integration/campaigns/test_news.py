"""The stream for tabs in the background, and the beginning of a stream for tabs without a place."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from mailing.campaigns import lifecycle
from mailing.core.reasons import Reason
from mailing.core.states import AttemptResult
from mailing.redis import events
from tests.integration.live.test_hub import Stream, stream
from tests.support.web import HOST, deliver, running, settings_for, store
from webapp.campaigns import news

SENT = (AttemptResult.SENT, 250, "2.0.0", "250 2.0.0 ok")
FAILED = (AttemptResult.FAILED, 550, "5.1.1", "550 5.1.1 no such user")


@pytest.fixture
def stack(make_stack):
    """A Volley of which only Redis runs, with two campaigns under way."""
    stack = make_stack()
    store(stack.db, "\n".join(f"p{n}@one.example" for n in range(4)), send=True)
    store(stack.db, "solo@one.example", send=True)
    stack.start("redis")
    return stack


@pytest.fixture
async def visitor(stack):
    async with running(stack.settings) as visitor:
        yield visitor


async def next_news(line: Stream) -> dict:
    return orjson.loads((await line.until(r"data: (\{.*?\})\n\n"))[1].replace("\N{NO-BREAK SPACE}", " "))


async def end(stack, *endings):
    ids = await asyncio.to_thread(deliver, stack.db, *endings)
    happened = [{"type": "recipient", "campaign": 1, "recipient": id_} for id_ in ids]
    await asyncio.to_thread(events.publish, stack.redis, happened)


async def test_it_begins_with_all_that_are_followed_and_goes_on_with_those_that_changed(visitor, stack):
    async with stream(visitor, "/news/stream?campaigns=1.2") as line:
        first = await next_news(line)
        assert set(first) == {"1", "2"}
        assert first["2"] == {
            "title": "0% · Picnic, {{ name }} · Volley",
            "icon": "/icons/sent-0.svg",
            "news": {},
        }
        await end(stack, SENT, FAILED)
        then = await next_news(line)
        assert set(then) == {"1"}
        assert then["1"]["title"] == "50% · Failed · Picnic, {{ name }} · Volley"
        assert then["1"]["icon"] == "/icons/failed-50.svg"
        assert set(then["1"]["news"]) == {"25", "50", "failed"}


async def test_it_tells_that_a_campaign_was_paused_and_why_in_the_language_of_the_browser(visitor, stack):
    path = "/news/stream?campaigns=1"
    async with visitor.client.request(path, headers={"Host": HOST, "Cookie": "language=vi"}) as connection:
        await connection.send_complete()
        line = Stream(connection)
        await next_news(line)
        with stack.db.write() as rows:
            lifecycle.pause(rows, 1, Reason("connection.broken"))
        await asyncio.to_thread(events.publish, stack.redis, [{"type": "campaign", "campaign": 1}])
        told = await next_news(line)
        assert told["1"]["news"]["paused"].endswith("Mất kết nối.")
        await connection.disconnect()


async def test_it_is_a_live_line_through_a_proxy(visitor):
    async with visitor.client.request("/news/stream?campaigns=1", headers={"Host": HOST}) as connection:
        await connection.send_complete()
        await Stream(connection).until("data: ")
        assert connection.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert connection.headers["X-Accel-Buffering"] == "no"
        assert "no-store" in connection.headers["Cache-Control"]
        await connection.disconnect()


async def test_a_quiet_line_beats(visitor, monkeypatch):
    monkeypatch.setattr(news, "BEAT_S", 0.05)
    monkeypatch.setattr(news, "UPDATE_S", 0.05)
    async with stream(visitor, "/news/stream?campaigns=2") as line:
        await next_news(line)
        await line.until(r"^: beat\n\n")


async def test_news_come_without_redis(stack, tmp_path):
    settings = settings_for(tmp_path, stack.database_url)
    async with running(settings) as lonely, stream(lonely, "/news/stream?campaigns=1") as line:
        await next_news(line)
        await asyncio.to_thread(deliver, stack.db, SENT)
        assert (await next_news(line))["1"]["title"].startswith("25%")


async def test_a_campaign_that_does_not_exist_is_left_out(visitor):
    async with stream(visitor, "/news/stream?campaigns=1.999") as line:
        assert set(await next_news(line)) == {"1"}


@pytest.mark.parametrize(
    "query", ["", "?campaigns=", "?campaigns=a", "?campaigns=-1", "?campaigns=" + "1." * 50]
)
async def test_nonsense_is_refused(visitor, query):
    assert (await visitor.get(f"/news/stream{query}")).status_code == 400


async def test_another_host_hears_nothing(visitor):
    answer = await visitor.get("/news/stream?campaigns=1", headers={"Host": "evil.example"})
    assert answer.status_code in {403, 421}


@pytest.mark.parametrize(
    "path",
    [
        "/campaigns/1/stream",
        "/campaigns/stream",
        "/stream",
        "/workers/stream",
        "/campaigns/1/recipients/1/stream",
    ],
)
async def test_who_has_no_place_gets_the_beginning_of_a_stream_and_its_end(visitor, path):
    async with asyncio.timeout(30):
        answer = await visitor.get(path, headers={"Volley-Once": "1"})
        text = (await answer.get_data()).decode()
    assert "<hx-partial" in text
    assert text.endswith("event: beat\ndata: live\n\n")
