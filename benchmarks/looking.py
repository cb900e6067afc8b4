"""Row: every page and every search over an archive of years, and the export of a million rows."""

from __future__ import annotations

import http.client
import itertools
import statistics
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from sqlalchemy import text

from benchmarks import archive, sinks
from benchmarks.browser import Browser
from benchmarks.figures import Bar, Figure
from benchmarks.memory import growth
from benchmarks.processes import memory_mb

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.site import Site
    from tests.support.stack import Stack

ROWS = {True: 5_000_000, False: 1_000_000}  # on PostgreSQL, on SQLite
EXPORTED = 1_000_000
CALLS = 40
ROUNDS = 3
WARM_UP = 2
EVERY_S = 0.02
FIGURES_SHOWN = 5


def looking(site: Site) -> Iterator[Figure]:
    """Fill the archive, then look at it through the web process, and take it away."""
    rows = ROWS[bool(site.server)]
    with site.stack() as stack:
        largest = archive.fill(stack.db, rows)
        yield from measure(stack, largest, f"{rows:,} attempts, {site.database}")


def measure(stack: Stack, largest: int, how: str) -> Iterator[Figure]:
    """Measure over the archive that is there."""
    stack.start("redis", "web")
    places = _places(stack, largest)
    took = {}
    with closing(Browser(stack.web_port)) as browser:
        for name, paths in _pages(places).items():
            calls = CALLS if len(paths) < CALLS else ROUNDS * len(paths)
            took[name] = [
                _time(browser, path) for path in itertools.islice(itertools.cycle(paths), calls + WARM_UP)
            ]
        searches = [f"/history?{urlencode(search)}" for search in _searches(places)]
        found = [[_time(browser, path) for path in searches] for _ in range(ROUNDS + 1)][1:]
    slowest = sorted(took, key=lambda name: _p95(took[name][WARM_UP:]), reverse=True)
    for rank, name in enumerate(slowest[:FIGURES_SHOWN]):
        bar = None if rank else Bar(100, at_most=True)
        yield Figure(f"slow page {rank + 1}, p95", _p95(took[name][WARM_UP:]), "ms", f"{name}; {how}", bar)
    each = dict(zip(searches, map(statistics.median, zip(*found, strict=True)), strict=True))
    worst = max(each, key=lambda path: each[path])
    every = [ms for one in found for ms in one]
    yield Figure(
        "any search, p95", _p95(every), "ms", f"{len(searches)} combinations", Bar(100, at_most=True)
    )
    yield Figure("worst search, median", each[worst], "ms", worst)
    yield from _taking_away(stack, places)


@dataclass(frozen=True, slots=True)
class Places:
    """What to look at: campaigns, people, and moments (ms since 1970)."""

    largest: int
    small: int
    person: int
    address: str
    middle: int
    key: str


def _places(stack: Stack, largest: int) -> Places:
    with stack.db.read() as connection:
        person, address = connection.execute(
            text("SELECT min(id), min(email) FROM recipients WHERE campaign_id = :largest AND id % 1000 = 0"),
            {"largest": largest},
        ).one()
        small = connection.execute(text("SELECT id FROM campaigns ORDER BY total LIMIT 1")).scalar_one()
        middle = connection.execute(
            text("SELECT started_at FROM campaigns WHERE id = :id"), {"id": archive.CAMPAIGNS // 2}
        ).scalar_one()
        key = connection.execute(
            text("SELECT ended_at, id FROM attempts WHERE ended_at > :at ORDER BY ended_at LIMIT 1"),
            {"at": middle},
        ).one()
    return Places(largest, small, person, address, middle, f"{key.ended_at}.{key.id}")


def _pages(places: Places) -> Mapping[str, Sequence[str]]:
    campaign, person = f"/campaigns/{places.largest}", places.person
    states = ("queued", "sending", "deferred", "sent", "failed", "unknown", "suppressed", "canceled")
    return {
        "overview": ["/"],
        "campaigns": ["/campaigns", *(f"/campaigns?before={n}" for n in range(50, 400, 50))],
        "workers": ["/workers"],
        "campaign": [campaign, f"/campaigns/{places.small}", f"/campaigns/{archive.CAMPAIGNS}"],
        "campaign, by state": [f"{campaign}?state={state}" for state in states],
        "campaign, by address": [
            f"{campaign}?q={q}" for q in ("a", "anna.", "@gmail.com", "@club", "zz", places.address)
        ],
        "campaign, by state and address": [
            f"{campaign}?state={state}&q={q}" for state in states for q in ("a", "tom.", "@gmail.com", "zz")
        ],
        "campaign, by reply": [
            f"{campaign}?reply={reply}" for reply in ("550-5.1.1", "451-4.7.1", "571-5.7.26", "0")
        ],
        "campaign, in other orders": [f"{campaign}?sort={sort}" for sort in ("list", "address", "latest")],
        "campaign, far down": [f"{campaign}?after={person + step}" for step in range(0, 100_000, 10_000)],
        "one recipient": [f"{campaign}/recipients/{person + step}" for step in range(0, 100_000, 5_000)],
        "replay": [f"{campaign}/replay?at={at}" for at in range(0, 600, 60)],
        "replay's numbers": [f"{campaign}/replay.json"],
        "replay's tail": [f"{campaign}/replay/tail?at={at}" for at in range(0, 600, 60)],
        "log": [
            "/history",
            f"/history?before={places.key}",
            f"/history?after={places.key}",
            "/history?size=200",
        ],
    }


def _searches(places: Places) -> Iterator[dict[str, str]]:
    """Yield every combination of what can be looked for in the log, the frequent and the rare."""
    day = f"{time.strftime('%Y-%m-%d', time.gmtime(places.middle / 1000))}"
    choices = (
        [{}, {"state": "sent"}, {"state": "failed"}, {"state": "unknown"}],
        [{}, {"domain": "gmail.com"}, {"domain": "web.example"}, {"domain": "club77.example"}],
        [{}, {"code": "550"}, {"code": "571"}, {"code": "251"}],
        [{}, {"campaign": str(places.largest)}, {"campaign": str(places.small)}],
        [{}, {"q": "a"}, {"q": "anna.77"}, {"q": places.address}],
        [{}, {"enhanced": "5.1.1"}],
        [{}, {"from": day, "to": day}],
    )
    for parts in itertools.product(*choices):
        yield {name: value for part in parts for name, value in part.items()}


def _taking_away(stack: Stack, places: Places) -> Iterator[Figure]:
    """Export a million rows while another client looks at pages, and begin an export that nobody reads on."""
    pid = stack.processes["web"].pid
    idle = http.client.HTTPConnection("127.0.0.1", stack.web_port)
    idle.request("GET", "/history.csv")
    idle.getresponse().read(1_000)
    sizes, waits, over = list[float](), list[float](), threading.Event()

    def look() -> None:
        with closing(Browser(stack.web_port)) as browser:
            while not over.wait(EVERY_S):
                waits.append(_time(browser, f"/campaigns/{places.small}"))
                sizes.append(memory_mb(pid))

    looking = threading.Thread(target=look)
    looking.start()
    begun, rows = time.perf_counter(), 0
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", stack.web_port)) as line:
            line.request("GET", "/history.jsonl")
            answer = line.getresponse()
            while rows < EXPORTED and (chunk := answer.read(65_536)):
                rows += chunk.count(b"\n")
    finally:
        over.set()
        looking.join()
        idle.close()
    took_s = time.perf_counter() - begun
    if rows < EXPORTED * 0.99:
        raise sinks.WrongCountError(f"Of {EXPORTED:,} rows {rows:,} were exported.")
    yield Figure(
        "export", rows / took_s, "rows/s", f"{rows:,} rows as JSON Lines, {max(sizes):.0f} MB at most"
    )
    yield Figure(
        "growth during it",
        growth(sizes),
        "%",
        "memory, last quarter against the second",
        Bar(5, at_most=True),
    )
    yield Figure("pages meanwhile, p95", _p95(waits), "ms", f"{len(waits)} requests", Bar(100, at_most=True))


def _time(browser: Browser, path: str) -> float:
    begun = time.perf_counter()
    browser.get(path)
    return 1000 * (time.perf_counter() - begun)


def _p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]
