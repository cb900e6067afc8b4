"""A wall clock that is moved by the seconds in the file ``CLOCK_OFFSET``.

Python imports it in every process whose PYTHONPATH names this folder. (libfaketime 0.9.10 breaks the sleep
of Python 3.11 and later.)
"""

import os
import time
from pathlib import Path

_true, _file = time.time_ns, Path(os.environ["CLOCK_OFFSET"])
_true_clocks = time.clock_gettime_ns


def time_ns() -> int:
    return _true() + int(_file.read_text()) * 1_000_000_000


time.time_ns = time_ns
time.time = lambda: time_ns() / 1e9


def clock_gettime_ns(clock: int) -> int:
    return time_ns() if clock == time.CLOCK_REALTIME else _true_clocks(clock)


time.clock_gettime_ns = clock_gettime_ns
time.clock_gettime = lambda clock: clock_gettime_ns(clock) / 1e9
