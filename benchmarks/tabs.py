"""Rows: what a page costs the browser that shows it: bytes at the first view, memory in the long run."""

from __future__ import annotations

import statistics
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from benchmarks import sinks
from benchmarks.browser import real_browser
from benchmarks.figures import Bar, Figure
from benchmarks.messages import DRAFT, people
from benchmarks.site import act, store
from mailing.core.states import CampaignAction, CampaignState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Request

    from benchmarks.site import Site
    from tests.support.stack import Stack

FEW, REFUSED, LONG = 1_000, 50, 200_000
EVERY_S = 0.5
PATIENCE_S = 900.0
DISPLAY = {"width": 1280, "height": 720}
_LONG_TASKS = """
  window.longest = 0;
  new PerformanceObserver((list) => {
    for (const task of list.getEntries()) window.longest = Math.max(window.longest, task.duration);
  }).observe({ type: "longtask" });
"""


def first_views(site: Site) -> Iterator[Figure]:
    """Open each page with an empty cache and count what comes over the wire."""
    with site.stack() as stack, real_browser() as browser:
        stack.start("redis", "inbox", "worker", "beat", "web")
        refused = [f"user{number}+bounce@refused.example" for number in range(REFUSED)]
        campaign_id = store(stack, replace(DRAFT, breaker=None), people(FEW) + refused)
        draft_id = store(stack, DRAFT, people(FEW))
        act(stack, campaign_id, CampaignAction.SEND)
        stack.wait_for(campaign_id)
        pages = ["/", "/campaigns", "/campaigns/new", "/history", "/workers"]
        pages += [f"/campaigns/{draft_id}", f"/campaigns/{campaign_id}", f"/campaigns/{campaign_id}/replay"]
        pages += [f"/campaigns/{campaign_id}?state=failed", "/inbox"]
        pages += [f"/campaigns/{campaign_id}/recipients/1", f"/campaigns/{campaign_id}/wall"]
        pages += [f"/campaigns/{draft_id}/edit", "/inbox/1"]
        weights = {page: _weigh(browser, stack, page) for page in pages}
    heaviest = max(weights, key=lambda page: weights[page])
    how = f"{heaviest}, the heaviest of {len(pages)} pages, every request of it, nothing cached"
    yield Figure("first view", weights[heaviest] / 1024, "KB", how, Bar(60, at_most=True))


def _weigh(browser: Browser, stack: Stack, page: str) -> int:
    """Return the bytes of a first view, headers included. Its stream counts with what it said by then."""
    context = browser.new_context()
    tab = context.new_page()
    line = context.new_cdp_session(tab)
    line.send("Network.enable")
    weights: dict[str, int] = {}

    def arrive(part: dict[str, Any]) -> None:  # of a stream, which does not finish
        weights[part["requestId"]] = weights.get(part["requestId"], 0) + part["encodedDataLength"]

    def finish(request: dict[str, Any]) -> None:
        weights[request["requestId"]] = request["encodedDataLength"]

    line.on("Network.dataReceived", arrive)
    line.on("Network.loadingFinished", finish)
    hosts: set[str] = set()

    def note(request: Request) -> None:
        hosts.add(urlsplit(request.url).netloc)

    tab.on("request", note)
    answer = tab.goto(stack.url + page)
    tab.wait_for_timeout(1000)
    context.close()
    if answer is None or answer.status != 200:
        raise sinks.WrongCountError(f"{page} was answered with {answer and answer.status}.")
    if hosts != {urlsplit(stack.url).netloc}:
        raise sinks.WrongCountError(f"{page} asked other hosts: {hosts}.")
    return sum(weights.values())


def long_watch(site: Site) -> Iterator[Figure]:
    """Leave a tab open on a long campaign; look at its memory and at its longest task."""
    yield from _watch(site, "tab", "/campaigns/{}")


def long_wall(site: Site) -> Iterator[Figure]:
    """Leave the wall of a long campaign open."""
    yield from _watch(site, "wall", "/campaigns/{}/wall")


def _watch(site: Site, name: str, page: str) -> Iterator[Figure]:
    with (
        site.stack() as stack,
        sinks.listening(stack.smtp_port, stack.folder),
        real_browser() as browser,
    ):
        stack.start("redis", "worker", "beat", "web")
        campaign_id = store(stack, DRAFT, people(LONG))
        context = browser.new_context(viewport=DISPLAY)
        context.add_init_script(_LONG_TASKS)
        tab = context.new_page()
        line = context.new_cdp_session(tab)
        act(stack, campaign_id, CampaignAction.SEND)
        tab.goto(stack.url + page.format(campaign_id))
        looks: list[tuple[float, int, int]] = []  # part of the run, bytes of scripts, bytes of the document
        until = time.monotonic() + PATIENCE_S
        while (campaign := stack.campaign(campaign_id)).state is CampaignState.SENDING:
            if time.monotonic() > until:
                raise sinks.WrongCountError(f"Not finished in {PATIENCE_S} s: {dict(campaign.counts)}.")
            line.send("HeapProfiler.collectGarbage")
            heap = line.send("Runtime.getHeapUsage")
            looks.append((campaign.counts["sent"] / LONG, heap["usedSize"], heap["embedderHeapUsedSize"]))
            tab.wait_for_timeout(EVERY_S * 1000)
        longest_ms = tab.evaluate("window.longest")
    scripts = [(part, used) for part, used, _ in looks]
    both = [(part, used + document) for part, used, document in looks]
    for what, sizes in ((f"heap of the {name}, growth", both), (f"heap of the {name}, scripts", scripts)):
        early, late = _around(sizes, 0.1), _around(sizes, 0.9)
        how = f"{LONG:,} emails, around 90 % of the run against around 10 %, collected; {late / 2**20:.1f} MB"
        yield Figure(what, 100 * (late / early - 1), "%", how, Bar(10, at_most=True))
    yield Figure(f"longest task of the {name}", longest_ms, "ms", "", Bar(100, at_most=True))


def _around(sizes: list[tuple[float, int]], part: float) -> float:
    """Return the median of what was seen within 3 % of a part of the run: single looks differ by a tenth."""
    return statistics.median(size for at, size in sizes if abs(at - part) <= 0.03)
