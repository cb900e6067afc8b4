"""Passkeys in a real browser, with an authenticator of its own making."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.support.factors import PASSWORD, add_person, audited, confirmed_long_ago
from tests.support.stack import Stack, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Page

ANN = "ann@example.org"
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
        add_person(stack.db, ANN)
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
    assert [row["how"] for row in audited(stack.db, "sign in")] == ["password", "passkey"]
    assert [row["how"] for row in audited(stack.db, "confirm")] == ["passkey"]
