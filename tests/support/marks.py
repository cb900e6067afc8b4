"""Processes that carry a mark in their environment, which whatever they start inherits.

Forks of the nursery carry it as their name instead: their environment is not what ``/proc`` shows. So all
of them are found and ended, those too whose parent has died. ``python -m tests.support.marks MARK`` waits for
the end of its input, which comes when the process at the other end is gone by whatever cause, and then ends
all that carry the mark.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from hashlib import blake2s
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "STARTED_BY_TEST"
PATIENCE_S = 30.0
PROC = Path("/proc")


def name(mark: str) -> str:
    """Return a mark as the name of a process: at most 15 characters."""
    return f"t{blake2s(mark.encode(), digest_size=7).hexdigest()}"


def marked(mark: str) -> list[int]:
    """Return the ids of processes whose mark begins with ``mark``; none where there is no /proc."""
    wanted, named = f"{NAME}={mark}".encode(), f"{name(mark)}\n"
    found = []
    for pid in _ids():
        with suppress(OSError):  # it has just ended, or is another user's
            if (PROC / str(pid) / "comm").read_text() == named:
                found.append(pid)
                continue
            variables = (PROC / str(pid) / "environ").read_bytes().split(b"\0")
            if any(variable.startswith(wanted) for variable in variables):
                found.append(pid)
    return found


def end_marked(mark: str) -> list[int]:
    """Kill all processes with this mark, and what they started, until none is left; return whom it met."""
    met: set[int] = set()
    until = time.monotonic() + PATIENCE_S
    while pids := marked(mark):
        found = {*pids, *(born for pid in pids for born in descendants(pid))}
        met |= found
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        _rest(until, pids)
    while dying := [pid for pid in met if running(pid)]:  # a process loses its environment before it ends
        _rest(until, dying)
    return sorted(met)


def running(pid: int) -> bool:
    """Whether the process is there, and is more than a status that nobody has read yet."""
    try:
        os.kill(pid, 0)
        stat = (PROC / str(pid) / "stat").read_bytes()
    except (ProcessLookupError, FileNotFoundError):
        return False
    return stat.rpartition(b")")[2].split()[0] not in (b"Z", b"X")


def _rest(until: float, pids: list[int]) -> None:
    if time.monotonic() > until:
        raise AssertionError(f"These processes cannot be killed: {pids}")
    time.sleep(0.001)


def descendants(pid: int) -> list[int]:
    """Return the ids of all processes that ``pid`` started, directly or not."""
    children: dict[int, list[int]] = {}
    for child, parent in _parents():
        children.setdefault(parent, []).append(child)
    found: list[int] = []
    todo = [pid]
    while todo:
        todo += (born := children.get(todo.pop(), []))
        found += born
    return found


def _ids() -> list[int]:
    return [int(folder.name) for folder in PROC.glob("[0-9]*")]


def _parents() -> Iterator[tuple[int, int]]:
    """Each process and its parent."""
    if not (PROC / "self/stat").exists():
        listing = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True)
        for line in listing.stdout.splitlines():
            child, parent = map(int, line.split())
            yield child, parent
        return
    for pid in _ids():
        with suppress(OSError):  # it has just ended
            yield pid, int((PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()[1])


if __name__ == "__main__":
    sys.stdin.buffer.read()
    end_marked(sys.argv[1])
