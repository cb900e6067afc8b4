"""Row: a long file becomes a saved list, while somebody looks at pages."""

from __future__ import annotations

import statistics
import threading
import time
from typing import TYPE_CHECKING, Self

from benchmarks import sinks
from benchmarks.figures import Bar, Figure
from benchmarks.messages import DRAFT, people
from benchmarks.pages import Visitor
from benchmarks.processes import memory_mb
from benchmarks.site import PERSON, store
from mailing.contacts import imports
from mailing.contacts.tables import ImportState
from mailing.uploads import reading
from tasks.app import use
from tasks.commands import lists as commands
from tests.support.stack import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.site import Site
    from mailing.contacts.imports import Import
    from tests.support.stack import Stack

ROWS = 1_000_000
BAR_S = 40.0  # for these rows
MEMORY_MB = 250.0
EVERY_S = 0.1
PATIENCE_S = 600.0


def imported(site: Site, n: int = ROWS) -> Iterator[Figure]:
    """Import a CSV file of five columns, and watch how far it is, the memory, and other pages."""
    with site.stack(workers=1) as stack:
        path = _file(stack.folder / "people.csv", n)
        other = store(stack, DRAFT, people(1_000))
        stack.start("redis", "web", "worker", "beat")
        use(stack.settings)
        with path.open("rb") as file:
            look = reading.look(file, path.name)
            import_id = commands.upload(stack.backend, PERSON, path.name, file)
        with _Watch(stack, import_id) as watch, Visitor(stack.web_port, other) as visitor:
            begun = time.perf_counter()
            commands.start_import(
                stack.backend, PERSON, import_id, look.plan, "People", expected=look.expected
            )
            done = wait_until(watch.done, "the file is read", PATIENCE_S)
            took_s = time.perf_counter() - begun
    if done.state is not ImportState.DONE or done.accepted != n:
        raise sinks.WrongCountError(f"Of {n} rows {done.accepted} were stored: {done.state} {done.reason}")
    how = f"CSV of {n:,} rows, 5 columns, {site.database}"
    yield Figure("import to stored", took_s, "s", how, Bar(BAR_S * n / ROWS, at_most=True))
    yield Figure("its memory, most", watch.most_mb, "MB", "of any process", Bar(MEMORY_MB, at_most=True))
    how = "between two looks that show it further"
    yield Figure("its progress, longest", watch.longest_s, "s", how, Bar(1, at_most=True))
    p95_ms = 1000 * statistics.quantiles(visitor.waits_s, n=20)[-1]
    how = f"{len(visitor.waits_s)} requests meanwhile"
    yield Figure("other pages, p95", p95_ms, "ms", how, Bar(100, at_most=True))


class _Watch:
    """Looks at an import from outside: how far it is, and what all processes need."""

    def __init__(self, stack: Stack, import_id: int) -> None:
        self.most_mb = self.longest_s = 0.0
        self._stack, self._id = stack, import_id
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def done(self) -> Import | None:
        found = self._get()
        return None if found.under_way else found

    def _get(self) -> Import:
        with self._stack.db.read() as connection:
            found = imports.get(connection, self._id)
        assert found
        return found

    def _look(self) -> None:
        read, since = 0, time.perf_counter()
        while not self._over.wait(EVERY_S):
            found, now = self._get(), time.perf_counter()
            if found.read != read:
                if read:
                    self.longest_s = max(self.longest_s, now - since)
                read, since = found.read, now
            pids = [*self._stack.worker_pids(), self._stack.processes["web"].pid]
            for pid in pids:
                try:
                    self.most_mb = max(self.most_mb, memory_mb(pid))
                except (ProcessLookupError, FileNotFoundError):  # it has just ended
                    continue


def _file(path: Path, n: int) -> Path:
    with path.open("w") as file:
        file.write("email,name,city,year,code\n")
        file.writelines(
            f"person{i}@company{i % 5_000}.example,Person {i},City {i % 300},{1950 + i % 60},C-{i:07}\n"
            for i in range(n)
        )
    return path
