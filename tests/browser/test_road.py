"""From a pasted list to the fate of each email, as a person sees it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from mailing.core.states import RecipientState
from tests.browser.acts import DRAFT, expect_the_truth, ledger, mark, row, send, write

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.support.stack import Stack

NINE = """anna@one.example
Ben Ng <ben@two.example>; "Lee, Carl" <carl@two.example>
* dora@THREE.example
eve+bounce@three.example
frida@four.example, gil@four.example.
<mailto:hal@four.example>
12. ida@five.example
dora@three.example
no at sign"""


def test_a_messy_list_is_pasted_checked_sent_and_seen_live(page: Page, stack: Stack):
    write(page, NINE)
    expect(page.get_by_role("button", name="Send to 9").first).to_be_visible()
    expect(page.locator(".numbers")).to_contain_text("Duplicates merged")
    expect(page.locator(".remarks").first).to_contain_text("no at sign")
    expect(page.locator(".body")).to_contain_text("bring a blanket")
    send(page)
    page.evaluate("window.sameDocument = true")
    expect(row(page, "eve+bounce@three.example")).to_contain_text("Failed")
    expect(row(page, "eve+bounce@three.example")).to_contain_text("This mailbox doesn't exist")
    for email in ("anna@one.example", "carl@two.example", "dora@three.example", "ida@five.example"):
        expect(row(page, email)).to_contain_text("Sent")
    expect(page.locator("#head")).to_contain_text("Finished")
    expect(page.locator("#ledger .balance")).to_contain_text("all accounted for")
    expect(mark(page)).to_have_text("Live")
    assert page.evaluate("window.sameDocument") is True, "the page was never loaded again"
    campaign_id = int(page.url.rpartition("/")[2])
    assert ledger(page) == stack.wait_for(campaign_id).counts
    page.locator("#ledger .states").get_by_role("link", name="Failed").click()
    expect(page.locator("#list tbody tr")).to_have_count(1)
    page.goto(f"/history?campaign={campaign_id}")
    log = page.locator(".log .reply")
    expect(log).to_have_count(9)
    page.get_by_role("searchbox", name="Search").fill("@three.example sent")
    page.get_by_role("button", name="Search").click()
    expect(log).to_have_count(1)
    expect(page.get_by_label("Result")).to_have_value("sent")
    page.get_by_role("link", name="Remove filter: Sent").click()
    expect(log).to_have_count(2)
    expect(page.get_by_role("searchbox", name="Search")).to_have_value("@three.example")
    page.get_by_role("link", name="Remove filter: Picnic").click()
    expect(mark(page)).to_have_text("Live")
    stack.send(DRAFT, ["zoe@three.example", "zoe@four.example"])
    page.get_by_role("link", name=re.compile("Show 1.new")).click()
    expect(page.locator(".log th.who").first).to_contain_text("zoe@three.example")
    page.get_by_role("link", name="Demo inbox").click()
    page.get_by_role("link", name="Picnic, Ben Ng").click()
    expect(page.locator(".body").first).to_contain_text("Dear Ben Ng")


def test_the_inbox_lives_is_searched_and_read_beside_its_list(page: Page, stack: Stack):
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto("/inbox")
    expect(mark(page)).to_have_text("Live")
    messages = page.get_by_role("listitem")
    stack.wait_for(stack.send(DRAFT, ["uma@one.example", "vic@one.example"]))
    expect(messages.filter(has_text="uma@one.example")).to_be_visible()
    messages.first.hover()
    top = messages.first.inner_text()
    stack.wait_for(stack.send(DRAFT, ["wim@one.example"]))
    expect(page.get_by_role("link", name="Show new messages")).to_be_visible()
    assert messages.first.inner_text() == top, "nothing moves under the pointer"
    page.mouse.move(0, 0)
    expect(messages.first).to_contain_text("wim@one.example")
    page.get_by_role("searchbox", name="Search").fill("uma@ picnic")
    page.keyboard.press("Enter")
    expect(messages).to_have_count(1)
    messages.get_by_role("link").click()
    expect(page.locator("article .body").first).to_contain_text("bring a blanket")
    expect(messages.first).to_contain_text("uma@one.example")
    page.set_viewport_size({"width": 360, "height": 800})
    expect(messages.first).to_be_hidden()
    page.get_by_role("link", name="Demo inbox").last.click()
    expect(messages.first).to_contain_text("uma@one.example")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_what_failed_is_retried_after_a_question_and_the_page_follows(page: Page, stack: Stack):
    campaign_id = stack.send(DRAFT, ["ann@one.example", "bob+full@one.example", "cat+drop@one.example"])
    stack.wait_for_count(campaign_id, RecipientState.DEFERRED, 1)
    stack.wait_for_count(campaign_id, RecipientState.UNKNOWN, 1)
    page.goto(f"/campaigns/{campaign_id}")
    page.get_by_role("link", name="1 unknown").click()
    expect(mark(page)).to_have_text("Live")
    page.get_by_role("button", name="Mark 1 unknown as sent").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel", exact=True).click()
    expect(row(page, "cat+drop@one.example")).to_contain_text("Unknown")
    row(page, "cat+drop@one.example").get_by_role("button", name="Mark as sent").click()
    expect(page.locator("#receipt")).to_contain_text("1\N{NO-BREAK SPACE}email marked as sent.")
    page.get_by_role("link", name="1 deferred").click()
    expect(mark(page)).to_have_text("Live")
    page.get_by_role("button", name="Retry 1 deferred").click()
    expect(page.get_by_role("heading", name="Retry 1 email now?")).to_be_visible()
    page.get_by_role("dialog").get_by_role("button", name="Retry 1 deferred").click()
    expect(page.locator("#receipt")).to_contain_text("1\N{NO-BREAK SPACE}email queued again.")
    page.goto(f"/campaigns/{campaign_id}")
    expect(row(page, "bob+full@one.example").locator(".tries")).to_have_text("2")
    expect_the_truth(page, stack, campaign_id)


def test_a_running_campaign_is_paused_resumed_and_cancelled(page: Page, stack: Stack):
    campaign_id = stack.send(DRAFT, [f"p{n}+slow@one.example" for n in range(400)])
    page.goto(f"/campaigns/{campaign_id}")
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.locator("#head")).to_contain_text("Paused")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("#head .badge")).to_have_text("Sending")
    page.get_by_role("button", name="Cancel…").click()
    expect(page.locator("#confirm-cancel")).to_contain_text("can't be undone")
    page.get_by_role("button", name="Cancel remaining").click()
    expect(page.locator("#head .badge")).to_have_text("Canceled")
    expect(page.locator('#ledger a[href*="state=sending"] b')).to_have_text("0")
    expect_the_truth(page, stack, campaign_id)
    assert ledger(page)[RecipientState.CANCELED] > 0


def test_live_is_paused_for_reading_and_catches_up(page: Page, stack: Stack):
    campaign_id = stack.send(DRAFT, [f"p{n}+slow@one.example" for n in range(20)])
    page.goto(f"/campaigns/{campaign_id}")
    expect(mark(page)).to_have_text("Live")
    page.get_by_role("button", name="Pause live updates").click()
    expect(mark(page)).to_have_text("Updates paused")
    before = ledger(page)
    stack.wait_for(campaign_id)
    assert ledger(page) == before
    page.get_by_role("button", name="Resume live updates").click()
    expect(page.locator(".lead")).to_contain_text("20 delivered to their servers")
    expect(mark(page)).to_have_text("Live")


def test_every_form_works_without_scripts(open_page, stack: Stack):
    page = open_page(java_script_enabled=False)
    write(page, "anna@one.example\nben+bounce@one.example")
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Subject").fill("Changed")
    page.get_by_role("button", name="Save and review").click()
    expect(page.get_by_role("heading", name="Changed", exact=True)).to_be_visible()
    send(page)
    stack.wait_for(int(page.url.rpartition("/")[2]))
    page.reload()
    expect(row(page, "ben+bounce@one.example")).to_contain_text("Failed")
    expect(page.get_by_text("Snapshot from")).to_be_visible()
    expect(mark(page)).to_be_hidden()
    page.get_by_label("Address starts with").fill("anna")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("#list tbody tr")).to_have_count(1)


def test_an_update_keeps_the_focus_and_what_was_typed(page: Page, stack: Stack):
    campaign_id = stack.send(DRAFT, [f"p{n}+slow@one.example" for n in range(20)])
    page.goto(f"/campaigns/{campaign_id}")
    search = page.get_by_label("Address starts with")
    search.fill("half a wo")
    page.get_by_role("link", name=re.compile("^Sent")).focus()
    stack.wait_for(campaign_id)
    expect(page.locator(".lead")).to_contain_text("20 delivered to their servers")
    assert page.evaluate("document.activeElement.getAttribute('href')").endswith("state=sent#list")
    expect(search).to_have_value("half a wo")


def test_no_page_is_wider_than_a_phone(open_page, stack: Stack):
    campaign_id = stack.send(DRAFT, [f"a-rather-long-name-{n}+bounce@one.example" for n in range(3)])
    stack.wait_for(campaign_id)
    page = open_page(viewport={"width": 360, "height": 740})
    for path in (
        "/",
        "/campaigns",
        "/workers",
        "/campaigns/new",
        f"/campaigns/{campaign_id}",
        "/history",
        "/inbox",
    ):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") == 360, path
