"""One recipient's page and a campaign's replay, as a person meets them."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from mailing.campaigns.drafts import Draft
from mailing.core.states import RecipientState
from tests.browser.acts import DRAFT, follow, mark
from tests.support.stack import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser, Page

    from tests.support.stack import Stack

HTML = Draft(
    "Ann <ann@example.org>",
    "Picnic",
    "Dear {{ name }}",
    "<p id='here'>Dear {{ name }}</p><form action='/'><button>go</button></form>"
    "<img src='https://elsewhere.example/pixel.gif'><style>p { color: rgb(1, 2, 3) }</style>",
)


def test_a_recipient_s_page_follows_its_fate_and_leads_on(page: Page, stack: Stack):
    campaign_id = stack.send(DRAFT, ["ann@one.example", "bob+slow@one.example", "cat+bounce@one.example"])
    stack.wait_for_count(campaign_id, RecipientState.FAILED, 1)
    page.goto(f"/campaigns/{campaign_id}")
    page.get_by_role("link", name="cat+bounce@one.example").click()
    expect(page.locator("#record")).to_contain_text("there is no such mailbox here")
    expect(page.locator("#record")).to_contain_text("This mailbox doesn't exist")
    expect(mark(page)).to_have_text("Live")
    stack.wait_for(campaign_id)
    page.evaluate("window.sameDocument = true")
    follow(page.get_by_role("button", name="Retry"))
    expect(page).to_have_url(re.compile(r"/recipients/\d+$"))
    expect(page.get_by_role("heading", name="Attempt 2")).to_be_visible()
    page.get_by_role("link", name="Previous recipient").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("bob+slow@one.example")
    expect(page.locator("#record")).to_contain_text("Sent")


def test_a_message_s_html_can_do_nothing_but_be_seen(browser: Browser, stack: Stack):
    campaign_id = stack.send(HTML, ["Bob Ng <bob@one.example>"])
    stack.wait_for(campaign_id)
    with stack.db.read() as connection:
        (who,) = connection.exec_driver_sql(
            f"SELECT id FROM recipients WHERE campaign_id = {campaign_id}"
        ).scalars()
    with contextlib.closing(browser.new_context(base_url=stack.url)) as context:
        page = context.new_page()
        answers, complaints = list[str](), list[str]()
        page.on("response", lambda response: answers.append(response.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(f"/campaigns/{campaign_id}/recipients/{who}")
        expect(page.frame_locator("iframe").locator("#here")).to_have_text("Dear Bob Ng")
        page.goto(f"/campaigns/{campaign_id}/recipients/{who}/html")
        expect(page.locator("#here")).to_have_css("color", "rgb(1, 2, 3)")
        assert page.evaluate("self.origin") == "null"
        expect(page.get_by_role("button")).to_have_count(0)
        assert all(url.startswith(stack.url) for url in answers)
        assert any("elsewhere.example" in text and "Content Security Policy" in text for text in complaints)


@pytest.fixture
def replayed(stack: Stack) -> int:
    """A campaign that took some seconds, with a few refusals."""
    people = [
        f"p{n}{'+bounce' if n % 9 == 0 else '+slow' if n % 9 == 1 else ''}@one.example" for n in range(60)
    ]
    campaign_id = stack.send(DRAFT, people)
    stack.wait_for(campaign_id)
    return campaign_id


def shown(page: Page) -> dict[str, int]:
    return {
        cell.get_attribute("data-count") or "": int(cell.inner_text())
        for cell in page.locator("[data-count]").all()
    }


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_a_campaign_is_played_again_and_scrubbed_by_keys(
    open_page: Callable[..., Page], stack: Stack, replayed: int, motion: str
):
    page = open_page(reduced_motion=motion)
    page.goto(f"/campaigns/{replayed}")
    page.get_by_role("link", name="Replay").click()
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    end = stack.campaign(replayed)
    assert shown(page)["queued"] == 60
    slider, head = page.get_by_role("slider", name="Time"), page.locator("#head")
    at_start = re.compile(r"translate\(0(\.0)?\)")
    expect(head).to_have_attribute("transform", at_start)
    slider.focus()
    page.keyboard.press("End")
    wait_until(lambda: shown(page) == end.counts, "the end is shown")
    expect(head).not_to_have_attribute("transform", at_start)
    page.keyboard.press("Home")
    expect(head).to_have_attribute("transform", at_start)
    expect(page.locator("[data-count=queued]")).to_have_text("60")
    expect(page.locator("#tail")).to_contain_text("No emails sent yet.")
    expect(page).to_have_url(re.compile(r"at=0$"))
    page.keyboard.press("ArrowRight")
    assert slider.input_value() == "1"
    assert slider.get_attribute("aria-valuetext")
    assert sum(shown(page).values()) == end.total
    lasts = page.get_by_label("Playback time")
    lasts.evaluate("it => { it.selectedOptions[0].value = 1 }")  # seconds
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    wait_until(lambda: shown(page) == end.counts, "the end is shown")
    expect(page.locator("#tail li")).to_have_count(10)
    lasts.evaluate("it => { it.selectedOptions[0].value = 1000 }")  # it must not end
    page.get_by_role("button", name="Play").click()
    page.get_by_role("button", name="Stop").click()
    assert sum(shown(page).values()) == end.total


def test_without_scripts_the_moments_are_links(open_page: Callable[..., Page], replayed: int):
    page = open_page(java_script_enabled=False)
    page.goto(f"/campaigns/{replayed}/replay")
    follow(page.get_by_role("link", name="Start"))
    assert shown(page)["queued"] == 60
    follow(page.get_by_role("link", name="Forward", exact=True))
    assert sum(shown(page).values()) == 60
    follow(page.get_by_role("button", name="Show"))
    follow(page.get_by_role("link", name="End", exact=True))
    assert shown(page)["queued"] == 0
