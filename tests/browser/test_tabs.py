"""Several tabs of one browser: what hidden ones hear, and that none takes the connections of the others.

No worker runs: each test has campaigns of its own and delivers by hand, so that it knows what the pages must
show.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser import picnics
from tests.browser.acts import mark, row
from tests.browser.conftest import EXPECTED
from tests.browser.picnics import FAILED, SENT, Picnic, whole
from tests.support.clock import within
from tests.support.stack import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, Page

    from tests.support.stack import Stack

PARTS = picnics.PARTS
PLACES = 4
HEADLESS = """
    window.told = [];
    window.Notification = class {
        static permission = "granted";
        static requestPermission = async () => "granted";
        constructor(title, { body }) { told.push(body); }
    };
    let hidden = false;
    Object.defineProperty(document, "hidden", { get: () => hidden, configurable: true });
    Object.defineProperty(document, "visibilityState", { get: () => (hidden ? "hidden" : "visible") });
    window.hide = (now) => { hidden = now; document.dispatchEvent(new Event("visibilitychange")); };
    if (location.protocol === "http:") localStorage.setItem("notify", "on");
"""
READS = "Boolean(document.querySelector('[hx-sse\\\\:connect]')?._htmx?.sse?.reader)"


@pytest.fixture
def picnic(stack: Stack) -> Picnic:
    """A campaign of a hundred."""
    return Picnic.of(whole(stack), (f"p{n:03}@one.example" for n in range(100)))


@pytest.fixture
def solo(stack: Stack) -> Picnic:
    """Another campaign, of one."""
    return Picnic.of(whole(stack), ["solo@one.example"])


@pytest.fixture
def context(browser: Browser, stack: Stack) -> Iterator[BrowserContext]:
    """One browser with any number of tabs. Headless Chromium calls them all visible: ``hide`` hides one."""
    context = browser.new_context(base_url=stack.url)
    context.set_default_timeout(30_000)
    context.add_init_script(HEADLESS)
    complaints: list[str] = []
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    context.on("console", lambda it: complaints.append(it.text) if it.type in {"error", "warning"} else None)
    yield context
    context.close()
    assert [it for it in complaints if not any(expected in it for expected in EXPECTED)] == []


def open_tab(context: BrowserContext, campaign: Picnic) -> Page:
    page = context.new_page()
    page.goto(campaign.path)
    return page


def reads(page: Page) -> bool:
    """Whether this tab keeps a stream open now."""
    return page.evaluate(READS)


def told(*pages: Page) -> list[str]:
    return [text for page in pages for text in page.evaluate("told")]


def test_a_hidden_tab_gets_title_icon_and_notification_while_its_stream_is_closed(context, picnic):
    page = picnic.watch(context.new_page())
    page.evaluate("hide(true)")
    wait_until(lambda: not reads(page), "the stream of rows is closed")
    picnic.end(*[SENT] * 30, FAILED)
    expect(page).to_have_title("31% · Failed · Picnic, {{ name }} · Volley")
    expect(page.locator("link[rel=icon]")).to_have_attribute("href", "/icons/failed-30.svg")
    assert told(page) == [
        "Picnic, {{ name }}: 25% processed.",
        "Picnic, {{ name }}: the first email failed.",
    ]
    assert not reads(page)
    assert "Queued" in row(page, "p000@one.example").inner_text()
    page.evaluate("hide(false)")
    expect(mark(page)).to_have_text("Live")
    expect(row(page, "p030@one.example")).to_contain_text("Failed")
    assert len(told(page)) == 2


def test_a_tab_that_was_opened_in_the_background_keeps_no_stream_and_gets_news(context, picnic):
    context.add_init_script("hide(true)")
    page = open_tab(context, picnic)
    page.wait_for_function("document.readyState === 'complete'")
    picnic.end(*[SENT] * 25)
    expect(page).to_have_title("25% · Picnic, {{ name }} · Volley")
    assert not reads(page)
    page.evaluate("hide(false)")
    expect(mark(page)).to_have_text("Live")


def test_of_several_tabs_of_a_campaign_one_notifies_and_all_get_its_title(context, picnic, solo):
    pages = [picnic.watch(context.new_page()) for _ in range(PLACES)]
    other = open_tab(context, solo)
    for page in (*pages[1:], other):
        page.evaluate("hide(true)")
    picnic.end(*[SENT] * 50)
    for page in pages:
        expect(page).to_have_title("50% · Picnic, {{ name }} · Volley")
    wait_until(lambda: len(told(*pages)) >= 2, "25% and 50 % are told")
    picnic.end(FAILED)
    for page in pages:
        expect(page).to_have_title("51% · Failed · Picnic, {{ name }} · Volley")
    wait_until(lambda: len(told(*pages)) >= 3, "the failure is told")
    assert len(told(*pages)) == 3
    assert told(other) == []
    expect(other).to_have_title("0% · Picnic, {{ name }} · Volley")


class Gate:
    """A door before the web server that knows which requests are under way for news."""

    def __init__(self, to: int) -> None:
        self.to, self.open, self.came = to, set[int](), 0
        self.server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                here, _ = self.server.accept()
                there = socket.create_connection(("127.0.0.1", self.to))
                for one, other in ((here, there), (there, here)):
                    threading.Thread(target=self._carry, args=(one, other, id(here)), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket, number: int) -> None:
        with one, contextlib.suppress(OSError):
            while data := one.recv(65536):
                if data.startswith(b"GET /news/stream?"):
                    self.open.add(number)
                    self.came += 1
                other.sendall(data)
        self.open.discard(number)
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_RDWR)


def test_all_hidden_tabs_share_one_connection_which_ends_with_the_last(context, picnic, solo, stack):
    gate = Gate(stack.web_port)
    with gate.server:
        pages = [it.watch(context.new_page(), base=gate.url) for it in (picnic, solo, picnic)]
        assert gate.came == 0
        for page in pages:
            page.evaluate("hide(true)")
        picnic.end(*[SENT] * 25)
        for page in (pages[0], pages[2]):
            expect(page).to_have_title("25% · Picnic, {{ name }} · Volley")
        assert len(gate.open) == 1
        pages[0].evaluate("hide(false)")
        pages[1].close()
        picnic.end(*[SENT] * 25)
        expect(pages[2]).to_have_title("50% · Picnic, {{ name }} · Volley")
        assert len(gate.open) == 1
        pages[2].evaluate("hide(false)")
        wait_until(lambda: not gate.open, "nobody is hidden, and the connection ends")
        pages[2].evaluate("hide(true)")
        wait_until(lambda: len(gate.open) == 1, "somebody hides again")
        for page in (pages[0], pages[2]):
            page.close()
        wait_until(lambda: not gate.open, "the last tab is closed, and the connection ends")


def test_news_go_on_after_the_server_was_away(context, picnic, stack):
    page = picnic.watch(context.new_page())
    page.evaluate("hide(true)")
    picnic.end(*[SENT] * 25)
    expect(page).to_have_title("25% · Picnic, {{ name }} · Volley")
    stack.kill("web")
    picnic.deliver(*[SENT] * 25)
    stack.start("web")
    expect(page).to_have_title("50% · Picnic, {{ name }} · Volley")
    assert len(told(page)) == 2


def test_without_shared_workers_the_tab_that_leads_brings_the_news_and_the_next_follows_it(context, picnic):
    context.add_init_script("delete window.SharedWorker")
    leader, follower = picnic.watch(context.new_page()), picnic.watch(context.new_page())
    for page in (leader, follower):
        page.evaluate("hide(true)")
    picnic.end(*[SENT] * 25)
    for page in (leader, follower):
        expect(page).to_have_title("25% · Picnic, {{ name }} · Volley")
    leader.close()
    picnic.end(*[SENT] * 25)
    expect(follower).to_have_title("50% · Picnic, {{ name }} · Volley")


def test_news_speak_the_language_of_the_page(context, picnic, stack):
    context.add_cookies([{"name": "language", "value": "vi", "url": stack.url}])
    page = open_tab(context, picnic)
    expect(page.locator("#live")).to_have_attribute("data-mark", "live")
    page.evaluate("hide(true)")
    picnic.end(FAILED)
    expect(page).to_have_title("1% · Thất bại · Picnic, {{ name }} · Volley")
    assert told(page) == ["Picnic, {{ name }}: email đầu tiên thất bại."]


def test_ten_tabs_in_sight_load_at_once_tell_the_truth_and_say_how_live_they_are(context, picnic):
    shown = []
    for _ in range(10):
        with within(1 + 1):  # the seventh would wait for ever, did each hold a connection
            shown.append(open_tab(context, picnic))
    for page in shown[:PLACES]:
        expect(mark(page)).to_have_text("Live")
    for page in shown[PLACES:]:
        expect(mark(page)).to_have_text("Live in another tab")
        expect(page.locator("#live .age")).to_have_text("refreshing every 5 s")
    assert sum(map(reads, shown)) <= PLACES
    picnic.end(SENT, FAILED, SENT)
    with within(5 + 1):  # the seconds between two refreshes, and a page
        for page in shown:
            picnic.expect_the_truth(page)
    shown[7].reload()
    expect(row(shown[7], "p001@one.example")).to_contain_text("Failed")
    shown[0].close()
    wait_until(lambda: sum(map(reads, shown[1:])) == PLACES, "the next takes the place")
    wait_until(lambda: sum(mark(page).inner_text() == "Live" for page in shown[1:]) == PLACES, "it says so")
    shown[1].evaluate("hide(true)")
    wait_until(lambda: sum(map(reads, shown[2:])) == PLACES, "one takes the place of a hidden tab")
    shown[1].evaluate("hide(false)")
    expect(mark(shown[1])).to_have_text("Live in another tab")
    picnic.end(SENT)
    picnic.expect_the_truth(shown[1])


def test_a_tab_without_a_place_tells_when_the_server_is_gone(context, picnic, stack):
    pages = [open_tab(context, picnic) for _ in range(PLACES + 1)]
    waiting = pages[-1]
    expect(mark(waiting)).to_have_text("Live in another tab")
    stack.kill("web")
    expect(mark(waiting)).to_have_text("Reconnecting")
    stack.start("web")
    expect(mark(waiting)).to_have_text("Live in another tab")


def test_where_there_are_no_locks_tabs_count_each_other_and_the_next_takes_a_free_place(context, picnic):
    context.add_init_script("Object.defineProperty(navigator, 'locks', { value: undefined })")
    pages = [picnic.watch(context.new_page()) for _ in range(PLACES)]
    fifth = open_tab(context, picnic)
    expect(mark(fifth)).to_have_text("Live in another tab")
    assert all(map(reads, pages))
    assert not reads(fifth)
    picnic.end(*[SENT] * 25)
    for page in (*pages, fifth):
        expect(page).to_have_title("25% · Picnic, {{ name }} · Volley")
    pages[0].close()
    expect(mark(fifth)).to_have_text("Live")
    pages[1].evaluate("hide(true)")
    again = picnic.watch(context.new_page())
    pages[1].evaluate("hide(false)")
    expect(mark(pages[1])).to_have_text("Live in another tab")
    assert reads(again)
