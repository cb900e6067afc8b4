"""The database is restarted, locked, or full in mid-campaign."""

from __future__ import annotations

import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from tests.drills.clusters import cluster, temporary
from tests.support.processes import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.drills.judging import Drill

    OwnDrill = Callable[..., AbstractContextManager[Drill]]

SLOW = {"connections": 5, "think_s": 0.03}
FULL_FOR_S = 8.0


def test_the_database_is_locked_for_5_s(drill: Callable[..., Drill]) -> None:
    it = drill(**SLOW)
    it.begin()

    def strike() -> None:
        with it.stack.db.write() as connection:
            if not it.stack.db.sqlite:
                connection.execute(text("LOCK TABLE recipients IN ACCESS EXCLUSIVE MODE"))
            time.sleep(5)  # the fault itself

    it.disturb(strike, 2, times=2)
    it.end()
    it.judge()


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_postgresql_is_restarted(own_drill: OwnDrill, mode: str) -> None:
    with temporary() as folder, cluster(folder) as server, own_drill(server.url, **SLOW) as it:
        it.begin()
        it.disturb(lambda: server.control("restart", f"--mode={mode}"), 3, times=3)
        it.end()
        it.judge()


def test_the_disk_of_sqlite_is_full(own_drill: OwnDrill) -> None:
    """The disk has room for the write-ahead log, which takes 32 MB until it is copied, and little more."""
    with temporary() as folder, small_disk(folder, "48m"), own_drill(sqlite_in(folder), **SLOW) as it:
        starve(it, full(folder), FULL_FOR_S)


@pytest.mark.short
def test_sqlite_may_not_grow(own_drill: OwnDrill, tmp_path: Path) -> None:
    """The same without a disk, which only root could mount."""
    mark = tmp_path / "full"
    extra = {"PYTHONPATH": str(Path(__file__).with_name("cramped")), "DISK_FULL": str(mark)}
    with own_drill(sqlite_in(tmp_path), **SLOW, extra=extra) as it:
        starve(it, there(mark), FULL_FOR_S / 2)


def starve(it: Drill, full: AbstractContextManager[None], seconds: float) -> None:
    """Leave SQLite no room for a while: it says so, and nothing is lost."""
    it.begin()
    with full:
        time.sleep(seconds)  # the fault itself
    it.end()
    assert "is full. Free some space" in it.stack.log("worker")
    it.judge()


def test_the_disk_of_postgresql_is_full(own_drill: OwnDrill) -> None:
    with (
        temporary() as folder,
        small_disk(folder, "300m"),
        cluster(folder) as server,
        own_drill(server.url, **SLOW) as it,
    ):
        it.begin()
        with full(folder):
            time.sleep(FULL_FOR_S)  # the fault itself
        if not server.running():  # without room for its log it ends, as an operator would see
            server.control("start")
        it.end()
        assert "database cannot be" in it.stack.log("worker")
        it.judge()


def sqlite_in(folder: Path) -> str:
    return f"sqlite:///{folder / 'volley.sqlite'}"


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """Mount a small disk on ``folder``."""
    mounted = run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", folder],
        capture_output=True,
        text=True,
    )
    if mounted.returncode:
        raise AssertionError(f"This drill needs a small disk, which only root may mount: {mounted.stderr}")
    try:
        yield
    finally:
        run(["umount", "--lazy", folder], check=True)


@contextmanager
def there(mark: Path) -> Iterator[None]:
    """Have a file there for a while."""
    mark.touch()
    try:
        yield
    finally:
        mark.unlink()


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """Leave no room on the disk."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        size = 1 << 20
        while size:
            try:
                file.write(bytes(size))
            except OSError:
                size //= 2
    try:
        yield
    finally:
        filler.unlink()
