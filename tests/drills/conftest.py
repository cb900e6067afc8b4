"""The drills' fixtures, and the table that they end with."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.exc import DBAPIError

from tests.drills.judging import Drill, Row
from tests.harness import Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE_S = 400
STARTED = ("redis", "sink", "worker", "beat")
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
    write(
        FORMAT.format(
            *[
                "drill",
                "database",
                "recipients",
                "sent",
                "unknown",
                "failed",
                "deferred",
                "duplicates",
                "seconds",
                "verdict",
            ]
        )
    )
    for row in _ROWS:
        counts = [row.counts[state] for state in ("sent", "unknown", "failed")]
        figures = [row.recipients, *counts, row.deferrals, row.duplicates, f"{row.seconds:.1f}"]
        write(FORMAT.format(row.drill, row.database, *figures, row.verdict))
    write(f"machine: {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end")
    write("deferred: attempts that were refused for now; duplicates: messages too many at the sink")


def _row(request: pytest.FixtureRequest, stack: Stack) -> Row:
    name = request.node.originalname.removeprefix("test_").replace("_", " ")
    if chosen := getattr(request.node, "callspec", None):
        kind = next((value for key, value in chosen.params.items() if key != "database_url"), "")
        name = f"{name} {kind}".strip().replace("_", " ")
    _ROWS.append(Row(name, stack.db.engine.dialect.name))
    return _ROWS[-1]


def _leave(it: Drill) -> None:
    it.stop_watching()
    if it.row.verdict != "kept" and hasattr(it, "campaign_id"):
        with contextlib.suppress(DBAPIError):  # it may be gone
            it.tell()


@pytest.fixture
def drill(request: pytest.FixtureRequest, make_stack: Callable[..., Stack]) -> Iterator[Callable[..., Drill]]:
    """Start a drill: a Volley with these options, its sink, its workers; its row stands in the table."""
    drills: list[Drill] = []

    def start(*names: str, **options: Any) -> Drill:
        stack = make_stack(**options)
        drills.append(Drill(stack, _row(request, stack)))
        stack.start(*(names or STARTED))
        return drills[-1]

    yield start
    for it in drills:
        _leave(it)


@pytest.fixture
def own_drill(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Callable[..., contextlib.AbstractContextManager[Drill]]:
    """Start a drill on a database of its own, which has to outlive it."""

    @contextlib.contextmanager
    def start(database_url: str, **options: Any) -> Iterator[Drill]:
        with Stack(tmp_path / "stack", database_url, **options) as stack:
            it = Drill(stack, _row(request, stack))
            stack.start(*STARTED)
            try:
                yield it
            finally:
                _leave(it)

    return start
