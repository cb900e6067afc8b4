"""How a process hears that it shall stop."""

import signal
import sys

import pytest

from tests.support.processes import Keeper

SERVER = (
    "import asyncio\n"
    "from mailing.core.terminal import say, stop_on_signal\n"
    "async def run():\n"
    "    stop = stop_on_signal()\n"
    "    say('up')\n"
    "    await stop.wait()\n"
    "    say('stopped')\n"
    "asyncio.run(run())\n"
)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("ignored", ["", "INT", "HUP"])
def test_a_server_stops_at_a_signal_however_it_was_started(ignored, number):
    """In the background of a script, where SIGINT is ignored, or under nohup, too."""
    trap = f"trap '' {ignored}; " if ignored else ""
    with Keeper() as keeper:
        command = ["sh", "-c", f'{trap}exec "$0" -c "$1"', sys.executable, SERVER]
        process = keeper.start(command, stdout=-1)
        assert process.stdout.readline() == b"up\n"
        process.send_signal(number)
        assert process.stdout.read() == b"stopped\n"
        assert process.wait(10) == 0
