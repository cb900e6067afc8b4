"""The pages of accounts are for everybody, too: from the first account on, in both languages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyotp
import pytest
from playwright.sync_api import expect

from mailing.core.clock import now_ms
from tests.browser.acts import LIVE, follow
from tests.browser.axe import AXE, EVERY_RULE, JUDGE, LOOKS, VIOLATIONS
from tests.browser.every_page import ACCOUNTS
from tests.support.factors import PASSWORD
from tests.support.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Page

ANN = "ann@example.org"
SEEN = ((1440, "light", EVERY_RULE), (1440, "dark", LOOKS), (360, "light", LOOKS), (360, "dark", LOOKS))
GO = "main button.primary"


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """A Volley that sends nothing and has no account yet."""
    with Stack(tmp_path / "volley") as stack:
        stack.start("redis", "web")
        yield stack


def send(page: Page, **typed: str) -> None:
    """Fill in the page's form and send it."""
    for name, text in typed.items():
        page.locator(f"#{name}").fill(text)
    follow(page.locator(GO))


@pytest.mark.parametrize("locale", LIVE)
def test_no_page_of_accounts_breaks_a_rule_of_accessibility(
    open_page: Callable[..., Page], stack: Stack, locale: str
):
    page = open_page(locale=locale, base_url=f"http://localhost:{stack.web_port}")
    page.context.add_init_script(path=AXE)
    page.context.add_init_script(VIOLATIONS)
    faults: dict[tuple[str, int, str], list[str]] = {}

    def judge(name: str) -> None:
        for width, scheme, rules in SEEN:
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme)
            found = page.evaluate(JUDGE, rules) + page.evaluate("refused")
            wide = page.evaluate("document.documentElement.scrollWidth") > width
            faults[name, width, scheme] = found + ["It is wider than the window."] * wide

    page.goto("/setup")
    judge("/setup")
    send(page, email=ANN, password=PASSWORD, again=PASSWORD)
    expect(page).to_have_url("/")
    page.goto("/people")
    send(page, email="ben@example.org")
    invitation = page.locator(".once").inner_text()
    judge("/people")
    page.goto("/keys")
    page.check("[name=scope]")
    send(page, name="Newsletter script")
    expect(page.locator(".once")).to_be_visible()
    judge("/keys")
    for path in ("/audit", "/confirm", "/account/passkeys/new", "/account/totp"):
        page.goto(path)
        judge(path)
    secret = page.locator("code.once").inner_text().replace(" ", "")
    send(page, code="000000")
    judge("/account/totp, with a fault")
    send(page, code=pyotp.TOTP(secret).at(now_ms() // 1000))
    expect(page.locator(".codes li")).to_have_count(10)
    judge("the recovery codes")
    follow(page.locator("main a.primary"))
    judge("/account")
    follow(page.locator("form[action$='/sign-out'] button"))
    judge("/sign-in")
    send(page, email=ANN, password=PASSWORD)
    expect(page.locator("#code")).to_be_focused()
    page.click("main summary")
    judge("/sign-in/code")
    page.goto(invitation)
    judge("/invitations/<token>")
    assert {where: found for where, found in faults.items() if found} == {}
    assert {name for name, _width, _scheme in faults} >= ACCOUNTS
