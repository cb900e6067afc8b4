"""Row: the receipt of a million recipients, written and checked by the command line, and spoiled."""

from __future__ import annotations

import random
import resource
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from benchmarks import archive
from benchmarks.figures import Bar, Figure
from benchmarks.processes import memory_mb
from benchmarks.sinks import WrongCountError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.site import Site
    from tests.support.stack import Stack

PEOPLE = 1_000_000
SPOILED = 3  # how often another byte is changed
EVERY_S = 0.1  # between two looks at its memory


class _Run(NamedTuple):
    """How a command ended: seconds, CPU seconds, MB of memory at most, and what it said."""

    status: int
    took_s: float
    cpu_s: float
    memory_mb: float
    said: str


def receipt(site: Site) -> Iterator[Figure]:
    """Write the receipt of a large campaign, check it, and change a byte of it here and there."""
    with site.stack() as stack:
        archive.fill_one(stack.db, PEOPLE)
        yield from measure(stack, f"{PEOPLE:,} recipients, {site.database}")


def measure(stack: Stack, how: str) -> Iterator[Figure]:
    """Measure over the campaign that is there."""
    file = stack.folder / "receipt.jsonl"
    written = _volley(stack, "receipt", "1", str(file))
    whole = _volley(stack, "verify", str(file))
    if written.status or whole.status:
        raise WrongCountError(f"The receipt is not whole: {written.said} {whole.said}")
    how = f"{how}, {file.stat().st_size / 1e6:,.0f} MB"
    yield Figure(
        "receipt written", written.took_s, "s", f"{how}, CPU {written.cpu_s:.0f} s", Bar(60, at_most=True)
    )
    yield Figure("memory for it", written.memory_mb, "MB", how, Bar(200, at_most=True))
    yield Figure(
        "receipt verified", whole.took_s, "s", f"{how}, CPU {whole.cpu_s:.0f} s", Bar(30, at_most=True)
    )
    yield Figure("memory for that", whole.memory_mb, "MB", how, Bar(100, at_most=True))
    found = sum(_is_found(stack, file) for _ in range(SPOILED))
    yield Figure("changed bytes found", found, f"of {SPOILED}", "the line is named each time", Bar(SPOILED))


def _is_found(stack: Stack, file: Path) -> bool:
    """Change one byte, and change it back; return whether that was noticed, and in which line."""
    place, size = random.randrange(file.stat().st_size), 1 << 20
    with file.open("r+b") as opened:
        line, left = 1, place
        while left:
            read = opened.read(min(size, left))
            line, left = line + read.count(b"\n"), left - len(read)
        byte = opened.read(1)
        opened.seek(place)
        opened.write(bytes([byte[0] ^ 1]))
        opened.flush()
        told = _volley(stack, "verify", str(file))
        opened.seek(place)
        opened.write(byte)
    return told.status != 0 and f"ine {line:,} " in told.said


def _volley(stack: Stack, *words: str) -> _Run:
    command = [sys.executable, "-m", "webapp.cli.commands", *words]
    said = stack.folder / "said.txt"
    begun, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    most = 0.0
    with said.open("wb") as out:
        process = stack.keeper.start(command, env=stack.env, stdout=out, stderr=out)
        while process.poll() is None:
            with suppress(OSError):  # it has ended
                most = max(most, memory_mb(process.pid))
            time.sleep(EVERY_S)
    took, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return _Run(process.returncode, took, cpu, most, said.read_text())
