"""A process that has loaded all of Volley, and of which others are forks.

Each fork is what ``python -m MODULE`` would be, without the second or two of CPU that loading takes: hundreds
of processes are started in a run of the tests. Long drills and benchmarks start the real ones.

``python -m tests.support.nursery SOCKET`` listens there. Each connection asks for one process, with its
output as a file descriptor beside the question; it is told the process id, and the exit code in the end.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LOADED = (
    "celery.apps.beat",
    "celery.apps.worker",
    "celery.bin.celery",
    "celery.concurrency.thread",
    "kombu.transport.redis",
    "mailing.demo_inbox",
    "tasks.beat",
    "tasks.control",
    "tasks.imports",
    "tasks.redis_server",
    "tasks.sending",
    "tasks.upkeep",
    "tasks.worker",
    "tests.support.sink",
    "webapp.serve",
)
LIMIT = 64 * 1024  # bytes of a question


class Forked:
    """A process of the nursery, as ``subprocess.Popen`` shows one."""

    stdin = stdout = stderr = None

    def __init__(
        self, place: Path, module: Sequence[str], env: Mapping[str, str], *, mark: str, output: int
    ) -> None:
        self.args = module
        self.returncode: int | None = None
        self._line = socket.socket(socket.AF_UNIX)
        self._line.connect(str(place))
        question = json.dumps([list(module), dict(env), mark]).encode()
        socket.send_fds(self._line, [question], [output])
        self.pid = int(self._line.recv(20))

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended; return the exit code. Raises ``TimeoutExpired``."""
        if self.returncode is None:
            if not select.select([self._line], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(list(self.args), timeout or 0)
            self.returncode = int(self._line.recv(20) or -signal.SIGKILL)
            self._line.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


def load() -> None:
    """Load what the processes run, and none of their settings."""
    for name in LOADED:
        import_module(name)
    assert not import_module("tasks.app").app.configured, "the nursery has read settings"
    assert threading.active_count() == 1, "threads do not outlive a fork"
    gc.collect()
    gc.freeze()


def serve(place: Path) -> None:
    """Make a process for each connection, and tell how it ended."""
    children: dict[int, socket.socket] = {}
    bell, rung = os.pipe()
    os.set_blocking(rung, False)
    signal.set_wakeup_fd(rung, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(place.with_suffix(".new")))
        door.listen(16)
        place.with_suffix(".new").rename(place)
        while True:
            ready, _, _ = select.select([door, bell], [], [])
            if bell in ready:
                os.read(bell, 512)
                _bury(children)
            if door in ready:
                line, _ = door.accept()
                question, (output,), _, _ = socket.recv_fds(line, LIMIT, 1)
                pid = os.fork()
                if not pid:
                    signal.set_wakeup_fd(-1)
                    for each in (door, line, *children.values()):
                        each.close()
                    os.close(bell)
                    os.close(rung)
                    _be(output, *json.loads(question))
                os.close(output)
                children[pid] = line
                line.sendall(str(pid).encode())


def _bury(children: dict[int, socket.socket]) -> None:
    """Tell of all that have ended."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            with contextlib.closing(children.pop(ended[0])) as line, contextlib.suppress(OSError):
                line.sendall(str(os.waitstatus_to_exitcode(ended[1])).encode())


def _be(output: int, module: list[str], env: dict[str, str], mark: str) -> NoReturn:
    """Be what ``python -m`` makes of a module; the mark is a name that forks inherit."""
    code = 1
    try:
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        Path("/proc/self/comm").write_text(mark)
        os.environ.clear()
        os.environ.update(env)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        sys.argv = module[:]
        sys.modules.pop(module[0], None)
        runpy.run_module(module[0], run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
    except BaseException:  # noqa: BLE001 - as the interpreter tells it
        sys.excepthook(*sys.exc_info())
    finally:
        _leave(code)


def _leave(code: int) -> NoReturn:
    """End as an interpreter does, but for what belongs to the nursery."""
    with contextlib.suppress(Exception):
        threading._shutdown()  # type: ignore[attr-defined]
        import_module("atexit")._run_exitfuncs()
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    load()
    serve(Path(sys.argv[1]))
