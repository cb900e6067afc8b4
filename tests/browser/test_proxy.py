"""Volley under a path of a TLS proxy, in a real browser; and a form whose session ended."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from mailing.core.states import AttemptResult
from mailing.redis import events
from tests.browser.acts import mark, row, send, set_up, sign_in
from tests.support.proxies import WAYS, Site
from tests.support.web import deliver

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

LIST = "Ann Lee <ann@one.example>\nben@two.example"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(WAYS["prefix passed"], tmp_path / "site", "redis", owned=False)
    yield site
    site.stack.__exit__()


@pytest.fixture
def page(browser: Browser, site: Site) -> Iterator[Page]:
    """The owner's page, whose every request must stay under the prefix and succeed."""
    with browser.new_context(ignore_https_errors=True) as context:
        page = context.new_page()
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda told: wrong.append(told.text) if told.type == "error" else None)
        page.on("request", lambda it: None if it.url.startswith(f"{site.url}/") else wrong.append(it.url))
        set_up(page, site.stack.setup_link)
        yield page
        assert [told for told in wrong if not re.search("status of 40[13]", told)] == []


def test_a_campaign_is_written_and_seen_live_under_a_prefix(page: Page, site: Site):
    page.goto(f"{site.url}/campaigns/new")
    page.get_by_label("Subject").fill("Picnic")
    page.get_by_label("Message").fill("Bring a blanket.")
    page.get_by_label("Recipients", exact=True).fill(LIST)
    page.get_by_role("button", name="Review").click()
    send(page)
    expect(mark(page)).to_have_text("Live")
    deliver(site.stack.db, (AttemptResult.SENT, 250, "2.0.0", "250 2.0.0 ok"))
    news = {"type": "recipient", "campaign": 1, "recipient": 1, "state": "sent"}
    events.publish(site.stack.redis, [news])
    expect(row(page, "ann@one.example")).to_contain_text("Sent")
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(mark(page)).to_have_text("Live")
    cookies = {cookie["name"]: cookie for cookie in page.context.cookies()}
    assert {cookies[name]["path"] for name in ("theme", "tz")} == {"/volley"}
    assert all(cookies[f"__Host-{name}"]["secure"] for name in ("volley", "volley_session"))


@pytest.mark.parametrize("signed_out", [False, True])
def test_a_form_whose_session_ended_is_whole_again_and_needs_one_more_press(
    page: Page, site: Site, signed_out: bool
):
    page.goto(f"{site.url}/campaigns/new")
    typed = {"Subject": 'Tea & "cake"', "Message": "Dear {{ name }},\n\n<b>come</b>", "Recipients": LIST}
    for label, text in typed.items():
        page.get_by_label(label, exact=label == "Recipients").fill(text)
    page.context.clear_cookies(name=None if signed_out else "__Host-volley")
    page.get_by_role("button", name="Review").click()
    if signed_out:
        with page.context.expect_page() as opened:
            page.get_by_role("link", name="Sign in in a new tab").click()
        sign_in(opened.value)
        page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("alert")).to_contain_text("Your session had expired")
    for label, text in typed.items():
        expect(page.get_by_label(label, exact=label == "Recipients")).to_have_value(text)
    page.get_by_role("button", name="Review").click()
    expect(page.get_by_role("button", name="Send to 2").first).to_be_visible()
