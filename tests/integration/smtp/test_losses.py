"""Connections that break, hang or talk nonsense: what was sent, what was not, what nobody can know."""

import asyncio
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailing.smtp.account import Sender
from mailing.smtp.replies import Stage
from mailing.smtp.rulebook import Follows
from mailing.smtp.session import Session, SmtpError, Timeouts
from tests.support.smtp_server import DROP, EXTENSIONS, HANG, FakeServer
from tests.support.smtp_sessions import (
    DEFERRED,
    FAILED,
    HASTE_S,
    PLAIN,
    RETURNED,
    SENT,
    UNKNOWN,
    deliver_all,
    hasty,
    mail,
    opened,
    until,
)

# Losses


@pytest.mark.parametrize("extensions", [EXTENSIONS, PLAIN], ids=["pipelining", "plain"])
@pytest.mark.parametrize("answer", [DROP, HANG, b"garbage\r\n", b"250 " + b"x" * 9000])
@pytest.mark.parametrize("step", ["mail", "rcpt", "data"])
async def test_a_connection_that_fails_before_the_dot_defers_the_mail(step, answer, extensions):
    timeouts = hasty("data" if step == "data" else "command")
    async with (
        FakeServer({step: answer}, extensions=extensions) as server,
        opened(server, timeouts) as session,
    ):
        delivery = await session.deliver(mail(1), mail(2))
        assert (delivery.verdict.result, delivery.stage, delivery.alive) == (DEFERRED, step, False)
        assert delivery.reply is None
        assert delivery.words.code == "attempt.lost-before-dot"
        assert not session.in_doubt
        assert not server.received


@pytest.mark.parametrize("extensions", [EXTENSIONS, PLAIN], ids=["pipelining", "plain"])
@pytest.mark.parametrize("answer", [DROP, HANG, b"garbage\r\n", b"250 " + b"x" * 9000, b"354 go on\r\n"])
async def test_a_connection_that_fails_behind_the_dot_leaves_the_mail_unknown(answer, extensions):
    async with (
        FakeServer({"dot": answer}, extensions=extensions) as server,
        opened(server, hasty("dot")) as session,
    ):
        delivery = await session.deliver(mail(1), mail(2))
        assert (delivery.verdict.result, delivery.stage, delivery.alive) == (UNKNOWN, Stage.DOT, False)
        assert session.in_doubt
        assert not session.usable


async def test_a_dot_is_in_doubt_exactly_until_its_reply():
    async with FakeServer({"dot": [b"250 ok\r\n", HANG]}) as server, opened(server) as session:
        assert not session.in_doubt
        await session.deliver(mail(1), mail(2))
        assert not session.in_doubt
        delivering = asyncio.create_task(session.deliver(mail(2)))
        await until(lambda: len(server.received) == 2)
        assert session.in_doubt
        session.abort()
        assert (await delivering).verdict.result is UNKNOWN
        assert session.in_doubt


async def test_a_large_message_lost_on_its_way_is_deferred_not_unknown():
    text = b"Subject: big\r\n\r\n" + b"x" * 76 + b"\r\n" * 3 + (b"y" * 76 + b"\r\n") * 120_000
    async with FakeServer({"body": DROP}) as server, opened(server) as session:
        delivery = await session.deliver(mail(data=text))
        assert (delivery.verdict.result, delivery.stage) == (DEFERRED, Stage.DATA)
        assert not session.in_doubt


async def test_a_server_that_stops_reading_a_large_message_is_given_up():
    text = b"Subject: big\r\n\r\n" + (b"y" * 76 + b"\r\n") * 120_000
    async with (
        FakeServer({"body": HANG}, extensions=("PIPELINING",)) as server,
        opened(server, hasty("data")) as session,
    ):
        delivery = await session.deliver(mail(data=text))
    assert delivery.verdict.result is DEFERRED
    assert f"did not respond within {HASTE_S} s" in str(delivery.words)


async def test_each_step_has_its_own_patience():
    """One timer watches all steps: a long wait behind the dot is granted, a short one after it is kept."""

    async def slowly(transaction):
        await asyncio.sleep(2 * HASTE_S)
        return b"250 ok\r\n"

    answers = {"dot": slowly, "mail": [b"250 ok\r\n", HANG]}
    timeouts = hasty("command")
    async with FakeServer(answers) as server, opened(server, timeouts) as session:
        async with asyncio.timeout(60):
            first = await session.deliver(mail(1), mail(2))
            second = await session.deliver(mail(2))
    assert (first.verdict.result, second.verdict.result) == (SENT, DEFERRED)
    assert f"did not respond within {HASTE_S} s" in str(second.words)


async def test_the_mail_whose_envelope_went_ahead_is_sent_again_elsewhere():
    async with FakeServer({"dot": [DROP]}) as server:
        async with opened(server) as session:
            first = await session.deliver(mail(1), mail(2))
        async with opened(server) as session:
            second = await session.deliver(mail(2))
    assert (first.verdict.result, second.verdict.result) == (UNKNOWN, SENT)
    assert [one.recipients[0] for one in server.received] == ["to1@example.net", "to2@example.net"]


@pytest.mark.parametrize("farewell", [b"421 4.4.2 idle for too long\r\n", DROP])
async def test_a_server_that_ends_an_idle_session_makes_it_unusable(farewell):
    async with FakeServer({"idle": farewell}) as server, opened(server) as session:
        assert (await session.deliver(mail(1))).verdict.result is SENT
        await until(lambda: not session.usable)
        delivery = await session.deliver(mail(2))
    assert (delivery.verdict.result, delivery.stage, delivery.alive) == (DEFERRED, Stage.MAIL, False)


async def test_a_reply_that_nothing_asked_for_is_never_taken_for_the_next_answer():
    """The server says 250 once too often: it must not count as the answer to the next dot."""
    async with FakeServer({"dot": b"250 ok\r\n250 ok\r\n"}) as server, opened(server) as session:
        first = await session.deliver(mail(1))
        second = await session.deliver(mail(2))
    assert first.verdict.result is SENT
    assert second.verdict.result is DEFERRED
    assert len(server.received) == 1


async def test_a_reply_to_the_dot_that_comes_before_the_dot_is_not_believed():
    async with FakeServer({"data": b"354 go\r\n250 ok\r\n"}) as server, opened(server) as session:
        assert (await session.deliver(mail(1))).verdict.result is DEFERRED
    assert not server.received


async def test_cancelling_a_delivery_closes_the_connection():
    async with FakeServer({"mail": HANG}) as server, opened(server) as session:
        delivering = asyncio.create_task(session.deliver(mail(1)))
        await until(lambda: len(server.commands) == 2)
        delivering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await delivering
        assert not session.usable


# Replies that were read before the connection was lost


@pytest.mark.parametrize("extensions", [EXTENSIONS, PLAIN], ids=["pipelining", "plain"])
@pytest.mark.parametrize(
    ("answers", "stage", "text"),
    [
        ({"rcpt": b"550 5.1.1 no such user\r\n", "data": DROP}, Stage.RCPT, "550 5.1.1 no such user"),
        ({"rcpt": b"450 4.2.0 busy\r\n", "data": DROP}, Stage.RCPT, "450 4.2.0 busy"),
        ({"mail": b"552 5.3.4 too large\r\n", "rcpt": DROP}, Stage.MAIL, "552 5.3.4 too large"),
        ({"mail": b"450 4.1.0 no\r\n", "rcpt": b"503 first\r\n", "data": DROP}, Stage.MAIL, "450 4.1.0 no"),
        ({"rcpt": b"550 5.1.1 no\r\n", "data": b"garbage\r\n"}, Stage.RCPT, "550 5.1.1 no"),
    ],
)
async def test_a_refusal_that_was_read_counts_whatever_becomes_of_the_connection(
    answers, stage, text, extensions
):
    async with FakeServer(answers, extensions=extensions) as server, opened(server) as session:
        delivery = await session.deliver(mail(1), mail(2))
    assert (delivery.stage, delivery.words) == (stage, text)
    assert delivery.verdict.result is (FAILED if text.startswith("5") else DEFERRED)
    assert not server.received


async def test_a_refusal_that_comes_before_the_dot_of_a_long_message_counts():
    text = b"Subject: big\r\n\r\n" + (b"y" * 76 + b"\r\n") * 120_000

    async def refuse_and_close(_transaction):
        return b"552 5.3.4 too large\r\n"

    async with FakeServer({"body": [refuse_and_close]}) as server, opened(server) as session:
        delivery = await session.deliver(mail(data=text))
    assert (delivery.verdict.result, delivery.words) == (FAILED, "552 5.3.4 too large")
    assert not delivery.alive


async def test_a_used_connection_that_ends_without_a_word_lets_the_mail_go_on_elsewhere():
    async with FakeServer({"mail": [None, DROP]}) as server, opened(server) as session:
        first = await session.deliver(mail(1))
        second = await session.deliver(mail(2))
    assert first.verdict.result is SENT
    assert (second.verdict.follows, second.stage) == (Follows.RECONNECT, Stage.MAIL)


async def test_a_new_connection_that_ends_without_a_word_defers_the_mail():
    async with FakeServer({"mail": DROP}) as server, opened(server) as session:
        delivery = await session.deliver(mail(1))
    assert delivery.verdict.follows is Follows.WAIT


# Another mail than the one whose envelope went ahead


async def test_another_mail_than_the_one_ahead_is_handed_back_and_nothing_empty_is_sent():
    async with FakeServer() as server, opened(server) as session:
        await session.deliver(mail(1), mail(2))
        delivery = await session.deliver(mail(3))
    assert (delivery.verdict.result, delivery.verdict.sender_fault) == (RETURNED, False)
    assert not delivery.alive
    assert len(server.received) == 1


@pytest.mark.parametrize("answers", [{}, {"data": [b"354 go\r\n", b"354 go\r\n"], "dot": [b"250 ok\r\n"]}])
async def test_another_mail_than_a_refused_one_ahead_is_sent_on_the_same_session(answers):
    refusal = {"rcpt": [b"250 ok\r\n", b"550 5.1.1 no\r\n"]}
    async with FakeServer(refusal | answers) as server, opened(server) as session:
        await session.deliver(mail(1), mail(2))
        delivery = await session.deliver(mail(3))
        assert delivery.verdict.result is SENT
    assert [one.recipients[0] for one in server.accepted] == ["to1@example.net", "to3@example.net"]
    assert server.connections == 1


# Anything at all


@pytest.mark.parametrize("opens", [True, False])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from([b"250 ok\r\n", b"354 go\r\n", b"550 5.1.1 no\r\n", b"421 bye\r\n", b"250-", b"\r\n"])
        | st.binary(max_size=20),
        max_size=8,
    )
)
def test_random_bytes_never_hang_or_crash_the_client(opens, portions):
    """Each read of the server is answered by the next portion; when they end, the server is silent."""
    shortest = Timeouts(0.05, 0.05, 0.05, 0.05, 0.05)
    opening = [b"220 hi\r\n", b"250-hi\r\n250-PIPELINING\r\n250 AUTH PLAIN\r\n"] if opens else []

    over = []

    async def babble(reader, writer):
        over.append(done := asyncio.get_running_loop().create_future())
        with suppress(ConnectionError):
            for portion in [*opening, *portions]:
                writer.write(portion)
                if not await reader.read(4096):
                    break
            await reader.read()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        done.set_result(None)

    async def talk():
        server = await asyncio.start_server(babble, "127.0.0.1", 0)
        sender = Sender("127.0.0.1", server.sockets[0].getsockname()[1])
        deliveries = []
        async with asyncio.timeout(60):
            with suppress(SmtpError):
                session = await Session.open(sender, shortest)
                deliveries = await deliver_all(session, [mail(1), mail(2)])
                await session.close()
            server.close()
            await until(lambda: over)
            await asyncio.gather(*over)
            await server.wait_closed()
        return deliveries

    for delivery in asyncio.run(talk()):
        assert delivery.words
