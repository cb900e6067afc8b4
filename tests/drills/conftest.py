"""The drills' fixtures, and the table that they end with.

``make drills`` passes ``--long`` and runs them all. Without it only those marked ``short`` run, each with
200 recipients, and print no table.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.exc import DBAPIError

from mailing.ledger import leases
from tests.drills.judging import LONG, SHORT, Drill, Row, Size
from tests.support.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE_S = 400
BRIEF = Path(__file__).with_name("brief")
STARTED = ("redis", "sink", "worker", "beat")
FORMAT = "{:64} {:10} {:>10} {:>6} {:>7} {:>6} {:>8} {:>8} {:>6} {:>10} {:>7}  {}"
_ROWS: list[Row] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run all drills, with 5,000 recipients each")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "short(on=database): runs in `make test`, too, with 200 recipients, perhaps on one only"
    )


def _is_long(config: pytest.Config) -> bool:
    return bool(config.getoption("--long", default=False))


def _is_short(item: pytest.Item) -> bool:
    marker, chosen = item.get_closest_marker("short"), getattr(item, "callspec", None)
    if marker is None:
        return False
    database = chosen.params.get("database_url") if chosen else None
    return marker.kwargs.get("on", database) == database


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give drills the time they need; without ``--long`` leave those that only take long."""
    drills = [item for item in items if "drills" in item.path.parts]
    if _is_long(config):
        for item in drills:
            item.add_marker(pytest.mark.timeout(PATIENCE_S))
        return
    left = [item for item in drills if not _is_short(item)]
    items[:] = [item for item in items if item not in left]
    config.hook.pytest_deselected(items=left)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the table."""
    if not _is_long(config):
        return
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
                "canceled",
                "deferred",
                "resent",
                "duplicates",
                "seconds",
                "verdict",
            ]
        )
    )
    for row in _ROWS:
        counts = [row.counts[state] for state in ("sent", "unknown", "failed", "canceled")]
        figures = [row.recipients, *counts, row.deferrals, row.resent, row.duplicates, f"{row.seconds:.1f}"]
        write(FORMAT.format(row.drill, row.database, *figures, row.verdict))
    write(f"machine: {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end")
    write(
        "deferred: attempts that were rejected temporarily; resent: second messages that the log tells of; "
        "duplicates: those it does not"
    )


def _row(request: pytest.FixtureRequest, stack: Stack, size: Size) -> Row:
    name = request.node.originalname.removeprefix("test_").replace("_", " ")
    if chosen := getattr(request.node, "callspec", None):
        kind = next((value for key, value in chosen.params.items() if key != "database_url"), "")
        name = f"{name} {kind}".strip().replace("_", " ")
    _ROWS.append(Row(name, stack.db.engine.dialect.name, size.recipients))
    return _ROWS[-1]


def _leave(it: Drill) -> None:
    it.stop_watching()
    if it.row.verdict != "kept" and hasattr(it, "campaign_id"):
        with contextlib.suppress(DBAPIError):  # it may be gone
            it.tell()
    for name in list(it.stack.processes):
        it.stack.kill(name)  # nobody needs a clean end any more, which takes seconds


@pytest.fixture
def size(pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> Size:
    """How large the drills are; leases are as long in this process as in theirs."""
    chosen = LONG if _is_long(pytestconfig) else SHORT
    monkeypatch.setattr(leases, "LEASE_S", chosen.lease_s)
    return chosen


def _fitted(size: Size, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a stack of this size."""
    extra = {"SINK_OFTEN": str(size.often), "LEASE_S": str(size.lease_s)}
    if size is SHORT:
        extra["PYTHONPATH"] = str(BRIEF)
    return options | {"extra": extra | options.get("extra", {})}


@pytest.fixture
def drill(
    request: pytest.FixtureRequest, make_stack: Callable[..., Stack], size: Size
) -> Iterator[Callable[..., Drill]]:
    """Start a drill: a Volley with these options, its sink, its workers; its row stands in the table."""
    drills: list[Drill] = []

    def start(*names: str, **options: Any) -> Drill:
        stack = make_stack(**_fitted(size, options))
        drills.append(Drill(stack, _row(request, stack, size), size))
        stack.start(*(names or STARTED))
        return drills[-1]

    yield start
    for it in drills:
        _leave(it)


@pytest.fixture
def own_drill(
    request: pytest.FixtureRequest, tmp_path: Path, size: Size
) -> Callable[..., contextlib.AbstractContextManager[Drill]]:
    """Start a drill on a database of its own, which has to outlive it."""

    @contextlib.contextmanager
    def start(database_url: str, **options: Any) -> Iterator[Drill]:
        with Stack(tmp_path / "stack", database_url, **_fitted(size, options)) as stack:
            it = Drill(stack, _row(request, stack, size), size)
            stack.start(*STARTED)
            try:
                yield it
            finally:
                _leave(it)

    return start
