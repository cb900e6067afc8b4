"""A lane: what the connections of one worker process do with the mail that waits for them."""

import asyncio
from time import monotonic

import pytest

from mailing.delivery import pool
from mailing.delivery.pool import Lane, Work
from mailing.ledger.claims import Claim
from mailing.ledger.leases import NoticeKind
from tests.support.smtp_server import DROP, EXTENSIONS, HANG, FakeServer
from tests.support.smtp_sessions import PATIENT, PLAIN, RETURNED, mail, until


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
    return Work(
        Claim(1, 1, 0, number, 1, f"to{number}@example.net", "example.net", "", None, 0), mail(number)
    )


async def test_a_server_that_takes_fewer_connections_is_asked_for_more_ever_more_rarely(monkeypatch):
    monkeypatch.setattr(pool, "FIRST_PAUSE_S", 0.02)
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


async def sent_through(server, works, *, connections=1, owner=None):
    """Send all through one lane; return who was told of them."""
    owner = owner or Owner()
    lane = Lane(server.sender(connections=connections), owner, PATIENT)
    for one in works:
        lane.put(one)
    await until(lambda: len(owner.reported) + len(owner.returned) >= len(works))
    await lane.close()
    return owner


@pytest.mark.parametrize("extensions", [EXTENSIONS, PLAIN], ids=["pipelining", "plain"])
async def test_a_server_that_announces_how_many_mails_it_takes_is_given_no_more(extensions):
    async with FakeServer(extensions=(*extensions, "LIMITS MAILMAX=3")) as server:
        owner = await sent_through(server, [work(number) for number in range(10)])
    assert len(owner.reported) == 10
    assert [it.connection for it in server.accepted] == [1, 1, 1, 2, 2, 2, 3, 3, 3, 4]


@pytest.mark.parametrize("extensions", [EXTENSIONS, PLAIN], ids=["pipelining", "plain"])
@pytest.mark.parametrize(
    ("answer", "learned"),
    [
        (b"421 4.7.0 too many messages in this session\r\n", 4),
        (b"421 Max message per connection reached, closing transmission channel\r\n", 4),
        (b"452 4.5.3 Too many messages sent in one session\r\n", 4),
        (b"421 4.4.2 mx Error: timeout exceeded\r\n", 500),
        (DROP, 500),
    ],
)
async def test_a_connection_that_is_worn_out_is_replaced_and_the_mail_goes_on_at_once(
    answer, learned, extensions
):
    answers = {"mail": [None] * 4 + [answer]}
    async with FakeServer(answers, extensions=extensions) as server:
        owner = Owner()
        lane = Lane(server.sender(connections=1), owner, PATIENT)
        for number in range(12):
            lane.put(work(number))
        await until(lambda: len(owner.reported) == 12)
        assert lane.notice.kind is NoticeKind.NONE
        assert lane.room(0) == 2
        await lane.close()
    assert not owner.returned
    assert sorted(it.recipients[0] for it in server.accepted) == sorted(
        work(n).mail.recipient for n in range(12)
    )
    assert lane._most == learned


async def test_a_server_that_takes_no_mail_at_all_on_a_connection_is_not_asked_for_ever():
    async with FakeServer({"mail": b"421 too many messages in this session\r\n"}) as server:
        owner = await sent_through(server, [work(1), work(2)])
    assert len(owner.reported) == 2
    assert server.connections <= 3


async def test_where_others_have_all_connections_the_mail_waits_and_is_not_deferred():
    results = []

    class Listener(Owner):
        def report(self, work, delivery, started_at, trace):
            super().report(work, delivery, started_at, trace)
            results.append(delivery.verdict.result)

    for step in ("greeting", "mail"):
        async with FakeServer({step: b"421 4.3.2 too many concurrent connections\r\n"}) as server:
            await sent_through(server, [work(1)], owner=Listener())
    assert results == [RETURNED, RETURNED]
