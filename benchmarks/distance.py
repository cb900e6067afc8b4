"""Rows: servers that are far away or think for a while, where only many messages in flight help."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from benchmarks import sinks
from benchmarks.figures import RATE, Bar, Figure
from benchmarks.processes import process
from benchmarks.site import send_all
from tests.support.stack import free_port, listens, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.site import Site

ROUND_TRIP_S, FAR_CONNECTIONS, FAR = 0.022, 10, 5_000
THINK_S, CONNECTIONS_IN_ALL, THOUGHT_OVER = 0.1, 200, 20_000
SCALES, CONNECTIONS_EACH, SECONDS_EACH = (1, 2, 4), 50, 6
PATIENCE_S = 180.0


def far(site: Site) -> Iterator[Figure]:
    """Send over a line with a long round trip."""
    with (
        site.stack(workers=2, connections=FAR_CONNECTIONS // 2) as stack,
        sinks.listening(port := free_port(), stack.folder) as sink,
    ):
        command = [sys.executable, "-m", "benchmarks.slow_line", "--listen", str(stack.smtp_port)]
        command += ["--to", str(port), "--delay", str(ROUND_TRIP_S / 2)]
        with process(command, stack.folder / "line.out"):
            wait_until(lambda: listens(stack.smtp_port), "the slow line listens")
            stack.start("redis", "worker", "beat")
            sent = send_all(stack, sink, FAR, PATIENCE_S)
    how = f"{FAR:,}, {sink.name}, {site.database}, {FAR_CONNECTIONS} connections"
    yield Figure(f"{ROUND_TRIP_S * 1000:.0f} ms round trip", sent.rate, RATE, how, Bar(300))


def thinking(site: Site) -> Iterator[Figure]:
    """Send to a server that takes its time after each dot, over many connections."""
    rate = _to_a_thinker(site, 2, CONNECTIONS_IN_ALL // 2, THOUGHT_OVER)
    share = 100 * rate / (CONNECTIONS_IN_ALL / THINK_S)
    how = f"of {CONNECTIONS_IN_ALL} connections / {THINK_S * 1000:.0f} ms; {THOUGHT_OVER:,}, 2 workers"
    yield Figure("slow server kept busy", share, "%", how, Bar(90))


def scaling(site: Site) -> Iterator[Figure]:
    """Send to the same slow server with more and more workers."""
    alone = 0.0
    for workers in SCALES:
        n = int(workers * CONNECTIONS_EACH / THINK_S * SECONDS_EACH)
        rate = _to_a_thinker(site, workers, CONNECTIONS_EACH, n)
        how = f"{n:,}, {CONNECTIONS_EACH} connections each"
        yield Figure(f"workers: {workers}", rate, RATE, how)
        if workers == 1:
            alone = rate
        else:
            growth = (rate / alone - 1) / (workers - 1)
            yield Figure(f"growth per worker up to {workers}", growth, "times", "", Bar(0.95))


def _to_a_thinker(site: Site, workers: int, connections: int, n: int) -> float:
    with (
        site.stack(workers=workers, connections=connections) as stack,
        sinks.listening(stack.smtp_port, stack.folder, think_s=THINK_S) as sink,
    ):
        stack.start("redis", "worker", "beat")
        return send_all(stack, sink, n, PATIENCE_S).rate
