"""A writer rehearses a draft, sees what that found, and is led to sending the campaign itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from mailing.campaigns.drafts import Draft
from mailing.core.states import CampaignState
from tests.browser.acts import follow
from tests.support.stack import Stack, free_port, listens
from tests.support.web import store

if TYPE_CHECKING:
    from collections.abc import Iterator

DRAFT = Draft(
    "Club <club@sender.example>", "Picnic, {{ name }}", "Dear {{ name }},\nsee you in {{ city }}.\n"
)
LIST = "\n".join(["email,name,city", *(f"user{n}@x{n % 5}.example,User {n},Rome" for n in range(39))])
LACKS = "\nzoe@x.example,Zoe,"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A Volley whose mail goes to a server of its own, with the demo inbox beside it."""
    with Stack(tmp_path_factory.mktemp("volley"), demo_port=free_port()) as stack:
        stack.start("redis", "sink", "rehearsals", "worker", "beat", "web")
        yield stack


@pytest.mark.parametrize("width", [360, 1440])
def test_from_a_draft_through_its_rehearsal_to_send(open_page, stack: Stack, width: int) -> None:
    draft = store(stack.db, LIST + LACKS, DRAFT)
    page = open_page(viewport={"width": width, "height": 900})
    page.goto(f"/campaigns/{draft}")
    follow(page.get_by_role("link", name="Rehearse", exact=True))
    page.get_by_role("radio", name="My own numbers").check()
    bounces = page.get_by_role("spinbutton", name="No such mailbox")
    bounces.fill("1200")
    bounces.evaluate("it => it.form.noValidate = true")
    follow(page.get_by_role("button", name="Rehearse with 40 recipients"))
    expect(page.get_by_role("alert")).to_contain_text("Write whole numbers from 0 to 1,000")
    bounces.fill("500")
    follow(page.get_by_role("button", name="Rehearse with 40 recipients"))

    rehearsal = int(page.url.rpartition("/")[2])
    expect(page.get_by_role("heading", level=1)).to_have_text("REHEARSAL: Picnic, {{ name }}")
    found = page.locator("#rehearsal")
    expect(found).to_contain_text("Rehearsal: nothing was sent to real people")
    ended = stack.wait_for(rehearsal)
    expect(found).to_contain_text("1 recipient would get no email")  # without a reload
    expect(found).to_contain_text("zoe@x.example")
    expect(found.get_by_text("Estimate for the campaign")).to_be_visible()
    assert re.search("REHEARSAL", page.title())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert ended.counts["sent"] + ended.counts["failed"] + ended.counts["unknown"] == 40
    assert ended.counts["failed"] > 5
    assert not stack.record.exists() or not stack.delivered(), "nothing went where mail goes"

    follow(found.get_by_role("link", name="Review and send the campaign…"))
    expect(page.get_by_text("Rehearsal of")).to_be_visible()
    assert stack.campaign(draft).state is CampaignState.DRAFT


def test_without_a_demo_inbox_the_page_says_what_to_do(open_page, stack: Stack) -> None:
    draft = store(stack.db, LIST, DRAFT)
    stack.kill("rehearsals")
    try:
        page = open_page()
        page.goto(f"/campaigns/{draft}/rehearse")
        follow(page.get_by_role("button", name="Rehearse with 39 recipients"))
        expect(page.get_by_role("alert")).to_contain_text(
            f"No demo inbox answers at 127.0.0.1:{stack.demo_port}"
        )
        assert not listens(stack.demo_port)
    finally:
        stack.start("rehearsals")
