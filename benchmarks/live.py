"""Rows: how fresh a page is while its campaign is sent, for one viewer and for a thousand."""

from __future__ import annotations

import asyncio
import re
import statistics
import threading
import time
import zlib
from bisect import bisect_left
from contextlib import contextmanager
from itertools import cycle, repeat
from typing import TYPE_CHECKING

from sqlalchemy import text

from benchmarks import sinks
from benchmarks.browser import real_browser
from benchmarks.figures import Bar, Figure
from benchmarks.messages import DRAFT, people
from benchmarks.processes import memory_mb
from benchmarks.site import act, send, store
from mailing.accounts.roles import Role
from mailing.core.states import CampaignAction
from tests.support.web import cookies, enlist
from webapp.http.auth import COOKIE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from playwright.sync_api import Page

    from benchmarks.site import Site
    from tests.support.stack import Stack

WATCHED, UNWATCHED_RUNS, CONNECTIONS = 40_000, 3, 50
STREAMS, CALM_RATE, CALM_S, THINK_S = 1_000, 200, 20, 0.1
LISTENED = 20  # streams of the thousand whose every update is dated; of the rest only the bytes count
PATIENCE_S = 180.0

_SENT = re.compile(rb"state=sent\b[^>]*>.*?<b>([\d.,]+)</b>")
_WATCH = """() => {
  window.seen = [];
  const shown = () => document.querySelector('#ledger a[href*="state=sent"] b')?.textContent ?? "0";
  let last = "";
  new MutationObserver(() => {
    const now = shown();
    if (now !== last) window.seen.push([performance.timeOrigin + performance.now(), last = now]);
  }).observe(document.body, { subtree: true, childList: true, characterData: true });
}"""


def one_viewer(site: Site) -> Iterator[Figure]:
    """Watch a campaign at full speed in a browser; and how much one viewer slows the sending."""
    with (
        site.stack(connections=CONNECTIONS) as stack,
        sinks.listening(stack.smtp_port, stack.folder) as sink,
        real_browser() as browser,
    ):
        stack.start("redis", "worker", "beat", "web")
        campaign_id = store(stack, DRAFT, people(WATCHED))
        page = browser.new_page()
        page.goto(f"{stack.url}/campaigns/{campaign_id}")
        act(stack, campaign_id, CampaignAction.SEND)
        page.goto(f"{stack.url}/campaigns/{campaign_id}")
        page.evaluate(_WATCH)
        stack.wait_for(campaign_id, patience_s=PATIENCE_S)
        time.sleep(1)
        ages = _ages(_logged(stack, campaign_id), _seen(page))
        sinks.check(sink, WATCHED)
    how = f"{WATCHED:,} emails on loopback, from the server's reply to the changed page, {site.database}"
    yield Figure("age in the browser, half", statistics.median(ages), "ms", how, Bar(300, at_most=True))
    yield Figure("age in the browser, 99 %", _part(ages, 0.99), "ms", "", Bar(600, at_most=True))
    yield from _slowing(site)


def _slowing(site: Site) -> Iterator[Figure]:
    """Send in turn with and without a viewer. It reads but draws nothing: a browser is another machine's."""
    rates: dict[bool, list[float]] = {False: [], True: []}
    for watched in [False, True] * UNWATCHED_RUNS:
        with (
            site.stack(connections=CONNECTIONS) as stack,
            sinks.listening(stack.smtp_port, stack.folder) as sink,
        ):
            stack.start("redis", "worker", "beat", "web")
            campaign_id = store(stack, DRAFT, people(WATCHED))
            with _readers(stack, int(watched), f"/campaigns/{campaign_id}/stream"):
                rates[watched].append(send(stack, sink, campaign_id, PATIENCE_S).rate)
    slower = 100 * (1 - statistics.median(rates[True]) / statistics.median(rates[False]))
    how = f"the median of {UNWATCHED_RUNS} runs of {WATCHED:,} with a viewer, against as many without"
    yield Figure("slower for one viewer", slower, "%", how, Bar(5, at_most=True))


def thousand_viewers(site: Site) -> Iterator[Figure]:
    """Hold a thousand streams of people who are signed in open on one web process, at a calm send."""
    n = CALM_RATE * CALM_S
    with (
        site.stack(connections=int(CALM_RATE * THINK_S) // 2) as stack,
        sinks.listening(stack.smtp_port, stack.folder, think_s=THINK_S),
    ):
        stack.start("redis", "worker", "beat", "web")
        campaign_id = store(stack, DRAFT, people(n))
        roles = {role: enlist(stack.db, role) for role in Role}
        shown = [_cookie(stack, roles[role]) for role, _ in zip(cycle(Role), range(STREAMS), strict=False)]
        with _readers(stack, STREAMS, f"/campaigns/{campaign_id}/stream", shown) as readers:
            act(stack, campaign_id, CampaignAction.SEND)
            stack.wait_for(campaign_id, patience_s=PATIENCE_S)
            time.sleep(1)
            used_mb = memory_mb(stack.processes["web"].pid)
        logged = _logged(stack, campaign_id)
        ages = [age for reader in readers[:LISTENED] for age in _ages(logged, reader.seen)]
        if not ages:
            raise sinks.WrongCountError("No stream told how many emails were sent.")
        dropped = sum(reader.dropped for reader in readers)
    rate = n / (logged[-1] - logged[0]) * 1000
    how = f"{STREAMS:,} streams of as many sessions, {n:,} emails at {rate:.0f}/s, {site.database}"
    yield Figure("age at a thousand, 99 %", _part(ages, 0.99), "ms", how, Bar(500, at_most=True))
    yield Figure("web process at a thousand", used_mb, "MB", "resident", Bar(250, at_most=True))
    yield Figure("streams dropped", dropped, "", "", Bar(0, at_most=True))


class _Reader:
    """One open stream. ``seen`` is when (ms since 1970) it told of how many emails."""

    def __init__(self, *, dated: bool, cookie: str = "") -> None:
        self._cookie = cookie
        self.seen: list[tuple[float, int]] = []
        self.dropped = True
        self._dated = dated

    async def read(self, port: int, path: str, over: asyncio.Event) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
        head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Encoding: gzip\r\n"
        head += f"Cookie: {self._cookie}\r\n\r\n" if self._cookie else "\r\n"
        writer.write(head.encode())
        reading = asyncio.create_task(self._follow(reader) if self._dated else _discard(reader))
        ending = asyncio.create_task(over.wait())
        await asyncio.wait({reading, ending}, return_when=asyncio.FIRST_COMPLETED)
        self.dropped = reading.done()
        for task in (reading, ending):
            task.cancel()
        writer.close()

    async def _follow(self, reader: asyncio.StreamReader) -> None:
        await reader.readuntil(b"\r\n\r\n")
        unpacker, rest = zlib.decompressobj(31), b""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            *messages, rest = (rest + unpacker.decompress((await reader.readexactly(size + 2))[:-2])).split(
                b"\n\n"
            )
            for message in messages:
                if found := _SENT.search(message):
                    self.seen.append((time.time() * 1000, _number(found[1].decode())))


async def _discard(reader: asyncio.StreamReader) -> None:
    while await reader.read(2**16):
        pass


@contextmanager
def _readers(stack: Stack, n: int, path: str, shown: Sequence[str] = ()) -> Iterator[list[_Reader]]:
    """Open streams in a thread of their own, with cookies if any are shown; all are closed at the end."""
    readers = [
        _Reader(dated=number < LISTENED, cookie=cookie)
        for number, cookie in zip(range(n), shown or repeat(""), strict=False)
    ]
    loop, over = asyncio.new_event_loop(), asyncio.Event()

    async def read() -> None:
        reading = [asyncio.create_task(reader.read(stack.web_port, path, over)) for reader in readers]
        await asyncio.gather(*reading, return_exceptions=True)

    thread = threading.Thread(target=loop.run_until_complete, args=(read(),))
    thread.start()
    time.sleep(n / 200)
    try:
        yield readers
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


def _cookie(stack: Stack, user_id: int) -> str:
    """Begin a session; return the cookie of its browser."""
    return f"{COOKIE}={cookies(stack.settings, stack.db, user_id)[COOKIE]}"


def _seen(page: Page) -> list[tuple[float, int]]:
    return [(at, _number(shown)) for at, shown in page.evaluate("window.seen")]


def _number(shown: str) -> int:
    return int(re.sub(r"\D", "", shown))


def _logged(stack: Stack, campaign_id: int) -> list[int]:
    """Return when each email of a campaign was answered for, in ms since 1970, in order."""
    with stack.db.read() as connection:
        statement = text("SELECT ended_at FROM attempts WHERE campaign_id = :id ORDER BY ended_at")
        return list(connection.execute(statement, {"id": campaign_id}).scalars())


def _ages(logged: Sequence[int], seen: Sequence[tuple[float, int]]) -> list[float]:
    """Return for each email how long after its reply (ms) it was first counted in what was seen."""
    counts = [count for _, count in seen]
    last = max(counts, default=0)
    return [seen[bisect_left(counts, number)][0] - at for number, at in enumerate(logged[:last], 1)]


def _part(values: Sequence[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]
