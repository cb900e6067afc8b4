"""Every process that a test starts: it gets surroundings that we know, and never outlives its test.

    with Keeper() as keeper:
        inbox = keeper.start([sys.executable, "-m", "mailing.demo_inbox"])

At its end a keeper kills whatever is left of them and of what they started. If this process is killed
itself, a guard that hangs on a pipe to it does the same.
"""

from __future__ import annotations

import atexit
import functools
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from mailing.setting_table import SETTINGS
from mailing.settings import ROOT
from tests.support import marks
from tests.support.nursery import Forked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from io import BufferedWriter

PATIENCE_S = 60.0
TIME_ZONE = "XXX-5:30"  # none of its hours is one of UTC
SURROUNDINGS = {
    "LC_ALL": "C.UTF-8",
    "TZ": TIME_ZONE,
    "PYTHONWARNINGS": "default",
    **{f"{setting.name}{ending}": "" for setting in SETTINGS for ending in ("", "_FILE")},
}
_SELF = uuid.uuid4().hex


def heed_signals() -> None:
    """Let what we start heed the signals that we ourselves were started to ignore.

    A script's background job ignores SIGINT, and what runs under ``nohup`` SIGHUP; exec hands that on, and
    blocked signals as well. A handler that does nothing ignores them too, but ends with exec.
    """
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, _do_nothing)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, no process could be waited for
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _do_nothing(*_: object) -> None:
    pass


class Keeper:
    """Whoever starts processes, and sees that they end. Modules are ``forked`` by the nursery, if so."""

    forked: ClassVar[bool] = False

    def __init__(self) -> None:
        self._mark = f"{_SELF}:{uuid.uuid4().hex}"
        self._started: list[subprocess.Popen[Any] | Forked] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def start(
        self, command: Sequence[str | Path], *, env: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.Popen[Any]:
        """Start a process in a session of its own, without input unless one is given.

        Its environment is ``env`` on top of our ``PATH`` and ``SURROUNDINGS``. The other options are
        those of ``subprocess.Popen``.
        """
        _guard()
        whole = self._environment(env or {})
        usual = {"cwd": ROOT, "stdin": subprocess.DEVNULL, "start_new_session": True}
        process = subprocess.Popen(command, env=whole, **(usual | options))
        self._started.append(process)
        return process

    def start_module(
        self, module: Sequence[str], env: Mapping[str, str], output: BufferedWriter
    ) -> subprocess.Popen[Any] | Forked:
        """Start ``python -m`` with a module and its arguments; everything that it says goes to ``output``."""
        if not self.forked or "PYTHONPATH" in env:  # what it adds is for an interpreter that starts
            return self.start([sys.executable, "-m", *module], env=env, stdout=output, stderr=output)
        whole, name = self._environment(env), marks.name(self._mark)
        process = Forked(_nursery(), module, whole, mark=name, output=output.fileno())
        self._started.append(process)
        return process

    def _environment(self, env: Mapping[str, str]) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], **SURROUNDINGS, **env, marks.NAME: self._mark}

    def run(
        self,
        command: Sequence[str | Path],
        *,
        check: bool = False,
        capture_output: bool = False,
        timeout: float = PATIENCE_S,
        **options: Any,
    ) -> subprocess.CompletedProcess[Any]:
        """Run a command to its end; the options are those of ``subprocess.run``."""
        if capture_output:
            options |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = self.start(command, **options)
        output, errors = process.communicate(timeout=timeout)
        done = subprocess.CompletedProcess(command, process.returncode, output, errors)
        if check:
            done.check_returncode()
        return done

    def end(self) -> None:
        """Kill what is left, at once."""
        marks.end_marked(self._mark)
        for process in self._started:
            if process.poll() is None:
                process.kill()  # where marks cannot be read
            process.wait(PATIENCE_S)
            for stream in filter(None, (process.stdin, process.stdout, process.stderr)):
                stream.close()
        self._started.clear()


def run(command: Sequence[str | Path], **options: Any) -> subprocess.CompletedProcess[Any]:
    """Run a command to its end, and end what it has left running; the options are those of ``Keeper.run``."""
    with Keeper() as keeper:
        return keeper.run(command, **options)


def left_behind() -> list[int]:
    """End whatever we started and nobody has ended; return the ids of it."""
    return marks.end_marked(_SELF)


@functools.cache
def _nursery() -> Path:
    """Start the nursery, once; return where it listens."""
    place = Path(tempfile.mkdtemp()) / "nursery"
    process = _HOUSE.start([sys.executable, "-m", "tests.support.nursery", place])
    while not place.exists():
        assert process.poll() is None, "the nursery has ended"
        time.sleep(0.01)
    return place


def end_nursery() -> None:
    """End the nursery, and all that is left of its processes."""
    _HOUSE.end()


_HOUSE = Keeper()


@functools.cache
def _guard() -> None:
    """Start the guard, once."""
    guard = subprocess.Popen(
        [sys.executable, "-m", "tests.support.marks", _SELF],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    atexit.register(guard.communicate)  # which hangs up
