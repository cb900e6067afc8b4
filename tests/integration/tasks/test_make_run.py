"""``make run``: one signal to it ends everything that it started."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest

from mailing.settings import ROOT
from tests.support.processes import Keeper
from tests.support.stack import descendants, free_port, listens, wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

END_S = 5.0
BUSY_S = 5.0  # a machine that does much else may take as long again


class Run:
    """Volley as ``make run`` starts it, with a folder and ports of its own."""

    def __init__(self, keeper: Keeper, folder: Path) -> None:
        self.redis, self.web = free_port(), free_port()
        self.log = folder / "make.log"
        environment = {
            "HOME": str(folder),
            "VOLLEY_INSTANCE": str(folder / "instance"),
            "VOLLEY_REDIS_URL": f"redis://127.0.0.1:{self.redis}/0",
            "VOLLEY_SMTP_URL": f"smtp://127.0.0.1:{free_port()}",
            "VOLLEY_BIND": f"127.0.0.1:{self.web}",
            "VOLLEY_WORKERS": "1",
        }
        with self.log.open("wb") as log:
            # What is installed stays as it is.
            command = ["make", "--assume-old=install", f"RUN={sys.executable} -m", "run"]
            self.make: subprocess.Popen[bytes] = keeper.start(
                command, cwd=ROOT, env=environment, stdout=log, stderr=log
            )

    def ports_open(self) -> list[int]:
        return [port for port in (self.redis, self.web) if listens(port)]

    def started(self) -> list[int]:
        """Wait until all of it runs; return the ids of every process."""
        wait_until(lambda: len(self.ports_open()) == 2, f"it starts\n{self.log.read_text()}")
        wait_until(lambda: "workers started" in self.log.read_text(), "the workers start")
        return descendants(self.make.pid)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with Keeper() as keeper:
        yield Run(keeper, tmp_path)


def alive(pids: list[int]) -> list[int]:
    """Those of the processes that still run."""
    found = []
    for pid in pids:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            continue
        found.append(pid)
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_to_make_alone_ends_everything_and_leaves_nothing(run: Run, number: signal.Signals):
    pids = run.started()
    assert len(pids) >= 6
    begun = time.monotonic()
    os.kill(run.make.pid, number)
    run.make.wait(60)
    wait_until(lambda: not alive(pids), "everything ends")
    assert "Alarm" not in run.log.read_text()
    assert time.monotonic() - begun < END_S + BUSY_S
    assert run.ports_open() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_the_whole_group_ends_everything(run: Run, number: signal.Signals):
    """As a terminal sends it, on Ctrl-C or when it is closed."""
    pids = run.started()
    os.killpg(run.make.pid, number)
    run.make.wait(60)
    wait_until(lambda: not alive(pids), "everything ends")
    assert run.ports_open() == []


def test_a_signal_while_it_is_starting_ends_it_too(run: Run):
    wait_until(lambda: "started (pid=" in run.log.read_text(), "the first process starts")
    os.kill(run.make.pid, signal.SIGTERM)
    pids = descendants(run.make.pid)
    run.make.wait(60)
    wait_until(lambda: not alive(pids), "everything ends")
    assert run.ports_open() == []
