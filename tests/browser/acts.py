"""What a person does on the pages, and what they see."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from mailing.campaigns.drafts import Draft
from mailing.core.states import RecipientState
from tests.support.stack import OWNER, PASSWORD, wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from tests.support.stack import Stack

DRAFT = Draft("Ann <ann@example.org>", "Picnic", "Dear {{ name }}, bring a blanket.")
LIVE = {"en-GB": "Live", "vi-VN": "Trực tiếp"}  # what the mark says


def set_up(page: Page, link: str) -> None:
    """Create the first account, an owner's: from then on the page is signed in."""
    page.goto(link)
    page.get_by_label("Email address").fill(OWNER)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password, again").fill(PASSWORD)
    with page.expect_navigation():
        page.get_by_role("button", name="Create account").click()


def sign_in(page: Page) -> None:
    """Sign in as the owner on the page that asks for it."""
    page.get_by_label("Email address").fill(OWNER)
    page.get_by_label("Password").fill(PASSWORD)
    with page.expect_navigation():
        page.get_by_role("button", name="Sign in", exact=True).click()


def write(page: Page, pasted: str) -> None:
    page.goto("/campaigns/new")
    page.get_by_label("Subject").fill("Picnic, {{ name }}")
    page.get_by_label("Message").fill("Dear {{ name }},\n\nbring a blanket.")
    page.get_by_label("Recipients", exact=True).fill(pasted)
    page.get_by_role("button", name="Review").click()


def send(page: Page) -> None:
    page.get_by_role("button", name=re.compile("^Send to")).first.click()
    page.get_by_role("button", name=re.compile(r"^Send \d")).click()
    expect(page.locator("#ledger")).to_be_visible()


def follow(link: Locator) -> None:
    """Click what leads to another page, and wait until that is there: a click alone does not."""
    with link.page.expect_navigation():
        link.click()


def row(page: Page, email: str) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=email))


def mark(page: Page) -> Locator:
    return page.locator("#live .mark b")


def ledger(page: Page) -> dict[str, int]:
    """The numbers of the eight states as the page shows them."""
    return {
        state: int(page.locator(f'#ledger a[href*="state={state}"] b').inner_text().replace(",", ""))
        for state in RecipientState
    }


def expect_the_truth(page: Page, stack: Stack, campaign_id: int) -> None:
    """Wait until the page shows what the database says."""
    wait_until(lambda: ledger(page) == stack.campaign(campaign_id).counts, "the page shows the database")
