"""A new user goes from a spreadsheet to a personal campaign with a file: checked, tested and sent."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from mailing.core.states import RecipientState
from mailing.demo_inbox_file import FILE, latest
from mailing.settings import ROOT
from tests.browser.acts import follow, send
from tests.browser.test_editors import choose, paste
from tests.support.stack import wait_until

if TYPE_CHECKING:
    from mailing.demo_inbox_file import ReceivedMail
    from tests.support.stack import Stack

MEMBERS = ROOT / "tests/lists/members.xlsx"
BODY = '# Hello {{ name|first_name }}\n\nSee you in **{{ thanh_pho or "town" }}**. [The plan](https://one.example/plan)'


def from_the_club(stack: Stack) -> list[ReceivedMail]:
    """What the demo inbox has kept of the sender's."""
    return [mail for mail in latest(stack.folder / FILE, 100) if "sender.example" in mail.envelope_from]


@pytest.mark.parametrize("width", [360, 1440])
def test_from_a_spreadsheet_to_a_personal_campaign(open_page, stack: Stack, width: int):
    before = len(from_the_club(stack))
    page = open_page(viewport={"width": width, "height": 900})
    page.goto("/lists")
    follow(page.get_by_role("link", name="Import a list"))
    page.get_by_label("Choose a file").set_input_files(MEMBERS)
    follow(page.get_by_role("button", name="Upload and check"))
    page.get_by_label("Name of the new list").fill(f"Members {width}")
    follow(page.get_by_role("button", name="Import", exact=True))
    expect(page.get_by_role("link", name="Open the list")).to_be_visible()
    follow(page.get_by_role("link", name="Open the list"))
    follow(page.get_by_role("link", name="New campaign"))

    page.get_by_label("From", exact=True).fill("Club <club@sender.example>")
    page.get_by_label("Subject").fill("News for {{ name|first_name }}")
    page.get_by_label("Preview text").fill('What happens in {{ thanh_pho or "town" }}')
    choose(page, "Markdown")
    paste(page, BODY)
    page.get_by_label("Random sample of").evaluate("it => it.closest('details').open = true")
    page.get_by_label("Random sample of").fill("3")
    follow(page.get_by_role("button", name="Review"))
    expect(page.get_by_role("heading", name=re.compile("News for"))).to_be_visible()
    page.get_by_label("Add a file").set_input_files(
        {"name": "plan.txt", "mimeType": "text/plain", "buffer": b"The plan"}
    )
    follow(page.get_by_role("button", name="Upload"))
    expect(page.locator("#files")).to_contain_text("plan.txt")
    draft = page.url.partition("#")[0]

    follow(page.get_by_role("link", name="All views"))
    expect(page.locator("iframe").content_frame.get_by_role("heading")).to_contain_text("Hello")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    follow(page.get_by_role("link", name="Send test"))
    page.get_by_label("Send to").fill("me@one.example")
    follow(page.get_by_role("button", name="Send test"))
    expect(page.get_by_text("Accepted by")).to_be_visible()
    page.goto(draft)
    follow(page.get_by_role("link", name="Preflight check"))
    expect(page.locator("#red")).to_have_count(0)
    page.goto(draft)
    send(page)
    stack.wait_for_count(int(draft.rpartition("/")[2]), RecipientState.SENT, 3)
    arrived = wait_until(
        lambda: len(found := from_the_club(stack)) > before + 3 and found, "all have arrived"
    )
    assert all(b"plan.txt" in mail.raw for mail in arrived)
