"""Rows: what the person at the browser waits for."""

from __future__ import annotations

import itertools
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Self

from benchmarks import sinks
from benchmarks.browser import Browser
from benchmarks.figures import Bar, Figure
from benchmarks.messages import DRAFT, address, people
from benchmarks.site import store
from benchmarks.watching import Watching

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.site import Site

LINES = 100_000
DUPLICATES, REFUSED = 1_000, 100
EVERY_S = 0.02
PATIENCE_S = 60.0


def paste(site: Site) -> Iterator[Figure]:
    """Paste a long list into the form, while another client looks at pages."""
    fresh = LINES - DUPLICATES - REFUSED
    lines = [*people(fresh), *(address(n) for n in range(DUPLICATES)), *["nobody@"] * REFUSED]
    with site.stack() as stack:
        other = store(stack, DRAFT, people(1_000))
        stack.start("redis", "web")
        with closing(Browser(stack.web_port)) as browser, Visitor(stack.web_port, other) as visitor:
            form = {"csrf_token": browser.token("/campaigns/new"), "from": DRAFT.sender_from}
            form |= {"subject": DRAFT.subject, "text": DRAFT.text, "recipients": "\n".join(lines)}
            begun = time.perf_counter()
            shown_at = browser.submit("/campaigns", form)
            took_s = time.perf_counter() - begun
        campaign = stack.campaign(int(shown_at.rpartition("/")[2]))
        if campaign.total != fresh:
            raise sinks.WrongCountError(f"Of {fresh} recipients {campaign.total} were stored.")
    how = f"{LINES:,} lines through the form, {site.database}"
    yield Figure("paste to stored", took_s, "s", how, Bar(5, at_most=True))
    slowest_ms = 1000 * max(visitor.waits_s)
    how = f"{len(visitor.waits_s)} requests meanwhile, one every {EVERY_S * 1000:.0f} ms"
    yield Figure("slowest other page", slowest_ms, "ms", how, Bar(100, at_most=True))


def first_email(site: Site) -> Iterator[Figure]:
    """Press Send for a long list, and wait for its first email."""
    with site.stack() as stack, sinks.listening(stack.smtp_port, stack.folder) as sink:
        campaign_id = store(stack, DRAFT, people(LINES))
        stack.start("redis", "worker", "beat", "web")
        with closing(Browser(stack.web_port)) as browser:
            page = f"/campaigns/{campaign_id}"
            form = {"csrf_token": browser.token(page)}
            pressing = threading.Thread(target=browser.submit, args=(f"{page}/send", form))
            begun = time.perf_counter()
            pressing.start()
            sinks.wait_for(sink, 1, PATIENCE_S)
            took_s = time.perf_counter() - begun
            pressing.join()
    how = f"campaign of {LINES:,}, {sink.name}, {site.database}"
    yield Figure("Send to first email", took_s, "s", how, Bar(1, at_most=True))


class Visitor(Watching):
    """Another client: it asks for the list of campaigns and for one campaign, in turn."""

    def __init__(self, port: int, campaign_id: int) -> None:
        super().__init__(EVERY_S)
        self.waits_s: list[float] = []
        self._browser = Browser(port)
        self._paths = itertools.cycle(["/", "/healthz", f"/campaigns/{campaign_id}"])

    def __enter__(self) -> Self:
        for _ in range(3):
            self._browser.get(next(self._paths))  # the first request of a process compiles its page
        return super().__enter__()

    def __exit__(self, *raised: object) -> None:
        try:
            super().__exit__(*raised)
        finally:
            self._browser.close()

    def look(self) -> None:
        begun = time.perf_counter()
        self._browser.get(next(self._paths))
        self.waits_s.append(time.perf_counter() - begun)
