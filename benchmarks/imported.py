"""Rows: a long file becomes a saved list, while somebody looks at pages."""

from __future__ import annotations

import csv
import statistics
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import openpyxl

from benchmarks import sinks
from benchmarks.figures import Bar, Figure
from benchmarks.messages import DRAFT, people
from benchmarks.pages import Visitor
from benchmarks.processes import cpu_s, memory_mb
from benchmarks.site import PERSON, store
from benchmarks.watching import Watching
from mailing.contacts import imports
from mailing.contacts.tables import ImportState
from mailing.uploads import reading
from tasks.app import use
from tasks.commands import lists as commands
from tests.support.stack import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benchmarks.site import Site
    from mailing.contacts.imports import Import
    from tests.support.stack import Stack

ROWS, ROWS_OF_WORKBOOK = 1_000_000, 100_000
BAR_S, BAR_OF_WORKBOOK_S = 40.0, 10.0  # for these rows
MEMORY_MB = 250.0
EVERY_S = 0.1
PATIENCE_S = 1_800.0
HEADERS = ("email", "name", "city", "year", "code")


def imported(site: Site, n: int = ROWS) -> Iterator[Figure]:
    """Import a CSV file, and watch how far it is, the memory, and other pages."""
    yield from _imported(site, _csv, n, Bar(BAR_S * n / ROWS, at_most=True))


def workbook(site: Site, n: int = ROWS_OF_WORKBOOK) -> Iterator[Figure]:
    """Import a workbook in the same way."""
    yield from _imported(site, _xlsx, n, Bar(BAR_OF_WORKBOOK_S * n / ROWS_OF_WORKBOOK, at_most=True))


def _imported(site: Site, write: Callable[[Path, int], Path], n: int, bar: Bar) -> Iterator[Figure]:
    with site.stack(workers=1) as stack:
        path = write(stack.folder / "people", n)
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
    kind = path.suffix[1:].upper()
    how = f"{kind} of {n:,} rows, {len(HEADERS)} columns, {site.database}"
    yield Figure(f"{kind} to stored", took_s, "s", how, bar)
    yield Figure(f"{kind}, CPU", watch.cpu_s, "s", "of the process that reads it")
    most = Bar(MEMORY_MB, at_most=True)
    yield Figure(f"{kind}, memory, most", watch.most_mb, "MB", "of any process", most)
    how = "between two looks that show it further"
    yield Figure(f"{kind}, progress, longest", watch.longest_s, "s", how, Bar(1, at_most=True))
    p95_ms = 1000 * statistics.quantiles(visitor.waits_s, n=20)[-1]
    how = f"{len(visitor.waits_s)} requests meanwhile"
    yield Figure(f"{kind}, other pages, p95", p95_ms, "ms", how, Bar(100, at_most=True))


class _Watch(Watching):
    """An import seen from outside: how far it is, and what the processes need."""

    def __init__(self, stack: Stack, import_id: int) -> None:
        super().__init__(EVERY_S)
        self.most_mb = self.longest_s = self.cpu_s = 0.0
        self._stack, self._id = stack, import_id
        self._there = {stack.processes["web"].pid, *stack.worker_pids()}
        self._read, self._since = 0, time.perf_counter()

    def done(self) -> Import | None:
        found = self._get()
        return None if found.under_way else found

    def _get(self) -> Import:
        with self._stack.db.read() as connection:
            found = imports.get(connection, self._id)
        assert found
        return found

    def look(self) -> None:
        found, now = self._get(), time.perf_counter()
        if found.read != self._read:
            if self._read:
                self.longest_s = max(self.longest_s, now - self._since)
            self._read, self._since = found.read, now
        workers = self._stack.worker_pids()
        for pid in [*workers, self._stack.processes["web"].pid]:
            with suppress(ProcessLookupError, FileNotFoundError):  # it has just ended
                self.most_mb = max(self.most_mb, memory_mb(pid))
                if pid not in self._there:  # the import's own
                    self.cpu_s = max(self.cpu_s, cpu_s([pid]))


def _rows(n: int) -> Iterator[tuple[str | int, ...]]:
    return (
        (
            f"person{i}@company{i % 5_000}.example",
            f"Person {i}",
            f"City {i % 300}",
            1950 + i % 60,
            f"C-{i:07}",
        )
        for i in range(n)
    )


def _csv(path: Path, n: int) -> Path:
    path = path.with_suffix(".csv")
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([HEADERS, *_rows(n)])
    return path


def _xlsx(path: Path, n: int) -> Path:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("People")
    for row in (HEADERS, *_rows(n)):
        sheet.append(row)
    path = path.with_suffix(".xlsx")
    book.save(path)
    return path
