"""Looking at something again and again while a row does something else."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from typing import Self


class Watching(ABC):
    """Calls ``look`` every ``every_s`` in a thread of its own, from ``with`` to its end.

    What goes wrong in it is raised at the end, where the row sees it.
    """

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._fault: Exception | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        if self._fault:
            raise self._fault

    @abstractmethod
    def look(self) -> None:
        """Look once."""

    def _run(self) -> None:
        due = time.perf_counter()
        while not self._over.is_set():
            try:
                self.look()
            except Exception as error:  # noqa: BLE001 - raised again at the end
                self._fault = error
                return
            due = max(due + self._every_s, time.perf_counter())
            self._over.wait(due - time.perf_counter())
