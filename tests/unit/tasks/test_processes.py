"""What tests start heeds signals, knows nothing of the machine, and is gone afterwards, whatever happens."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from mailing.settings import ROOT
from tests.support.marks import marked, running
from tests.support.processes import TIME_ZONE, Keeper, run
from tests.support.stack import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SLEEP = ["sh", "-c", "echo up; exec sleep 600"]
# A script that starts another process, in a session of its own, tells its id, and ends or goes on.
PARENT = (
    "import subprocess, sys, time\n"
    "sleep = [sys.executable, '-c', 'import time; time.sleep(600)']\n"
    "child = subprocess.Popen(sleep, start_new_session=True)\n"
    "print(child.pid, flush=True)\n"
)


@pytest.fixture
def keeper() -> Iterator[Keeper]:
    with Keeper() as keeper:
        yield keeper


def heard(process) -> bytes:
    return process.stdout.readline()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGPIPE])
def test_a_process_heeds_each_signal_whatever_we_inherited(keeper: Keeper, number: signal.Signals):
    process = keeper.start(SLEEP, stdout=-1, stderr=-1)
    assert heard(process) == b"up\n"
    process.send_signal(number)
    assert process.wait(10) == -number


@pytest.mark.parametrize("ignored", ["INT", "HUP", "TERM", "QUIT"])
def test_signals_that_a_script_has_us_ignore_are_heeded_by_what_we_start(ignored: str):
    """As a background job ignores SIGINT, and what runs under nohup SIGHUP."""
    program = (
        "import signal, sys\n"
        "from tests.support import processes\n"
        f"assert signal.getsignal(signal.SIG{ignored}) is signal.SIG_IGN\n"
        "processes.heed_signals()\n"
        f"signal.raise_signal(signal.SIG{ignored})\n"  # we ourselves go on ignoring it
        "shown = 'import signal; print(signal.getsignal(signal.SIG" + ignored + ") is signal.SIG_IGN)'\n"
        "print(processes.run([sys.executable, '-c', shown], capture_output=True, text=True).stdout)\n"
    )
    script = f"""trap '' {ignored}; exec "$0" -c "$1\""""
    done = run(["sh", "-c", script, sys.executable, program], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("False", "")


def test_a_process_has_no_input_no_terminal_and_nothing_of_the_machine(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("VOLLEY_WORKERS", "77")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    shown = (
        "import os, sys; from mailing.settings import ROOT\n"
        "print(sys.stdin.read() == '', os.getsid(0) == os.getpid(), os.getcwd() == str(ROOT))\n"
        "print(os.environ['VOLLEY_WORKERS'] == '', 'https_proxy' in os.environ, os.environ['TZ'])"
    )
    done = keeper.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True", "True", "True", "False", TIME_ZONE]


def test_at_its_end_a_keeper_has_ended_also_those_whose_parent_is_gone():
    with Keeper() as keeper:
        parent = keeper.start([sys.executable, "-c", PARENT], stdout=-1)
        orphan = int(heard(parent))
        assert parent.wait(10) == 0
        assert running(orphan)
    assert not running(orphan)


def test_a_test_that_fails_leaves_nothing_behind():
    keeper = Keeper()
    process = keeper.start(SLEEP)
    with pytest.raises(ZeroDivisionError), keeper:
        raise ZeroDivisionError
    assert not running(process.pid)


def test_a_command_that_takes_too_long_is_ended_with_its_children(tmp_path: Path):
    begun = time.monotonic()
    said = tmp_path / "said"
    program = PARENT.replace("flush=True", f"file=open({str(said)!r}, 'w'), flush=True")
    with pytest.raises(subprocess.TimeoutExpired):
        run([sys.executable, "-c", program + "time.sleep(600)"], timeout=1)
    assert not running(int(said.read_text()))
    assert time.monotonic() - begun < 20


def test_when_the_tests_themselves_are_killed_nothing_is_left(keeper: Keeper):
    program = (
        "import sys, time; from tests.support.processes import Keeper\n"
        f"child = Keeper().start([sys.executable, '-c', {PARENT + 'time.sleep(600)'!r}], stdout=-1)\n"
        "print(child.pid, int(child.stdout.readline()), flush=True); time.sleep(600)"
    )
    tests = keeper.start([sys.executable, "-c", program], cwd=ROOT, stdout=-1)
    pids = [int(pid) for pid in heard(tests).split()]
    assert all(map(running, pids))
    tests.kill()
    wait_until(lambda: not any(map(running, pids)), "the guard has ended them", 20)


def test_a_keeper_leaves_others_alone(keeper: Keeper):
    other = keeper.start(SLEEP)
    with Keeper() as brief:
        brief.start(SLEEP)
    assert other.poll() is None
    assert marked("nobody has this mark") == []
