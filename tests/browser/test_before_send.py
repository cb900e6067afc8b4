"""Before Send: the message is looked at as somebody gets it, a test of it is sent, and it is checked."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import replace
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.browser.acts import DRAFT
from tests.support.stack import wait_until
from tests.support.web import store

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.support.stack import Stack

PARTS = ("redis", "inbox", "web")
LIST = "Ann Lee <ann@one.example>\nBen Ng <ben@two.example>"
HTML = """<style>
body { background: rgb(250, 240, 10); min-height: 20rem }
@media (prefers-color-scheme: dark) { body { background: rgb(20, 30, 40) !important } }
</style>
<p>Dear {{ name }}</p><script>document.body.remove()</script><img src="data:image/gif;base64,R0lGODlhAQ==">"""
PIXEL = """async (png) => {
    const bytes = Uint8Array.from(atob(png), (character) => character.charCodeAt(0));
    const picture = await createImageBitmap(new Blob([bytes]));
    const brush = new OffscreenCanvas(1, 1).getContext("2d");
    brush.drawImage(picture, -150, -150);
    return [...brush.getImageData(0, 0, 1, 1).data].slice(0, 3);
}"""


def color(page: Page) -> list[int]:
    """The color in the frame, whose page nothing can look into."""
    picture = page.locator("iframe").screenshot()
    return page.evaluate(PIXEL, b64encode(picture).decode())


def test_a_draft_is_previewed_as_somebody_tested_and_checked(page: Page, stack: Stack):
    campaign_id = store(stack.db, LIST, replace(DRAFT, html=HTML))
    page.goto(f"/campaigns/{campaign_id}")
    page.get_by_role("link", name="All views").click()
    page.get_by_label("Preview as").fill("ben@two.example")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("main .mail")).to_contain_text("Ben Ng <ben@two.example>")
    wait_until(lambda: color(page) == [250, 240, 10], "the message is seen in the light")
    page.get_by_role("link", name="Phone").click()
    expect(page.locator("iframe")).to_have_css("width", "375px")
    page.locator("#html").get_by_role("link", name="Dark").click()
    wait_until(lambda: color(page) == [20, 30, 40], "the message is seen in the dark")
    page.get_by_text("Source", exact=False).last.click()
    expect(page.locator("details pre")).to_contain_text("Message-ID: <")

    page.get_by_role("link", name="Send test").click()
    expect(page.get_by_label("With the data of")).to_have_value("ben@two.example")
    page.get_by_label("Send to").fill("me+slow@one.example")
    page.get_by_role("button", name="Send test").click()
    expect(page.get_by_text("Talking to")).to_be_visible()
    expect(page.locator(".dialogue .client", has_text="RCPT TO:<me+slow@one.example>")).to_be_visible()
    expect(page.get_by_text("Accepted by")).to_be_visible()
    expect(page.locator(".dialogue .server").last).to_contain_text(re.compile("221"))

    page.get_by_role("link", name=DRAFT.subject).click()
    page.get_by_role("link", name="Preflight check").click()
    expect(page.locator("#red")).to_contain_text("<script>")
    expect(page.locator("#amber")).to_contain_text("Images without alternative text: 1.")
    page.get_by_role("link", name="Back to the draft").click()
    expect(page.get_by_role("button", name="Send to 2").first).to_be_visible()
