"""The pages behind the link in an email: without scripts, in the reader's language, in all views."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from mailing.suppression import leave_tokens, leaving
from mailing.suppression.leave_tokens import Leaver
from tests.browser.axe import AXE, EVERY_RULE, JUDGE
from tests.support.web import store

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from mailing.core.database import Database
    from tests.support.stack import Stack

PARTS = ("redis", "web")
VIEWS = tuple((width, scheme) for width in (1440, 360) for scheme in ("light", "dark"))
WORDS = {
    "en-GB": ("Unsubscribe", "You are unsubscribed", "Undo", "Other choices"),
    "vi-VN": ("Hủy đăng ký", "Bạn đã hủy đăng ký", "Hoàn tác", "Lựa chọn khác"),
}


def link(db: Database, email: str, topic: str = "", campaign_id: int = 1, recipient_id: int = 1) -> str:
    with db.read() as connection:
        key = leaving.key(connection)
    return "/u/" + leave_tokens.seal(key, Leaver(campaign_id, recipient_id, topic, email))


def left(db: Database, email: str) -> dict[str, int | None]:
    with db.read() as connection:
        return dict(leaving.decided(connection, email).scopes)


def judge(page: Page) -> list[str]:
    found: list[str] = []
    for width, scheme in VIEWS:
        page.set_viewport_size({"width": width, "height": 700})
        page.emulate_media(color_scheme=scheme)
        found += page.evaluate(JUDGE, EVERY_RULE)
        if page.evaluate("document.documentElement.scrollWidth") > width:
            found.append(f"{page.url} is wider than {width}")
    return found


@pytest.mark.parametrize("locale", WORDS)
def test_every_state_of_the_pages_obeys_the_rules_and_speaks_the_readers_language(
    open_page: Callable[..., Page], stack: Stack, locale: str
) -> None:
    page = open_page(locale=locale)
    page.context.add_init_script(path=AXE)
    leave, done, undo, others = WORDS[locale]
    email = f"Ann.{locale}@{'long' * 15}.example"
    page.goto(link(stack.db, email, "Tin tức và sự kiện của câu lạc bộ đi bộ đường dài"))
    assert page.locator("html").get_attribute("lang") == locale[:2]
    faults = judge(page)
    page.get_by_role("button", name=leave).click()
    expect(page.get_by_role("heading", name=done)).to_be_visible()
    faults += judge(page)
    page.get_by_role("button", name=undo).click()
    expect(page.get_by_role("button", name=leave)).to_be_visible()
    faults += judge(page)
    assert not left(stack.db, email)
    page.get_by_role("link", name=others).click()
    expect(page.get_by_role("checkbox")).to_be_checked()
    faults += judge(page)
    page.goto(link(stack.db, ""))  # of a rehearsal
    faults += judge(page)
    assert not faults


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_choices_are_made_and_undone(open_page: Callable[..., Page], stack: Stack, *, scripts: bool) -> None:
    email = f"bob.{scripts}@x.example".lower()
    store(stack.db, email)
    page = open_page(java_script_enabled=scripts)
    page.goto(link(stack.db, email, "Events"))
    page.get_by_role("link", name="Other choices").click()
    page.get_by_label("Events").uncheck()
    page.get_by_role("button", name="Save choices").click()
    expect(page.get_by_role("status")).to_have_text("Saved.")
    expect(page.get_by_label("Events")).not_to_be_checked()
    assert left(stack.db, email) == {"events": None}
    page.get_by_role("button", name="No emails for 30 days").click()
    assert left(stack.db, email)[""]
    page.get_by_role("button", name="Unsubscribe from everything").click()
    assert left(stack.db, email)[""] is None
    page.get_by_role("button", name="Get emails again").click()
    expect(page.get_by_label("Events")).not_to_be_checked()
    assert left(stack.db, email) == {"events": None}
    page.get_by_label("Events").check()
    page.get_by_role("button", name="Save choices").click()
    assert not left(stack.db, email)


def test_a_button_that_is_pressed_again_by_going_back_or_reloading_does_no_harm(
    open_page: Callable[..., Page], stack: Stack
) -> None:
    email = "cat@x.example"
    page = open_page(java_script_enabled=False)
    page.goto(link(stack.db, email))
    page.get_by_role("button", name="Unsubscribe").click()
    page.reload()
    expect(page.get_by_role("heading", name="You are unsubscribed")).to_be_visible()
    page.go_back()
    page.get_by_role("button", name="Unsubscribe").click()
    assert left(stack.db, email) == {"": None}
    page.get_by_role("button", name="Undo").click()
    page.reload()
    expect(page.get_by_role("heading", name="You are subscribed again")).to_be_visible()
    assert not left(stack.db, email)
