"""SMTP servers that take everything and count it: Postfix's ``smtp-sink`` where there is one, or our own."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from benchmarks.processes import process
from tests.support.stack import listens, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SEARCHED = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/libexec/postfix"))
LOOK_EVERY_S = 0.002
_BACKLOG = "1000"
_LAST_COUNT = re.compile(rb"mesg=(\d+)\s")


class WrongCountError(Exception):
    """The sink did not get what was said to be sent: the figure means nothing."""


class NotInstalledError(Exception):
    """A program that a row needs is missing: the message names it."""


class PostfixSink:
    """Counts by the running counters that ``smtp-sink -c`` prints."""

    name = "smtp-sink"

    def __init__(self, output: Path) -> None:
        self._output = output

    def count(self) -> int:
        """Return how many messages have arrived."""
        with self._output.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 500))
            found = _LAST_COUNT.findall(file.read())
        return int(found[-1]) if found else 0


class OwnSink:
    """Counts by the lines that ``tests.support.sink`` writes, one for each message."""

    name = "own sink"

    def __init__(self, record: Path) -> None:
        self._record = record
        self._read = self._lines = 0

    def count(self) -> int:
        """Return how many messages have arrived."""
        with self._record.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        self._read += len(new)
        self._lines += new.count(b"\n")
        return self._lines


Sink = PostfixSink | OwnSink


def tool(name: str) -> str | None:
    """Return where one of Postfix's test programs is installed."""
    return shutil.which(name, path=_SEARCHED)


@contextmanager
def listening(port: int, folder: Path, *, think_s: float = 0.0, misdeed: str = "") -> Iterator[Sink]:
    """Run a sink on ``port``.

    ``think_s`` is how long it takes to accept a message, ``misdeed`` how it misbehaves: only our own can.
    """
    output = folder / "sink.out"
    program = tool("smtp-sink")
    env = {**os.environ, "SINK_MISDEED": misdeed} if misdeed else None
    if program and not think_s and not misdeed:
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        command = [program, "-c", *user, f"127.0.0.1:{port}", _BACKLOG]
        sink: Sink = PostfixSink(output)
    else:
        record = folder / "sink.txt"
        command = [sys.executable, "-m", "tests.support.sink", "--port", str(port), "--record", str(record)]
        command += ["--think", str(think_s)]
        sink = OwnSink(record)
    with process(command, output, env):
        wait_until(lambda: listens(port), f"{sink.name} listens\n{output.read_text()}")
        yield sink


def wait_for(sink: Sink, n: int, patience_s: float) -> None:
    """Wait until ``n`` messages have arrived; raise ``WrongCountError`` if that takes too long."""
    until = time.monotonic() + patience_s
    while (count := sink.count()) < n:
        if time.monotonic() > until:
            raise WrongCountError(f"After {patience_s} s the {sink.name} had {count} of {n} messages.")
        time.sleep(LOOK_EVERY_S)


def check(sink: Sink, n: int) -> None:
    """Raise ``WrongCountError`` unless exactly ``n`` messages have arrived."""
    if (count := sink.count()) != n:
        raise WrongCountError(f"{n} messages were sent, but the {sink.name} counted {count}.")
