"""Live pages hold still: during a send nothing on them jumps, on a wide screen and on a small one.

One send of about twelve seconds, with every kind of ending, is watched by all live pages together.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from mailing.core.states import RecipientState
from mailing.ledger import batches
from tasks.app import use
from tasks.sending import enqueue
from tests.browser.acts import DRAFT, mark
from tests.support.stack import Stack
from tests.support.web import store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Page

MOST = 0.02  # a fifth of what Core Web Vitals call good
EVERY = 20  # one in so many is slow: of 600 on five connections, two seconds each
ENDINGS = {4: "+bounce", 9: "+later", 14: "+full", 44: "+drop"}  # place among sixty -> the inbox's answer
SIZES = ({"width": 360, "height": 740}, {"width": 1280, "height": 860})
SETTLE_MS = 1_500
OBSERVE = """
  window.shifts = [];
  new PerformanceObserver((list) => {
    for (const { value, hadRecentInput, sources } of list.getEntries())
      if (!hadRecentInput) shifts.push([value, sources.map(({ node, previousRect: a, currentRect: b }) =>
        `${node?.id || node?.className || node?.nodeName} ${b.x - a.x},${b.y - a.y}`)]);
  }).observe({ type: "layout-shift", buffered: true });
"""


@pytest.fixture
def stack(tmp_path) -> Iterator[Stack]:
    with Stack(tmp_path, workers=1, connections=5) as stack:
        stack.start("redis", "inbox", "worker", "web")
        yield stack


def people() -> str:
    endings = ["+slow" if n % EVERY == 0 else ENDINGS.get(n % 60, "") for n in range(600)]
    return "\n".join(
        f"{'Anna Ng' if n % 3 else ''} <p{n:03}{it}@one.example>" for n, it in enumerate(endings)
    )


def share(page: Page, campaign: str) -> str:
    """Make a link for somebody who may only watch; return its path."""
    token = re.search(r'name="csrf_token" value="([^"]+)"', page.request.get(campaign).text())[1]
    page.request.post(f"{campaign}/watches", form={"csrf_token": token, "label": "the board", "days": "7"})
    return re.search(r"/watch/[\w.-]+", page.request.get(campaign).text())[0]


def look(pages: list[Page]) -> dict[tuple[int, str], list[Any]]:
    """What has shifted on each page so far, by width and path."""
    return {(it.viewport_size["width"], urlsplit(it.url).path): it.evaluate("shifts") for it in pages}


def going(stack: Stack, campaign_id: int) -> bool:
    counts = stack.campaign(campaign_id).counts
    return bool(counts[RecipientState.QUEUED] or counts[RecipientState.SENDING])


def test_no_live_page_jumps_during_a_send(open_page: Callable[..., Page], stack: Stack):
    campaign_id = store(stack.db, people(), DRAFT, send=True)
    campaign = f"/campaigns/{campaign_id}"
    paths = [campaign, f"{campaign}/wall", "/", "/campaigns", "/workers", share(open_page(), campaign)]
    pages = []
    for size in SIZES:
        for path in paths:
            page = open_page(viewport=size)
            page.add_init_script(OBSERVE)
            page.goto(path)
            pages.append(page)
    for page in pages:
        expect(mark(page)).to_have_text("Live")
    with stack.db.write() as connection:
        errands = batches.wake(connection, campaign_id)
    use(stack.settings)
    enqueue(stack.db, errands)
    shifts, seen = {}, look(pages)
    while going(stack, campaign_id):
        shifts = seen
        pages[0].wait_for_timeout(250)
        seen = look(pages)
    pages[0].wait_for_timeout(SETTLE_MS)  # then the rest waits to be retried, and says so
    told = look(pages)
    shifts |= {which: told[which] for which in told if which[1] != "/"}  # it tells what needs a person
    jumped = [
        f"{path} at {width} px: {moved:.3f} {nodes}"
        for (width, path), found in shifts.items()
        if sum(moved for moved, _ in found) >= MOST
        for moved, nodes in sorted(found, reverse=True)[:4]
    ]
    assert not jumped, "\n".join(jumped)
