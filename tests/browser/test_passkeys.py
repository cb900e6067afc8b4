"""Ways to sign in, in a real browser: passkeys of an authenticator in software, and pages for everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyotp
import pytest
from playwright.sync_api import expect

from mailing.core.clock import now_ms
from tests.browser.test_access import AXE, EVERY_RULE, JUDGE
from tests.support.factors import PASSWORD, add_person, audited, confirmed_long_ago
from tests.support.stack import Stack, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Page

ANN, BEN = "ann@example.org", "ben@example.org"
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A Volley that sends nothing, with one account."""
    with Stack(tmp_path_factory.mktemp("volley")) as stack:
        for email in (ANN, BEN):
            add_person(stack.db, email)
        stack.start("redis", "web")
        yield stack


def local(stack: Stack) -> str:
    """The one address without TLS at which a browser has passkeys: an IP address is no RP ID."""
    return f"http://localhost:{stack.web_port}"


def sign_in(page: Page, email: str) -> None:
    page.get_by_label("Email address").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def test_a_passkey_is_added_signs_in_and_confirms(open_page: Callable[..., Page], stack: Stack):
    page = open_page(base_url=local(stack))
    cdp = page.context.new_cdp_session(page)
    cdp.send("WebAuthn.enable")
    device = cdp.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})["authenticatorId"]
    page.goto("/account")
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_have_count(0)
    sign_in(page, ANN)
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_label("Name of the passkey").fill("Laptop")
    page.get_by_role("button", name="Create passkey").click()
    passkeys = page.get_by_role("region", name="Passkeys")
    expect(passkeys.get_by_role("listitem")).to_contain_text("Laptop")
    expect(passkeys).to_contain_text("not used yet")
    page.goto("/account/passkeys/new")
    page.get_by_role("button", name="Create passkey").click()
    expect(page.get_by_role("alert")).to_have_text("This device already has a passkey for your account.")
    page.goto("/account")
    page.get_by_role("button", name="Sign out").click()

    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page).to_have_url("/")
    page.goto("/account")
    expect(passkeys).to_contain_text("last used")
    confirmed_long_ago(stack.db)
    wait_until(lambda: "/confirm" in page.goto("/people").url, "the confirmation is asked for")
    page.get_by_role("button", name="Confirm with a passkey").click()
    expect(page).to_have_url("/people")

    page.get_by_role("link", name="Account", exact=True).click()
    page.get_by_role("button", name="Sign out").click()
    cdp.send("WebAuthn.setUserVerified", {"authenticatorId": device, "isUserVerified": False})
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("No passkey was used")
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_enabled()
    assert audited(stack.db, "sign in")[-1]["how"] == "passkey"
    assert [row["how"] for row in audited(stack.db, "confirm")] == ["passkey"]


def test_the_pages_of_ways_to_sign_in_break_no_rule_of_accessibility(
    open_page: Callable[..., Page], stack: Stack
):
    page, faults = open_page(base_url=local(stack)), {}
    page.context.add_init_script(path=AXE)

    def judge(name: str) -> None:
        for width, scheme in ((1440, "light"), (360, "dark")):
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme)
            faults[name, width] = page.evaluate(JUDGE, EVERY_RULE)
            wide = page.evaluate("document.documentElement.scrollWidth") > width
            faults[name, width] += ["It is wider than the window."] * wide

    page.goto("/account/passkeys/new")
    sign_in(page, BEN)
    expect(page.get_by_role("button", name="Create passkey")).to_be_visible()
    judge("a new passkey")
    page.goto("/account/totp")
    judge("a new app")
    secret = page.get_by_role("code").inner_text().replace(" ", "")
    page.get_by_label("The code").fill(pyotp.TOTP(secret).at(now_ms() // 1000))
    page.get_by_role("button", name="Turn on").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    judge("recovery codes")
    page.get_by_role("link", name="I have kept the codes").click()
    judge("the account")
    page.goto("/confirm")
    judge("a confirmation")
    page.goto("/account")
    page.get_by_role("button", name="Sign out").click()
    judge("signing in")
    sign_in(page, BEN)
    expect(page.get_by_label("Code from your authenticator app")).to_be_focused()
    page.get_by_text("Use a recovery code").click()
    judge("a code")
    assert {where: found for where, found in faults.items() if found} == {}
