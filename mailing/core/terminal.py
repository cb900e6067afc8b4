"""What a process says to the person at its terminal, and how it hears that it shall stop."""

from __future__ import annotations

import asyncio
import signal
import sys


def say(sentence: str) -> None:
    """Write ``sentence`` to the terminal at once."""
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


def stop_on_signal() -> asyncio.Event:
    """Return an event of the running loop that SIGTERM and SIGINT set.

    It hears SIGINT also where a script's background job inherits that it is ignored: whoever sends it to a
    server means it. A command like ``volley send`` goes on ignoring it, as other commands do.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
