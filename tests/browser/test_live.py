"""The campaign's page while it changes: what is seen, what stays, and what is said when it cannot know.

No worker runs: each test has a campaign of its own and delivers by hand, so that it knows what the page must
show.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from datetime import datetime
from typing import TYPE_CHECKING, Self
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import expect

from mailing.core.states import AttemptResult, CampaignAction
from tests.browser import picnics
from tests.browser.acts import follow, mark, row
from tests.browser.picnics import FAILED, SENT, Picnic, whole
from tests.support.clock import within
from tests.support.stack import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

    from tests.support.stack import Stack

PARTS = picnics.PARTS
COUNT_UPDATES = """() => {
    window.updates = 0;
    document.addEventListener("htmx:sse:after:message", (event) => updates += !event.detail.message.event);
}"""


@pytest.fixture
def picnic(stack: Stack) -> Picnic:
    """A campaign of 400."""
    return Picnic.of(whole(stack), (f"p{n:03}@{'one' if n % 2 else 'two'}.example" for n in range(400)))


def emails(page: Page) -> list[str]:
    return page.locator("#list tbody th a").all_inner_texts()


def test_the_focus_stays_in_the_box_and_on_a_rows_button_through_100_updates(open_page, picnic):
    (first,) = picnic.end(FAILED)
    boxed, buttoned = picnic.watch(open_page()), picnic.watch(open_page(), "?state=failed")
    boxed.locator("#q").focus()
    boxed.keyboard.type("p")
    expect(boxed).to_have_url(re.compile(r"\?q=p$"))
    button = row(buttoned, "p000@two.example").get_by_role("button", name="Retry")
    button.focus()
    buttoned.evaluate("scrollTo(0, 300)")
    buttoned.evaluate(f"getSelection().selectAllChildren(document.querySelector('#r{first} .verbatim'))")
    for page in (boxed, buttoned):
        page.evaluate(COUNT_UPDATES)
    while min(page.evaluate("updates") for page in (boxed, buttoned)) < 100:
        picnic.end(SENT)
        for page in (boxed, buttoned):
            page.wait_for_timeout(50)
    assert boxed.evaluate("document.activeElement.id") == "q"
    assert boxed.locator("#q").input_value() == "p"
    boxed.keyboard.type("01")
    expect(boxed.locator("#q")).to_have_value("p01")
    expect(button).to_be_focused()
    assert buttoned.evaluate("scrollY") == 300
    assert buttoned.evaluate("getSelection().toString()") == "550 5.1.1 user unknown"


def test_a_filter_works_while_it_is_typed_and_its_rows_go_on_changing(page, picnic):
    picnic.watch(page).locator("#q").press_sequentially("p00", delay=30)
    expect(page.locator("#list tbody tr")).to_have_count(10)
    expect(page).to_have_url(f"{picnic.stack.url}{picnic.path}?q=p00")
    expect(page.locator("#q")).to_be_focused()
    picnic.end(SENT)
    expect(row(page, "p000@two.example")).to_contain_text("Sent")
    page.locator("#q").fill("@one.example")
    expect(page).to_have_url(f"{picnic.stack.url}{picnic.path}?q=%40one.example")
    expect(row(page, "p001@one.example")).to_contain_text("Queued")
    picnic.end(SENT)
    expect(row(page, "p001@one.example")).to_contain_text("Sent")
    expect(mark(page)).to_have_text("Live")
    page.locator("#q").fill("nobody")
    expect(page.locator(".empty")).to_contain_text("No matching addresses.")
    expect(page).to_have_url(f"{picnic.stack.url}{picnic.path}?q=nobody")
    page.reload()
    expect(page.locator("#q")).to_have_value("nobody")


def test_pages_sizes_and_orders_lead_to_what_they_say(page, picnic):
    picnic.end(SENT, SENT)
    picnic.watch(page).get_by_role("link", name="Address", exact=True).click()
    page.get_by_role("link", name="50", exact=True).click()
    expect(page.locator("#list tbody tr")).to_have_count(50)
    first = emails(page)
    page.get_by_role("link", name="Next 50").click()
    expect(page.get_by_role("link", name="Previous 50")).to_be_visible()
    assert not set(first) & set(emails(page))
    page.get_by_role("link", name="Previous 50").click()
    expect(page.locator("#list tbody th a")).to_have_text(first)
    expect(page.get_by_role("link", name="Previous 50")).to_have_count(0)


def test_the_list_follows_the_newest_results_until_the_reader_is_at_it(page, picnic):
    picnic.watch(page)
    first = page.locator("#shown tr").first
    expect(first).to_contain_text("p000@two.example")
    picnic.end(*[SENT] * 30, FAILED)
    expect(first).to_contain_text("p030@two.example")
    expect(first).to_contain_text("Failed")
    expect(page.locator("#shown tr")).to_have_count(25)
    page.locator("#shown tr").nth(3).hover()
    picnic.end(SENT, SENT)
    new = page.get_by_role("link", name="Show 2 new")
    expect(new).to_be_visible()
    expect(first).to_contain_text("p030@two.example")
    page.mouse.move(0, 0)
    expect(first).to_contain_text("p032@two.example")
    expect(new).to_be_hidden()
    page.evaluate("document.querySelector('#shown tr:nth-child(9)').scrollIntoView()")
    picnic.end(SENT)
    expect(page.get_by_role("link", name="Show 1 new")).to_be_visible()
    page.get_by_role("link", name="Show 1 new").click()
    page.mouse.move(0, 0)
    expect(first).to_contain_text("p033@one.example")
    picnic.end(SENT)
    expect(first).to_contain_text("p034@two.example")


def test_those_who_join_wait_until_they_are_asked_for(page, picnic):
    picnic.end(FAILED)
    picnic.watch(page, "?state=failed")
    picnic.end(FAILED, FAILED, SENT)
    new = page.get_by_role("link", name="Show 2 new")
    expect(new).to_be_visible()
    expect(page.locator("#list tbody tr")).to_have_count(1)
    new.click()
    expect(page.locator("#list tbody tr")).to_have_count(3)
    expect(new).to_be_hidden()
    picnic.end(FAILED)
    expect(page.get_by_role("link", name="Show 1 new")).to_be_visible()


def test_the_causes_say_why_in_plain_words_and_lead_to_whom_they_met(page, picnic):
    picnic.end(SENT)
    picnic.watch(page)
    expect(page.locator("#causes")).to_be_hidden()
    picnic.end(FAILED, FAILED, (AttemptResult.FAILED, 552, "5.2.2", "552 5.2.2 quota"), SENT)
    cause = page.locator("#causes li").first
    expect(cause).to_contain_text("2 This mailbox doesn't exist")
    expect(cause).to_contain_text("550 5.1.1 user unknown")
    cause.get_by_role("link").click()
    expect(page).to_have_url(re.compile(r"\?reply=550-5\.1\.1#recipients$"))
    expect(page.locator("#list tbody tr")).to_have_count(2)
    assert emails(page) == ["p001@one.example", "p002@two.example"]


def test_the_speed_is_drawn_and_said(page, picnic):
    picnic.watch(page)
    expect(page.locator("#charts figcaption")).to_contain_text("Collecting…")
    picnic.end(SENT, SENT, FAILED)
    expect(page.locator("#charts figcaption")).to_contain_text(
        re.compile(r"peak [\d.]+/min at .+, now [\d.]+/min"), timeout=15_000
    )
    expect(page.locator("#charts svg path[class^=tone]")).to_have_count(2)


def test_the_tab_tells_the_progress_and_news_are_spoken_once(page, picnic):
    picnic.watch(page)
    expect(page).to_have_title("0% · Picnic, {{ name }} · Volley")
    picnic.end(*[SENT] * 120, FAILED)
    expect(page).to_have_title("30% · Failed · Picnic, {{ name }} · Volley")
    expect(page.locator("link[rel=icon]")).to_have_attribute("href", "/icons/failed-30.svg")
    expect(page.locator("#spoken")).to_have_text("Picnic, {{ name }}: the first email failed.")
    page.evaluate("document.getElementById('spoken').textContent = ''")
    picnic.end(FAILED)
    expect(page.locator(".lead b")).to_have_text("122")
    expect(page.locator("#spoken")).to_have_text("")
    picnic.end(*[SENT] * 80)
    expect(page.locator("#spoken")).to_have_text("Picnic, {{ name }}: 50% processed.")


def test_nothing_offers_to_steer_a_campaign_that_has_ended(page, picnic):
    picnic.watch(page)
    steers = page.get_by_role("link", name="Senders and limits").or_(
        page.get_by_role("button", name="Priority and hours…")
    )
    expect(steers).to_have_count(2)
    picnic.end(*[SENT] * 399)
    picnic.stack.act(picnic.id, CampaignAction.CANCEL)
    expect(page.locator("#head[data-over]")).to_be_attached()
    expect(steers).to_have_count(0)


def test_notifications_come_to_those_who_asked_for_them(open_page, picnic):
    page = open_page(permissions=["notifications"])
    page.add_init_script("""
        window.told = [];
        window.Notification = class {
            static permission = "granted";
            static requestPermission = async () => "granted";
            constructor(title, { body }) { told.push(body); }
        };
    """)
    picnic.watch(page)
    picnic.end(*[SENT] * 100)
    expect(page.locator("#spoken")).not_to_be_empty()
    assert page.evaluate("told") == []
    page.get_by_role("button", name="Notify me").click()
    expect(page.get_by_role("button", name="Notify me", pressed=True)).to_be_visible()
    picnic.end(FAILED)
    wait_until(lambda: page.evaluate("told.length") == 1, "it is told")
    page.reload()
    expect(page.get_by_role("button", name="Notify me", pressed=True)).to_be_visible()


def test_a_first_visit_and_its_stream_tell_the_time_of_one_zone(open_page, picnic):
    page = picnic.watch(open_page(timezone_id="Asia/Tokyo"))
    picnic.end(SENT)
    time = row(page, "p000@two.example").locator("time")
    there = datetime.fromisoformat(time.get_attribute("datetime")).astimezone(ZoneInfo("Asia/Tokyo"))
    expect(time).to_have_text(f"{there:%H:%M:%S}")
    expect(page.locator(".foot")).to_contain_text("Asia/Tokyo")


@pytest.mark.parametrize(("width", "tabs_too"), [(360, False), (1440, True)])
def test_a_state_leads_to_its_rows(open_page, picnic, width, tabs_too):
    picnic.end(FAILED)
    page = picnic.watch(open_page(viewport={"width": width, "height": 800}))
    follow(page.locator("#ledger .states").get_by_role("link", name="Failed"))
    expect(page.locator("#list-heading")).to_be_in_viewport()
    tab = page.locator("#ledger [aria-current]")
    expect(tab).to_contain_text("Failed")
    expect(tab).to_be_in_viewport() if tabs_too else expect(tab).not_to_be_in_viewport()


def test_two_tabs_show_the_same_truth(open_page, picnic):
    one, other = picnic.watch(open_page()), picnic.watch(open_page())
    picnic.end(SENT, FAILED)
    for page in (one, other):
        expect(row(page, "p001@one.example")).to_contain_text("Failed")
        picnic.expect_the_truth(page)


@pytest.fixture
def line(stack: Stack) -> Iterator[Line]:
    with Line(stack.web_port) as line:
        yield line


class Line:
    """A network between browser and server that can go silent, as one does when a cable is pulled."""

    def __init__(self, to: int) -> None:
        self.up = threading.Event()
        self.up.set()
        self.to = to
        self.server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.server.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.up.set()
        self.server.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                here, _ = self.server.accept()
                there = socket.create_connection(("127.0.0.1", self.to))
                for one, other in ((here, there), (there, here)):
                    threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with one:
            with contextlib.suppress(OSError):
                while data := one.recv(65536):
                    self.up.wait()
                    other.sendall(data)
            with contextlib.suppress(OSError):
                other.shutdown(socket.SHUT_RDWR)


def test_a_network_that_falls_silent_is_seen_within_five_seconds_and_its_return_brings_the_truth(
    page, picnic, line
):
    picnic.watch(page, base=line.url)
    line.up.clear()
    with within(5):
        expect(mark(page)).to_have_text("Stale")
    picnic.end(SENT, FAILED)
    assert "Queued" in row(page, "p001@one.example").inner_text()
    line.up.set()
    expect(mark(page)).to_have_text("Live")
    picnic.expect_the_truth(page)
    expect(row(page, "p001@one.example")).to_contain_text("Failed")


@pytest.mark.parametrize(("part", "said"), [("web", "Reconnecting"), ("redis", "Redis offline")])
def test_a_part_that_dies_is_seen_within_five_seconds_and_its_return_brings_the_truth(
    page, picnic, part, said
):
    picnic.watch(page)
    picnic.stack.kill(part)
    with within(5):
        expect(mark(page)).to_have_text(said)
    picnic.deliver(SENT, FAILED)
    picnic.stack.start(part)
    expect(mark(page)).to_have_text("Live")
    picnic.expect_the_truth(page)
    expect(row(page, "p001@one.example")).to_contain_text("Failed")


def test_every_filter_works_without_scripts(open_page, picnic):
    picnic.end(FAILED)
    page = open_page(java_script_enabled=False)
    page.goto(picnic.path)
    page.get_by_label("Address starts with").fill("@two.example")
    follow(page.get_by_role("button", name="Search"))
    expect(page.locator("#list tbody tr")).to_have_count(25)
    follow(page.get_by_role("link", name="Next 25"))
    expect(page).to_have_url(re.compile("after="))
    assert len(emails(page)) == 25
    assert all(email.endswith("@two.example") for email in emails(page))
    follow(page.get_by_role("link", name=re.compile("This mailbox doesn't exist")))
    assert emails(page) == ["p000@two.example"]
