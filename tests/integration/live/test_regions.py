"""What goes wrong behind open pages is told in the log, and the pages come back to it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time

import pytest
from jinja2 import DictLoader, Environment

from mailing import checks
from mailing.accounts.roles import ANYBODY, Permission, Role
from mailing.checks import Finding
from mailing.redis import events
from tests.integration.live.test_hub import PATIENCE_S, publish, until
from tests.support.web import HOST, Visitor, running, settings_for, store
from webapp.http import auth, probes
from webapp.http.probes import Probes
from webapp.live.hub import Feed, Hub, Viewer
from webapp.live.regions import Board, Boards, Key
from webapp.live.sse import respond

KEY = Key("view", ANYBODY, "en", "UTC")


@pytest.fixture
def stack(make_stack):
    stack = make_stack()
    stack.start("redis")
    return stack


@pytest.fixture
async def hub(stack):
    hub = Hub(stack.settings.redis_url, stack.settings.database_url)
    hub.start()
    await until(lambda: hub._pubsub, "the hub connects")
    yield hub
    await hub.close()


def board(template):
    return Board(Environment(loader=DictLoader({"x": template}), autoescape=True, enable_async=True), {})


async def watch(boards, template):
    """Look at a board until it sends its viewers away."""

    async def fill(shown):
        shown.show("#x", "x", nothing=None)
        await shown.turn()

    async with boards.looking(KEY, lambda: board(template), fill) as shown:
        async with asyncio.timeout(PATIENCE_S):
            while await shown.next(shown.turns):
                pass
        return shown.ended


@pytest.mark.parametrize(
    "template", ["{{ nothing.at.all }}", "{{ 1 // 0 }}", "{{ nothing|no_such_filter }}", "{% x %}"]
)
async def test_a_board_that_cannot_be_drawn_is_told_in_the_log_once_and_sends_its_viewers_away(
    capsys, template
):
    boards = Boards()
    for _ in range(3):
        assert await watch(boards, template)
    told = capsys.readouterr().out
    assert told.count("Traceback") == 1
    assert told.count("rendering a live page still fails") == 2
    assert not boards._boards
    assert not boards._viewers


async def test_who_may_do_the_same_shares_a_drawing_and_who_may_do_less_gets_one_without_buttons(
    tmp_path, db, database_url
):
    drawn = []

    async def fill(board):
        drawn.append(board)
        board.show("#x", "buttons")
        await board.turn()
        await asyncio.Event().wait()

    @auth.needs(Permission.READ)
    async def stream():
        return respond("view", fill)

    async with running(settings_for(tmp_path, database_url)) as visitor:
        visitor.app.jinja_env.loader = DictLoader(
            {"buttons": '<p>Ann{% if "campaigns:send" in rights %}<form>{{ csrf }}</form>{% endif %}</p>'}
        )
        visitor.app.add_url_rule("/look", view_func=stream)
        async with contextlib.AsyncExitStack() as open_pages, asyncio.timeout(PATIENCE_S):
            seen = []
            for number, role in enumerate((Role.MANAGER, Role.VIEWER, Role.MANAGER, Role.VIEWER)):
                each = Visitor(visitor.app)
                each.enter(role, f"{number}@people.example")
                page = each.client.request("/look", headers={"Host": HOST})
                await open_pages.enter_async_context(page)
                open_pages.push_async_callback(page.disconnect)
                await page.send_complete()
                seen.append((await page.receive()).decode())
            assert len(drawn) == 2
    assert all("Ann" in text for text in seen)
    assert ["csrf_token" in text for text in seen] == [True, False, True, False]
    assert ["<form>" in text for text in seen] == [True, False, True, False]


async def test_another_fault_is_told_in_full_again(capsys):
    boards = Boards()
    for template in ("{{ 1 // 0 }}", "{{ nothing.at.all }}", "{{ 1 // 0 }}"):
        await watch(boards, template)
    assert capsys.readouterr().out.count("Traceback") == 3


async def test_a_board_whose_viewers_leave_is_not_told_of(capsys):
    boards = Boards()

    async def fill(shown):
        await shown.turn()
        await asyncio.Event().wait()

    async with boards.looking(KEY, lambda: board("x"), fill) as shown:
        await shown.next(0)
    await asyncio.sleep(0)
    assert "rendering a live page" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "rubbish", [b"", b"{", b"[]", b"5", b'{"a": 1}', b'{"type": []}', b"\xff", b'{"type": "claimed"}']
)
async def test_rubbish_on_a_channel_ends_nobody_s_news(hub, stack, rubbish):
    viewer, client = Viewer([2]), stack.redis
    async with hub.listening(viewer, events.channel(1)):
        viewer.take()
        await asyncio.to_thread(client.publish, client.prefix + events.channel(1), rubbish)
        await publish(stack, {"type": "recipient", "campaign": 1, "recipient": 2, "state": "sent"})
        await until(lambda: viewer._changed == {2}, "the next event is heard")
    assert not hub.away


class Wire:
    """A subscription whose confirmations come when the test says so."""

    def __init__(self):
        self.sent = []

    async def subscribe(self, *names):
        self.sent += [("subscribe", name) for name in names]

    async def unsubscribe(self, *names):
        self.sent.append(("unsubscribe", *names))


def confirm(hub, channel):
    hub._pass_on({"type": "subscribe", "channel": channel.encode(), "data": 1})


@pytest.fixture
def wired():
    hub = Hub("redis://127.0.0.1:1/0", "sqlite:////nowhere/x")
    hub._pubsub = Wire()
    return hub


async def test_a_confirmation_for_somebody_who_left_is_nobody_s(wired):
    channel, left, feed = events.channel(1), Viewer(), Feed()
    leaving = asyncio.create_task(wired.listening(left, channel).__aenter__())
    await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    confirm(wired, channel)
    assert channel not in wired._confirmed
    assert not wired._asked[channel]

    async def listen():
        async with wired.listening(feed, channel):
            assert not feed.missed
            feed.missed = False
            await asyncio.sleep(0)

    coming = asyncio.create_task(listen())
    await asyncio.sleep(0)
    assert not coming.done()
    confirm(wired, channel)
    feed.missed = False
    await coming


async def test_a_confirmation_that_comes_late_is_not_taken_for_the_next_one_s(wired):
    channel, feed = events.channel(1), Feed()
    leaving = asyncio.create_task(wired.listening(Viewer(), channel).__aenter__())
    await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    begun = asyncio.Event()

    async def listen():
        async with wired.listening(feed, channel):
            begun.set()
            await asyncio.sleep(0)

    coming = asyncio.create_task(listen())
    await asyncio.sleep(0)
    confirm(wired, channel)  # the first one's
    await asyncio.sleep(0)
    assert (begun.is_set(), feed.missed) == (False, False)
    confirm(wired, channel)
    await coming
    assert begun.is_set()


async def test_who_leaves_many_channels_leaves_them_in_one_step(wired):
    channels = [events.channel(n) for n in range(50)] + [events.ALL_CAMPAIGNS]
    wired._confirmed[events.ALL_CAMPAIGNS].set()
    entered, viewer = asyncio.Event(), Viewer()

    async def listen():
        async with wired.listening(viewer, *channels):
            entered.set()
            await asyncio.Event().wait()

    hung = asyncio.Event()
    task = asyncio.create_task(listen())
    await asyncio.sleep(0)
    for channel in channels[:-1]:
        confirm(wired, channel)
    await entered.wait()

    async def never(*names):
        wired._pubsub.sent.append(("unsubscribe", *names))
        await hung.wait()

    wired._pubsub.unsubscribe = never
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()  # once more, while it says so to Redis
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not wired._listeners
    assert wired._pubsub.sent[-1] == ("unsubscribe", *channels[:-1])


async def test_probes_that_hang_take_no_thread_from_the_pages(tmp_path, db, database_url, monkeypatch):
    free, asked = threading.Event(), []

    def hang(_part):
        asked.append(1)
        free.wait(PATIENCE_S)
        return Finding(ok=True, detail="late")

    for name in ("database", "queue", "worker"):
        monkeypatch.setattr(checks, name, hang)
    monkeypatch.setattr(probes, "PATIENCE_S", 0.05)
    store(db, "a@b.example")
    async with running(settings_for(tmp_path, database_url)) as visitor:
        try:
            answers = await asyncio.gather(*(visitor.get("/readyz") for _ in range(40)))
            assert {answer.status_code for answer in answers} == {503}
            begun = time.monotonic()
            assert (await visitor.get("/campaigns", headers={"Host": HOST})).status_code == 200
            assert time.monotonic() - begun < PATIENCE_S / 2
            assert len(asked) == 3
        finally:
            free.set()


async def test_a_probe_that_answers_late_is_asked_anew(monkeypatch):
    monkeypatch.setattr(probes, "PATIENCE_S", 0.05)
    free, asking = threading.Event(), Probes()
    late = await asking.ask("x", lambda _: Finding(ok=free.wait(PATIENCE_S), detail="first"), None)
    assert not late.ok
    free.set()
    await until(asking._asking["x"].done, "the first answer comes")
    assert (await asking.ask("x", lambda _: Finding(ok=True, detail="second"), None)).detail == "second"
    asking.close()
