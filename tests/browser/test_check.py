"""A list is repaired and proved on the check page, in one visit, before it is sent."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from mailing.core.states import RecipientState
from tests.browser.acts import write

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.support.stack import Stack

LIST = """Ann Lee <ann@one.example>
ben@two.example
mia at six.example
nobody
Cy Ng <cy@two.example>"""


def test_a_list_is_repaired_searched_previewed_and_sent(page: Page, stack: Stack):
    write(page, LIST)
    numbers, preview = page.locator(".numbers"), page.locator("#preview")
    expect(numbers).to_contain_text(re.compile(r"Recipients\s*3.*Lines skipped\s*2", re.DOTALL))

    box = page.get_by_label("Fix them here")
    box.click()
    page.keyboard.press("Control+Home")
    page.keyboard.type("x")
    asked: list[str] = []
    page.once("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    page.get_by_role("link", name="Edit").click()
    expect(box).to_have_value("xmia at six.example\nnobody")
    assert asked == ["beforeunload"], "what was typed is not lost without a question"
    box.fill("mia@six.example\nnobody")
    page.get_by_role("button", name="Fix skipped lines").click()
    expect(page.get_by_role("status")).to_contain_text("1\N{NO-BREAK SPACE}address added.")
    expect(numbers).to_contain_text(re.compile(r"Recipients\s*4.*Lines skipped\s*1", re.DOTALL))

    page.get_by_role("link", name="two.example 2").click()
    expect(page.locator(".accepted tbody tr")).to_have_count(2)
    page.get_by_role("searchbox").fill("CY")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="cy@two.example").click()
    expect(preview).to_contain_text("Dear Cy Ng")
    preview.get_by_role("link", name="Previous").click()
    expect(preview).to_contain_text("ben@two.example")
    preview.get_by_role("link", name="One without a name").click()
    expect(preview).to_contain_text("Dear ,")
    page.get_by_role("button", name="Use it in the message").click()
    expect(page.get_by_role("status")).to_contain_text("friend")

    page.get_by_role("link", name="Edit").click()
    expect(page.get_by_label("Message")).to_have_value(re.compile(r'Dear \{\{ name or "friend" \}\}'))
    page.get_by_label("Recipients", exact=True).fill("dan@one.example\n\nann@one.example")
    expect(page.get_by_text("2 lines")).to_be_visible()
    page.get_by_role("button", name="Save and review").click()
    expect(numbers).to_contain_text(re.compile(r"Recipients\s*5.*merged\s*1.*skipped\s*1", re.DOTALL))
    page.get_by_role("button", name="Send to 5").last.click()
    page.get_by_role("button", name=re.compile(r"^Send \d")).click()
    expect(page.locator("#ledger")).to_be_visible()
    campaign_id = int(page.url.rpartition("/")[2])
    assert stack.wait_for(campaign_id).counts[RecipientState.SENT] == 5
