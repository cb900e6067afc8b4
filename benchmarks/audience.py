"""Row: a campaign takes all contacts of a long saved list, its draft is looked at, and it is sent."""

from __future__ import annotations

import http.client
import statistics
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import orjson
from sqlalchemy import insert, select, text

from benchmarks import sinks
from benchmarks.browser import Browser, UnexpectedAnswerError
from benchmarks.figures import Bar, Figure
from benchmarks.messages import DRAFT
from benchmarks.processes import cpu_s, memory_mb
from benchmarks.site import act
from benchmarks.watching import Watching
from mailing.contacts.tables import lists
from mailing.core.database import Database
from mailing.core.states import CampaignAction
from mailing.core.tables import campaigns
from tests.support.marks import descendants

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.site import Site
    from tests.support.stack import Stack

PEOPLE = 1_000_000
MEMORY_MB = 250.0
LOOKS = 40  # at the draft's page
EVERY_S = 0.005
PATIENCE_S = 1_800.0


def audience(site: Site, n: int = PEOPLE) -> Iterator[Figure]:
    """Store a campaign from a saved list by the API, look at its page, send it, and cancel it."""
    with site.stack(workers=1) as stack, sinks.listening(stack.smtp_port, stack.folder) as sink:
        list_id = _fill(stack.db, n)
        stack.start("redis", "web", "worker", "beat")
        with _Watch(stack) as watch:
            begun = time.perf_counter()
            campaign_id = _post(stack, list_id)
            took_s = time.perf_counter() - begun
        if stack.campaign(campaign_id).total != n:
            raise sinks.WrongCountError(f"Of {n} contacts {stack.campaign(campaign_id).total} were taken.")
        page = f"/campaigns/{campaign_id}"
        with closing(Browser(stack.web_port)) as browser:
            browser.get(page)
            used_s = cpu_s([stack.processes["web"].pid])
            looks = [_time_ms(browser, page) for _ in range(LOOKS)]
            used_ms = 1000 * (cpu_s([stack.processes["web"].pid]) - used_s) / LOOKS
            form = {"csrf_token": browser.token(page)}
            with _Lock(stack, campaign_id) as lock:
                browser.submit(f"{page}/send", form)
                sinks.wait_for(sink, 1, PATIENCE_S)
                act(stack, campaign_id, CampaignAction.CANCEL)
    how = f"{n:,} contacts of a saved list, {site.database}"
    yield Figure("list to campaign", took_s, "s", how)
    yield Figure("its CPU", watch.cpu_s, "s", "of the process for long lists")
    yield Figure("its memory, most", watch.most_mb, "MB", "of any process", Bar(MEMORY_MB, at_most=True))
    p95_ms = statistics.quantiles(looks, n=20)[-1]
    yield Figure("page of that draft, p95", p95_ms, "ms", f"{LOOKS} requests", Bar(50, at_most=True))
    yield Figure("CPU of the page", used_ms, "ms", "of the web process, for each")
    how = f"longest of {lock.looks} waits while it is sent and canceled"
    yield Figure("Send holds the lock", lock.longest_ms, "ms", how, Bar(100, at_most=True))


def _fill(db: Database, n: int) -> int:
    """Write a list with merge fields straight into the tables; return its id."""
    series = (
        f"(WITH RECURSIVE up(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM up WHERE i < {n}) SELECT i FROM up)"
        if db.sqlite
        else f"generate_series(1, {n})"
    )
    values = {"name": "People", "total": n, "active": n, "fields": ["city", "code"]}
    with db.write() as connection:
        list_id = int(connection.execute(insert(lists).values(values).returning(lists.c.id)).scalar_one())
        statement = _CONTACTS.replace("SERIES", f"{series} AS series{'' if db.sqlite else '(i)'}")
        connection.execute(text(statement), {"list": list_id})
    if not db.sqlite:  # as its autovacuum would before long
        with db.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(
                text("VACUUM ANALYZE contacts")
            )
    return list_id


def _post(stack: Stack, list_id: int) -> int:
    order = {
        "from": DRAFT.sender_from,
        "subject": DRAFT.subject,
        "text": f"{DRAFT.text}{{{{ city }}}} {{{{ code }}}}",
        "html": DRAFT.html,
    }
    with closing(http.client.HTTPConnection("127.0.0.1", stack.web_port, timeout=PATIENCE_S)) as line:
        body = orjson.dumps({**order, "lists": [list_id], "send": False})
        line.request("POST", "/api/v1/campaigns", body, {"Content-Type": "application/json"})
        answer = line.getresponse()
        said = answer.read()
    if answer.status != http.HTTPStatus.CREATED:
        raise UnexpectedAnswerError(f"The campaign was answered with {answer.status}: {said[:2000]!r}")
    return int(orjson.loads(said)["id"])


def _time_ms(browser: Browser, path: str) -> float:
    begun = time.perf_counter()
    browser.get(path)
    return 1000 * (time.perf_counter() - begun)


class _Watch(Watching):
    """The memory and the CPU time of the web process and of those that it started."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(0.1)
        self.most_mb = self.cpu_s = 0.0
        self._web = stack.processes["web"].pid

    def look(self) -> None:
        children = descendants(self._web)
        with suppress(ProcessLookupError, FileNotFoundError):  # one has just ended
            self.most_mb = max(self.most_mb, *map(memory_mb, (self._web, *children)))
            self.cpu_s = cpu_s(children)


class _Lock(Watching):
    """Asks for what Send locks, as a worker's results do: the campaign, on SQLite all."""

    def __init__(self, stack: Stack, campaign_id: int) -> None:
        super().__init__(EVERY_S)
        self.longest_ms, self.looks = 0.0, 0
        self._db = Database(stack.settings.database_url, pool_size=1)
        self._own = select(campaigns.c.id).where(campaigns.c.id == campaign_id).with_for_update()

    def __exit__(self, *raised: object) -> None:
        try:
            super().__exit__(*raised)
        finally:
            self._db.close()

    def look(self) -> None:
        begun = time.perf_counter()
        with self._db.write() as connection:
            connection.execute(self._own).all()
            self.longest_ms = max(self.longest_ms, 1000 * (time.perf_counter() - begun))
            self.looks += 1


# Remainders by primes scatter the addresses.
_CONTACTS = """
INSERT INTO contacts (list_id, email, domain, name, fields, standing, standing_reason, created_at, changed_at)
SELECT :list, 'person' || (i * 7919 % 1000003) || '@' || domain, domain, 'Person ' || i,
    '{"city":"City ' || (i % 300) || '","code":"C-' || i || '"}', 'active', '', 0, 0
FROM (SELECT i, 'company' || (i % 5003) || '.example' AS domain FROM SERIES) AS made ORDER BY i
"""
