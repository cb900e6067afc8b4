"""What a person sees while a part of Volley is gone, and once it is back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.browser.acts import DRAFT, expect_the_truth, mark
from tests.support.clock import within

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.support.stack import Stack


def test_a_page_survives_the_death_of_the_server_and_then_shows_what_the_database_says(
    page: Page, stack: Stack
):
    campaign_id = stack.send(DRAFT, [f"p{n}+slow@one.example" for n in range(30)])
    page.goto(f"/campaigns/{campaign_id}")
    expect(mark(page)).to_have_text("Live")
    page.evaluate("window.sameDocument = true")
    stack.kill("web")
    with within(5):
        expect(mark(page)).to_have_text("Reconnecting")
    stack.wait_for(campaign_id)
    stack.start("web")
    expect(mark(page)).to_have_text("Live")
    expect(page.locator(".lead")).to_contain_text("30 delivered to their servers")
    expect_the_truth(page, stack, campaign_id)
    expect(page.locator("#shown .state").filter(has_text="Sent")).to_have_count(25)
    assert page.evaluate("window.sameDocument") is True


def test_a_page_says_so_while_redis_is_away_and_stays_true(page: Page, stack: Stack):
    campaign_id = stack.send(DRAFT, [f"p{n}+slow@one.example" for n in range(30)])
    page.goto(f"/campaigns/{campaign_id}")
    expect(mark(page)).to_have_text("Live")
    stack.kill("redis")
    with within(8):
        expect(mark(page)).to_have_text("Redis offline")
    expect(page.locator("#live .age")).to_have_text("refreshing every 2 s")
    stack.start("redis")
    expect(mark(page)).to_have_text("Live")
    stack.wait_for(campaign_id)
    expect(page.locator(".lead")).to_contain_text("30 delivered to their servers")
