"""Processes of a benchmark: each ends with it. Their CPU time and memory, as Linux counts them."""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.processes import Keeper

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

END_S = 10
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@contextmanager
def process(
    command: Sequence[str], output: Path, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``command`` with its output in a file; end it, and whatever it started, at the end."""
    with Keeper() as keeper:
        with output.open("ab") as out:
            child = keeper.start(command, env=env, stdout=out, stderr=out)
        try:
            yield child
        finally:
            child.terminate()
            with suppress(subprocess.TimeoutExpired):
                child.wait(END_S)


def cpu_s(pids: Sequence[int]) -> float:
    """Return the CPU seconds, user and system, that these processes have used."""
    return sum(_ticks(pid) for pid in pids) / _TICKS_PER_S


def memory_mb(pid: int) -> float:
    """Return the resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(f"Process {pid} has ended; see its log.")


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds since the machine started: of everything, and of us with the children that have ended."""

    at: float
    machine_s: float
    ours_s: float


def usage() -> Usage | None:
    """Return how much has been used until now; None where the machine does not tell."""
    counters = Path("/proc/stat")
    if not counters.exists():
        return None
    user, nice, system, _idle, _wait, irq, softirq = map(int, counters.read_text().split()[1:8])
    mine = os.times()
    ours_s = mine.user + mine.system + mine.children_user + mine.children_system
    return Usage(time.monotonic(), (user + nice + system + irq + softirq) / _TICKS_PER_S, ours_s)


def others(before: Usage | None, after: Usage | None) -> str:
    """Say how much of the machine other programs used meanwhile: they make every figure worse."""
    if before is None or after is None:
        return "unknown"
    used_s = (after.machine_s - before.machine_s) - (after.ours_s - before.ours_s)
    return f"{max(0.0, used_s) / (after.at - before.at) / (os.cpu_count() or 1):.0%}"
