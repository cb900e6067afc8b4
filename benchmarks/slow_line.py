"""A long line in a process of its own: it passes bytes on, each after the same delay, both ways.

    python -m benchmarks.slow_line --listen PORT --to PORT --delay SECONDS

What waits in it is bounded by the dialogue: an SMTP client sends a message only after the reply to the
one before.
"""

from __future__ import annotations

import argparse
import asyncio
from collections import deque


class End(asyncio.Protocol):
    """One end of a connection: what it receives leaves at the ``other`` end later."""

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self._under_way: deque[bytes] = deque()
        self._transport: asyncio.Transport | None = None
        self.other: End | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._under_way.append(data)
        # A timer each, and a queue beside them: two timers of the same instant may fire in any order.
        asyncio.get_running_loop().call_later(self._delay_s, self._arrive)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        asyncio.get_running_loop().call_later(self._delay_s, self._hang_up)

    def _arrive(self) -> None:
        data = self._under_way.popleft()
        if self.other and self.other._transport:  # noqa: SLF001 - the same class
            self.other._transport.write(data)  # noqa: SLF001

    def _hang_up(self) -> None:
        if self.other and self.other._transport:  # noqa: SLF001
            self.other._transport.close()  # noqa: SLF001


class Entrance(End):
    """The end that clients connect to; it opens the other one."""

    def __init__(self, delay_s: float, port: int) -> None:
        super().__init__(delay_s)
        self._port = port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.other = End(self._delay_s)
        self.other.other = self
        # The server speaks first in SMTP, so nothing arrives before this is connected.
        self._opening = asyncio.create_task(self._open(self.other))

    async def _open(self, other: End) -> None:
        await asyncio.get_running_loop().create_connection(lambda: other, "127.0.0.1", self._port)


async def serve(listen: int, to: int, delay_s: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Entrance(delay_s, to), "127.0.0.1", listen, backlog=1000)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", type=int, required=True)
    parser.add_argument("--to", type=int, required=True)
    parser.add_argument("--delay", type=float, required=True)
    chosen = parser.parse_args()
    asyncio.run(serve(chosen.listen, chosen.to, chosen.delay))


if __name__ == "__main__":
    main()
