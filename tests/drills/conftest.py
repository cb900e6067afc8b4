"""The drills' fixtures, and the table that they end with."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.drills.judging import Drill, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.harness import Stack

PATIENCE_S = 400
FORMAT = "{:64} {:10} {:>10} {:>6} {:>7} {:>6} {:>8} {:>10} {:>7}  {}"
_ROWS: list[Row] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give drills the time they need."""
    for item in items:
        if "drills" in item.path.parts:
            item.add_marker(pytest.mark.timeout(PATIENCE_S))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the table."""
    write = terminalreporter.write_line
    write("")
    write(FORMAT.format(*"drill database recipients sent unknown failed deferred duplicates seconds verdict".split()))
    for row in _ROWS:
        counts = [row.counts[state] for state in ("sent", "unknown", "failed")]
        figures = [row.recipients, *counts, row.deferrals, row.duplicates, f"{row.seconds:.1f}"]
        write(FORMAT.format(row.drill, row.database, *figures, row.verdict))
    write(f"machine: {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end")
    write("deferred: attempts that were refused for now; duplicates: messages too many at the sink")


@pytest.fixture
def drill(
    request: pytest.FixtureRequest, make_stack: Callable[..., Stack]
) -> Iterator[Callable[..., Drill]]:
    """Start a drill: a Volley with these options, its sink, its workers; its row stands in the table."""
    drills: list[Drill] = []

    def start(*names: str, **options: Any) -> Drill:
        stack = make_stack(**options)
        row = Row(request.node.originalname.removeprefix("test_"), stack.db.engine.dialect.name)
        if "misdeed" in request.node.callspec.params:
            row.drill = request.node.callspec.params["misdeed"]
        _ROWS.append(row)
        drills.append(Drill(stack, row))
        stack.start(*(names or ("redis", "sink", "worker", "beat")))
        return drills[-1]

    yield start
    for started in drills:
        started.stop_watching()
        if started.row.verdict != "kept" and hasattr(started, "campaign_id"):
            started.tell()
