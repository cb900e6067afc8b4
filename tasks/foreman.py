"""The command behind ``make run``: ``python -m tasks.foreman`` starts what the Procfile names, and ends it.

honcho does the work. This adds what a supervisor counts on: one signal to ``make`` is enough. make passes
SIGTERM on to its child, which this is; where make is killed without a word, its child sees that it is gone.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from honcho.environ import parse_procfile  # type: ignore[import-untyped]
from honcho.manager import Manager  # type: ignore[import-untyped]
from honcho.printer import Printer  # type: ignore[import-untyped]

from mailing import settings

LOOK_S = 0.25
CTRL_C = 130  # what honcho leaves then: all is well


class Foreman(Manager):  # type: ignore[misc]
    """honcho's manager, which can also be asked to end while it is still starting."""

    _asked = False

    def terminate(self) -> None:
        """End every process, as soon as all have started."""
        if super()._all_started():
            super().terminate()
        else:
            self._asked = True

    def _all_started(self) -> bool:
        started = bool(super()._all_started())
        if started and self._asked:
            self._asked = False
            super().terminate()
        return started


def main() -> None:
    """Run the Procfile until a signal comes, or one of its processes ends; then end all of them."""
    parent = os.getppid()

    def look(*_: Any) -> None:
        if os.getppid() != parent:
            signal.setitimer(signal.ITIMER_REAL, 0)
            end()

    def end(*_: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, LOOK_S, LOOK_S)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as under nohup
        signal.signal(signal.SIGHUP, end)
    manager = Foreman(Printer(sys.stdout))
    environment = {**settings.dotenv(), **os.environ}
    for name, command in parse_procfile((settings.ROOT / "Procfile").read_text()).processes.items():
        if name == "bounces" and not environment.get("VOLLEY_BOUNCE_BIND"):
            continue  # a door that nobody has asked for
        manager.add_process(name, command, env=environment, cwd=str(settings.ROOT))
    manager.loop()
    signal.setitimer(signal.ITIMER_REAL, 0)
    sys.exit(0 if manager.returncode == CTRL_C else manager.returncode)


if __name__ == "__main__":
    main()
