"""The page of the API: an operation is read and tried, its answer is shown, a stream is stopped."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Page

PARTS = ("redis", "web")


def test_an_operation_is_tried_and_its_answer_is_shown(page: Page):
    page.goto("/")
    page.get_by_role("link", name="API", exact=True).click()
    create = page.locator("#call-create_campaign")
    create.locator("summary").first.click()
    create.get_by_role("button", name="Send request").click()
    expect(create.locator("[data-status]")).to_contain_text("201")
    expect(create.locator("[data-headers]")).to_contain_text("location: /api/v1/campaigns/")
    expect(create.get_by_role("button", name="Stop")).to_be_hidden()
    made = json.loads(create.locator("[data-body]").inner_text())
    assert (made["state"], made["total"]) == ("draft", 2)

    follow = page.locator("#call-follow_campaign")
    follow.locator("summary").first.click()
    follow.get_by_label("campaign_id").fill(str(made["id"]))
    follow.get_by_role("button", name="Send request").click()
    expect(follow.locator("[data-body]")).to_contain_text("event: beat")
    follow.get_by_role("button", name="Stop").click()
    expect(follow.get_by_role("button", name="Stop")).to_be_hidden()

    listed = page.locator("#call-list_recipients")
    listed.locator("summary").first.click()
    listed.get_by_label("campaign_id").fill(str(made["id"]))
    listed.get_by_label("state").select_option("queued")
    listed.get_by_label("limit").fill("1")
    listed.get_by_role("button", name="Send request").click()
    expect(listed.locator("[data-body]")).to_contain_text("ann@example.org")

    listed.get_by_role("link", name="RecipientPage").click()
    expect(page.locator("#schema-RecipientPage table")).to_be_visible()
