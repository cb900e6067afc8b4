"""A lane: what the connections of one worker process do with the mail that waits for them."""

import asyncio
from time import monotonic

from mailing import lanes
from mailing.lanes import Lane, Work
from mailing.ledger import Claim
from tests.servers import HANG, FakeServer
from tests.sessions import PATIENT, mail, until


class Owner:
    """Lets everything leave, and keeps what it is told."""

    def __init__(self):
        self.reported = []
        self.returned = []

    def may_send(self, work):
        return True

    async def may_leave(self, work):
        return True

    def report(self, work, delivery, started_at, trace):
        self.reported.append(work)

    def hand_back(self, work):
        self.returned.append(work)


def work(number):
    return Work(Claim(1, 1, 0, number, 1, f"to{number}@example.net", "", None, 0), mail(number))


async def test_a_server_that_takes_fewer_connections_is_asked_for_more_ever_more_rarely(monkeypatch):
    monkeypatch.setattr(lanes, "FIRST_PAUSE_S", 0.02)
    asked = []

    async def greet(_transaction):
        asked.append(monotonic())
        return b"220 hello\r\n" if len(asked) == 1 else b"421 4.7.0 too many connections\r\n"

    async with FakeServer({"greeting": greet, "dot": HANG}) as server:
        lane = Lane(server.sender(connections=1), Owner(), PATIENT)
        try:
            lane.put(work(1))
            await until(lambda: server.received)
            lane.resize(2)
            lane.put(work(2))  # goes with the first
            lane.put(work(3))
            await until(lambda: len(asked) > 6)
        finally:
            lane._closing = True
            for task in lane._tasks:
                task.cancel()
            await asyncio.wait(lane._tasks)
    *_, before, last = asked
    assert last - before > 0.3  # 0.02 s, doubled four times
