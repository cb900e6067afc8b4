"""Row: the memory of the workers over a long campaign."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from benchmarks import sinks
from benchmarks.figures import Bar, Figure
from benchmarks.processes import memory_mb
from benchmarks.site import send_all
from benchmarks.watching import Watching

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.site import Site

LONG = 200_000
EVERY_S = 0.5
PATIENCE_S = 900.0


def memory(site: Site) -> Iterator[Figure]:
    """Send a long campaign and sample the resident memory of each worker process."""
    with site.stack() as stack, sinks.listening(stack.smtp_port, stack.folder) as sink:
        stack.start("redis", "worker", "beat")
        samples: dict[int, list[float]] = {pid: [] for pid in stack.worker_pids()}
        with _Sizes(samples):
            send_all(stack, sink, LONG, PATIENCE_S)
    how = f"{LONG:,}, {len(samples)} workers, {site.database}, a sample every {EVERY_S} s"
    peak = max(max(sizes) for sizes in samples.values())
    yield Figure("worker memory, most", peak, "MB", how, Bar(120, at_most=True))
    grown = max(growth(sizes) for sizes in samples.values())
    yield Figure("growth of it", grown, "%", "last quarter against the second", Bar(5, at_most=True))


class _Sizes(Watching):
    """The resident memory of processes, in MB, added to their samples."""

    def __init__(self, samples: dict[int, list[float]]) -> None:
        super().__init__(EVERY_S)
        self._samples = samples

    def look(self) -> None:
        for pid, sizes in self._samples.items():
            sizes.append(memory_mb(pid))


def growth(sizes: list[float]) -> float:
    """Return by how many percent the last quarter of a series lies above its second."""
    quarter = len(sizes) // 4
    second, last = sizes[quarter : 2 * quarter], sizes[-quarter:]
    return 100 * (statistics.mean(last) / statistics.mean(second) - 1)
