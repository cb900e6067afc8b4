"""The hub and the streams: nobody is told a lie, whatever Redis, readers and the server do."""

from __future__ import annotations

import asyncio
import contextlib
import re

import pytest

from mailing.campaigns import lifecycle
from mailing.campaigns import queries as campaigns
from mailing.core.states import AttemptResult, CampaignAction
from mailing.redis import events
from tests.support.clock import within
from tests.support.web import HOST, Visitor, deliver, running, settings_for, store
from webapp.live import hub as live
from webapp.live.hub import Feed, Hub, Reading, Viewer
from webapp.live.regions import message

PATIENCE_S = 60
SENT = (AttemptResult.SENT, 250, "2.0.0", "250 2.0.0 ok")
FAILED = (AttemptResult.FAILED, 550, "5.1.1", "550 5.1.1 no such user")


@pytest.fixture
def stack(make_stack):
    """A Volley of which only Redis runs."""
    stack = make_stack()
    stack.start("redis")
    return stack


@pytest.fixture
async def hub(stack):
    hub = Hub(stack.settings.redis_url, stack.settings.database_url)
    hub.start()
    yield hub
    await hub.close()


@pytest.fixture
async def visitor(stack):
    async with running(stack.settings) as visitor:
        yield visitor


def changed(recipient):
    return {"type": "recipient", "campaign": 1, "recipient": recipient, "state": "sent"}


async def publish(stack, *happened):
    return await asyncio.to_thread(events.publish, stack.redis, happened)


async def until(true, what):
    async with asyncio.timeout(PATIENCE_S):
        while not true():  # noqa: ASYNC110 - it looks at what another process did
            await asyncio.sleep(0.01)
    assert true(), what


class Stream:
    """The messages of an open stream."""

    def __init__(self, connection):
        self.connection = connection
        self.text = ""

    async def until(self, pattern):
        """Read on until ``pattern`` is found; return the match and forget what came before its end."""
        async with asyncio.timeout(PATIENCE_S):
            while not (found := re.search(pattern, self.text, re.DOTALL)):
                self.text += (await self.connection.receive()).decode()
        self.text = self.text[found.end() :]
        return found


@contextlib.asynccontextmanager
async def stream(visitor: Visitor, path: str):
    async with visitor.client.request(path, headers={"Host": HOST}) as connection:
        await connection.send_complete()
        yield Stream(connection)
        await connection.disconnect()


async def test_what_is_published_from_the_first_line_on_is_heard(hub, stack):
    viewer = Viewer([1, 2])
    await until(lambda: not hub.away and hub._pubsub, "the hub connects")
    async with hub.listening(viewer, events.channel(1)):
        viewer.take()
        await publish(stack, changed(2), changed(3))
        assert (await viewer.news(PATIENCE_S)).rows == {2}


async def test_a_page_remembers_no_more_than_the_rows_it_shows(hub, stack):
    viewer = Viewer([7])
    async with hub.listening(viewer, events.channel(1)):
        await publish(stack, *(changed(n) for n in range(500)))
        await publish(stack, {"type": "claimed", "campaign": 1, "recipients": list(range(500))})
        await until(lambda: viewer._changed, "it hears of its row")
        assert viewer.take().rows == {7}


async def test_a_program_that_does_not_read_is_told_that_it_missed_something():
    feed = Feed()
    for n in range(live.FEED_LIMIT + 1):
        feed.hear([(b"%d" % n, {})])
    assert feed.missed
    assert await feed.lines(0) == [b"%d" % live.FEED_LIMIT]


async def test_the_hub_follows_a_channel_only_while_someone_watches(hub, stack):
    def channels():
        client = stack.redis
        return {
            name.decode().removeprefix(client.prefix)
            for name in client.pubsub_channels("*")
            if name.startswith(client.prefix.encode())
        }

    await until(lambda: channels() == {events.ALL_CAMPAIGNS}, "only the list is followed")
    one, other = Viewer(), Viewer()
    async with hub.listening(one, events.channel(1)):
        async with hub.listening(other, events.channel(1)):
            assert events.channel(1) in channels()
        assert events.channel(1) in channels()
    await until(lambda: channels() == {events.ALL_CAMPAIGNS}, "the channel is left")


async def test_a_lost_redis_is_told_and_its_return_makes_everyone_read_again(hub, stack, monkeypatch):
    monkeypatch.setattr(live, "FALLBACK_S", 0.05)
    viewer = Viewer([1])
    async with hub.listening(viewer, events.channel(1)):
        viewer.take()
        stack.kill("redis")
        await until(lambda: hub.away, "the hub notices")
        assert (await viewer.news(PATIENCE_S)).rows == {1}
        assert (await viewer.news(PATIENCE_S)).rows == {1}, "it is told again and again while Redis is away"
        stack.start("redis")
        await until(lambda: not hub.away and events.channel(1) in hub._confirmed, "the hub is back")
        await viewer.news(PATIENCE_S)
        viewer.take()
        await publish(stack, changed(1))
        assert (await viewer.news(PATIENCE_S)).rows == {1}


async def test_a_reading_is_shared_but_never_older_than_the_news():
    loads = []
    release = asyncio.Event()

    async def load():
        loads.append(asyncio.get_running_loop().time())
        await release.wait()
        return len(loads)

    reading = Reading(load)
    now = asyncio.get_running_loop().time()
    both = asyncio.gather(reading.get(now), reading.get(now))
    release.set()
    assert await both == [1, 1]
    assert await reading.get(now) == 1
    assert await reading.get(asyncio.get_running_loop().time()) == 2
    assert loads[1] - loads[0] >= live.UPDATE_S


async def test_a_reading_that_failed_is_not_served_to_the_next():
    async def load():
        if not failed:
            failed.append(True)
            raise OSError("once")
        return "truth"

    failed = []
    reading = Reading(load)
    with pytest.raises(OSError, match="once"):
        await reading.get(0)
    assert await reading.get(0) == "truth"


def test_each_line_of_a_message_gets_its_own_field():
    assert message("a\nb\r\nc\u2028d", "beat") == b"event: beat\ndata: a\ndata: b\ndata: c\ndata: d\n\n"


async def test_a_stream_begins_with_everything_and_goes_on_with_what_changed(visitor, stack):
    store(stack.db, "ann@b.example bob@b.example", send=True)
    async with stream(visitor, "/campaigns/1/stream?rows=1.2") as page:
        first = await page.until(r"data: live\n\n")
        for target in ("head", "notices", "ledger", "facts", "causes", "moved", "r1", "r2"):
            assert f'hx-target="#{target}" hx-swap="outerMorph"' in first.string
        [one] = await asyncio.to_thread(deliver, stack.db, FAILED)
        await publish(stack, changed(one))
        update = await page.until(r'<tr id="r1">.*?</tr>')
        assert "This mailbox doesn&#39;t exist" in update[0]
        assert 'id="r2"' not in update.string


async def test_a_filtered_page_says_how_many_of_its_rows_moved_on(visitor, stack):
    store(stack.db, "ann@b.example bob@b.example", send=True)
    async with stream(visitor, "/campaigns/1/stream?rows=1.2&state=queued") as page:
        await page.until(r'id="moved" class="news" hidden')
        [one] = await asyncio.to_thread(deliver, stack.db, SENT)
        await publish(stack, changed(one))
        await page.until("1\N{NO-BREAK SPACE}row changed state: refresh the list")


async def test_a_campaign_that_is_paused_elsewhere_changes_its_buttons(visitor, stack):
    store(stack.db, "ann@b.example", send=True)
    async with stream(visitor, "/campaigns/1/stream") as page:
        await page.until(r'action="/campaigns/1/pause"')
        with stack.db.write() as connection:
            now = lifecycle.act(connection, 1, CampaignAction.PAUSE)
        await publish(stack, events.campaign_changed(1, now.state))
        await page.until(r'action="/campaigns/1/resume"')


async def test_the_list_shows_a_new_campaign_as_a_link_and_a_running_one_live(visitor, stack):
    store(stack.db, "ann@b.example bob@b.example", send=True)
    async with stream(visitor, "/campaigns/stream?newest=1") as page:
        await page.until(r"<b>0</b> of 2")
        [one] = await asyncio.to_thread(deliver, stack.db, SENT)
        await publish(stack, changed(one))
        await page.until(r"<b>1</b> of 2")
        store(stack.db, "ann@b.example")
        await publish(stack, events.campaign_changed(2, campaigns.CampaignState.DRAFT))
        await page.until(r'id="news" class="news"><a')


async def test_without_redis_the_page_is_told_so_and_still_gets_the_truth(tmp_path, db, database_url):
    store(db, "ann@b.example", send=True)
    async with running(settings_for(tmp_path, database_url)) as visitor:
        hub = visitor.app.extensions["volley"].hub
        await until(lambda: hub.away, "the hub knows")
        async with stream(visitor, "/campaigns/1/stream?rows=1") as page:
            await page.until(r"The queue \(Redis\) isn&#39;t responding.*event: beat\ndata: away\n\n")
            await asyncio.to_thread(deliver, db, SENT)
            await page.until(r"<b>1</b> of 1")


async def test_streams_end_at_once_when_the_server_stops(visitor, stack):
    store(stack.db, "ann@b.example", send=True)
    hub = visitor.app.extensions["volley"].hub
    async with stream(visitor, "/campaigns/1/stream") as one, stream(visitor, "/stream") as other:
        for page in (one, other):
            await page.until(r"data: live\n\n")
        async with asyncio.timeout(3):
            await hub.close()
            for page in (one, other):
                with contextlib.suppress(Exception):
                    while await page.connection.receive():
                        pass


async def test_the_web_process_stops_quickly_with_streams_open(stack):
    store(stack.db, "ann@b.example", send=True)
    stack.start("web")
    connections = []
    for number in range(20):
        reader, writer = await asyncio.open_connection(HOST, stack.web_port)
        connections.append((reader, writer))  # each asks at once: the server hangs up on those that do not
        path = "/stream" if number % 2 else "/campaigns/1/stream"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        async with asyncio.timeout(PATIENCE_S):
            await reader.readuntil(b"event: beat")
    with within(1.5):
        await asyncio.to_thread(stack.stop, "web")
    assert "Traceback" not in stack.log("web")
    for _, writer in connections:
        writer.close()
