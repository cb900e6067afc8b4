"""A real browser before a whole Volley. Whatever it complains about fails the test."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from mailing.ledger import leases
from tests.browser import chromium, every_page
from tests.support.stack import Stack, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

NONE_FOUND = (
    f"NO BROWSER TEST RAN: none of {', '.join(chromium.NAMES)} is installed. "
    "Install one, for instance with: apt-get install chromium-headless-shell"
)
PARTS = ("redis", "inbox", "worker", "beat", "web")
expect.set_options(timeout=30_000)
EXPECTED = (  # with a server or a worker gone, of a page that is not there, after a session, of a faulty form
    "status of 401",
    "status of 409",
    "status of 422",
    "status of 503",
    "net::ERR_CONNECTION_REFUSED",
    "net::ERR_CONNECTION_RESET",
    "net::ERR_CONTENT_LENGTH_MISMATCH",
    "net::ERR_INCOMPLETE_CHUNKED_ENCODING",
    "net::ERR_EMPTY_RESPONSE",
    "htmx:sse:error",
    "/nowhere",
)


@pytest.fixture(
    scope="module"
)  # not longer: its event loop must be gone when tests with loops of their own run
def browser() -> Iterator[Browser]:
    path = chromium.find()
    if path is None:
        if os.environ.get("VOLLEY_TEST_REQUIRE_BROWSER") == "1":
            pytest.fail(NONE_FOUND)
        pytest.skip(NONE_FOUND)
    with chromium.launched(path) as browser:
        yield browser


@pytest.fixture(scope="module")
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A Volley with the demo inbox and ten connections, shared by the tests of a module.

    A module that needs fewer processes names them as its ``PARTS``; one that needs several workers says how
    many as ``WORKERS``.
    """
    workers = getattr(request.module, "WORKERS", 1)
    folder = tmp_path_factory.mktemp("volley")
    with Stack(folder, workers=workers, connections=10 // workers) as stack:
        parts = getattr(request.module, "PARTS", PARTS)
        stack.start(*parts)
        if "worker" in parts:  # or pages say first that there is none
            wait_until(lambda: _works(stack), "a worker is there")
        yield stack


def _works(stack: Stack) -> bool:
    with stack.db.read() as connection:
        return bool(leases.alive(connection))


@pytest.fixture(scope="module")
def paths(browser: Browser, stack: Stack) -> dict[str, str]:
    """The address of every page there is, with something of each state on it."""
    return every_page.make(browser, stack)


@pytest.fixture
def open_page(browser: Browser, stack: Stack) -> Iterator[Callable[..., Page]]:
    """A factory of pages. Errors in the console fail the test, except those of a server that was killed."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def note(text: str) -> None:
        if not any(expected in text for expected in EXPECTED):
            complaints.append(text)

    def hear(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            note(f"{message.text} ({message.location['url']})")

    def make(**options: object) -> Page:
        context = browser.new_context(**{"base_url": stack.url} | options)
        context.set_default_timeout(30_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", hear)
        page.on("pageerror", lambda error: note(str(error)))
        return page

    yield make
    for context in contexts:
        context.close()
    assert not complaints


@pytest.fixture
def page(open_page: Callable[..., Page]) -> Page:
    return open_page()
