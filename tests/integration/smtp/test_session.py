"""The SMTP session as it should go, and what it does with refusals."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.smtp.connection import BLOCK
from mailing.smtp.replies import Stage
from mailing.smtp.session import Session, stuffed
from tests.support.smtp_server import DROP, EXTENSIONS, HANG, FakeServer
from tests.support.smtp_sessions import (
    DEFERRED,
    FAILED,
    PATIENT,
    PLAIN,
    RETURNED,
    SENT,
    deliver_all,
    hasty,
    mail,
    opened,
)

# The way it should go


@pytest.mark.parametrize("extensions", [EXTENSIONS, PLAIN, ()], ids=["pipelining", "plain", "bare"])
async def test_every_mail_arrives_once_with_its_envelope(extensions):
    mails = [mail(number, f"Subject: {number}\r\n\r\nbody {number}\r\n".encode()) for number in range(20)]
    async with FakeServer(extensions=extensions) as server, opened(server) as session:
        deliveries = await deliver_all(session, mails)
    assert [delivery.verdict.result for delivery in deliveries] == [SENT] * 20
    assert [(one.sender, *one.recipients, one.data) for one in server.received] == [
        (one.sender, one.recipient, one.data) for one in mails
    ]
    assert session.taken == 20
    assert server.pipelined is (extensions == EXTENSIONS)


async def test_a_delivery_tells_the_reply_verbatim():
    async with (
        FakeServer({"dot": b"250-2.0.0 thanks\r\n250 2.0.0 queued as 4711\r\n"}) as server,
        opened(server) as session,
    ):
        delivery = await session.deliver(mail())
    assert delivery.words == "250-2.0.0 thanks\n250 2.0.0 queued as 4711"
    assert (delivery.reply.code, delivery.enhanced, delivery.stage) == (250, "2.0.0", Stage.DOT)
    assert delivery.alive


@pytest.mark.parametrize("extensions", [EXTENSIONS, PLAIN], ids=["pipelining", "plain"])
async def test_replies_that_come_byte_by_byte_change_nothing(extensions):
    async with FakeServer(extensions=extensions, byte_by_byte=True) as server, opened(server) as session:
        deliveries = await deliver_all(session, [mail(number) for number in range(3)])
    assert [delivery.verdict.result for delivery in deliveries] == [SENT] * 3
    assert len(server.accepted) == 3


async def test_a_session_ends_with_quit():
    async with FakeServer() as server:
        session = await Session.open(server.sender(), PATIENT)
        await session.deliver(mail())
        await session.close()
    assert server.commands[-1] == "QUIT"
    assert not session.usable


@pytest.mark.parametrize("answer", [HANG, DROP, b"garbage\r\n"])
async def test_closing_never_fails_and_never_waits_long(answer, monkeypatch):
    monkeypatch.setattr("mailing.smtp.session.GOODBYE_S", 0.25)
    async with FakeServer({"quit": answer}) as server:
        session = await Session.open(server.sender(), PATIENT)
        async with asyncio.timeout(10):
            await session.close()
            await session.close()
    assert not session.usable


async def test_closing_with_an_envelope_ahead_sends_no_empty_message():
    async with FakeServer() as server:
        session = await Session.open(server.sender(), PATIENT)
        await session.deliver(mail(1), mail(2))
        await session.close()
    assert [one.recipients for one in server.received] == [("to1@example.net",)]


async def test_ehlo_says_the_name_it_was_given():
    async with FakeServer() as server:
        session = await Session.open(server.sender(), PATIENT, hello_name="mail.example.org")
        session.abort()
        assert server.commands == ["EHLO mail.example.org"]


async def test_a_server_that_knows_no_ehlo_is_greeted_with_helo():
    async with FakeServer({"ehlo": b"502 5.5.1 what\r\n"}) as server, opened(server) as session:
        assert (await session.deliver(mail(), mail(2))).verdict.result is SENT
        assert not server.pipelined


# What the text may hold


@pytest.mark.parametrize(
    "data",
    [
        b".\r\n",
        b"..\r\n",
        b"a\r\n.\r\nb\r\n",
        b"a\r\n..\r\n.b\r\n",
        b".\r\n.\r\n",
        b"\r\n.\r\n",
        b".",
        b"no line end",
        b"",
        b"\r\n",
        b"x" * 100_000 + b"\r\n.\r\n" + b"y" * 100_000 + b"\r\n",
    ],
)
@pytest.mark.parametrize("extensions", [EXTENSIONS, PLAIN], ids=["pipelining", "plain"])
async def test_the_text_arrives_exactly_with_at_most_a_line_end_added(data, extensions):
    async with FakeServer(extensions=extensions) as server, opened(server) as session:
        deliveries = await deliver_all(session, [mail(1, data), mail(2, data)])
    expected = data if not data or data.endswith(b"\r\n") else data + b"\r\n"
    assert [delivery.verdict.result for delivery in deliveries] == [SENT, SENT]
    assert [one.data for one in server.received] == [expected, expected]


@given(st.lists(st.sampled_from([b".", b"\r\n", b"\r", b"\n", b"a"]), max_size=12).map(b"".join))
def test_no_text_can_smuggle_in_a_dot_of_its_own(data):
    lines = stuffed(data).split(b"\r\n")
    assert lines[-2:] == [b".", b""]
    assert b"." not in lines[:-2]
    assert all(b"\r" not in line and b"\n" not in line for line in lines)


async def test_size_and_8bitmime_and_smtputf8_are_declared():
    data = "Subject: hé\r\n\r\nhé\r\n".encode()
    async with FakeServer() as server, opened(server) as session:
        delivery = await session.deliver(mail(data=data, recipient="jörg@example.net", needs_smtputf8=True))
    assert delivery.verdict.result is SENT
    (received,) = server.received
    assert received.parameters == f"SIZE={len(data)} BODY=8BITMIME SMTPUTF8"
    assert received.recipients == ("jörg@example.net",)


async def test_nothing_is_declared_that_the_server_did_not_offer():
    async with FakeServer(extensions=("SIZE", "HELP")) as server, opened(server) as session:
        await session.deliver(mail())
    assert server.received[0].parameters == ""


@pytest.mark.parametrize(
    ("changes", "enhanced"),
    [
        ({"needs_smtputf8": True}, "5.6.7"),
        ({"recipient": "jörg@example.net"}, "5.6.7"),
        ({"data": "To: jörg@example.net\r\n".encode(), "needs_smtputf8": True}, "5.6.7"),
        ({"data": b"x" * 1001}, "5.3.4"),
        ({"data": "é\r\n".encode()}, "5.6.3"),
        ({"recipient": "a@b\r\nRCPT TO:<c@d"}, "5.1.3"),
        ({"recipient": "\ud800@example.net"}, "5.1.3"),
    ],
)
async def test_what_the_server_cannot_take_fails_at_once_without_talking(changes, enhanced):
    async with FakeServer(extensions=("PIPELINING", "SIZE 1000")) as server, opened(server) as session:
        bad = (
            mail(2, **changes) if "data" in changes else mail(2, **{"recipient": "x@example.net", **changes})
        )
        before = list(server.commands)
        delivery = await session.deliver(bad)
        assert server.commands == before
        assert (delivery.verdict.result, delivery.enhanced, delivery.reply) == (FAILED, enhanced, None)
        assert delivery.alive
        deliveries = await deliver_all(session, [mail(1), bad, mail(3)])
    assert [one.verdict.result for one in deliveries] == [SENT, FAILED, SENT]
    assert [one.recipients for one in server.received] == [("to1@example.net",), ("to3@example.net",)]


async def test_a_sender_address_that_breaks_the_line_is_the_senders_fault():
    async with FakeServer() as server, opened(server) as session:
        delivery = await session.deliver(mail(sender="a@b>\r\nRSET\r\n"))
    assert (delivery.verdict.result, delivery.verdict.sender_fault) == (RETURNED, True)
    assert not server.received


# Refusals


REFUSALS = [
    ("mail", b"451 4.3.0 later\r\n", DEFERRED),
    ("mail", b"550 5.1.8 who are you\r\n", DEFERRED),
    ("mail", b"552 5.3.4 too large\r\n", FAILED),
    ("rcpt", b"450 4.2.1 busy\r\n", DEFERRED),
    ("rcpt", b"550 5.1.1 no such user\r\n", FAILED),
    ("rcpt", b"554 5.7.1 relay access denied\r\n", DEFERRED),
    ("rcpt", b"550-5.1.1 no\r\n550 5.1.1 such user\r\n", FAILED),
    ("data", b"451 4.3.0 later\r\n", DEFERRED),
    ("data", b"554 5.5.0 no\r\n", FAILED),
    ("dot", b"452 4.3.1 no room\r\n", DEFERRED),
    ("dot", b"554 5.6.0 do not like it\r\n", FAILED),
]


@pytest.mark.parametrize("extensions", [EXTENSIONS, PLAIN], ids=["pipelining", "plain"])
@pytest.mark.parametrize(("step", "answer", "result"), REFUSALS)
async def test_a_refusal_hits_one_mail_and_the_session_goes_on(step, answer, result, extensions):
    usual = {
        "mail": b"250 2.1.0 ok\r\n",
        "rcpt": b"250 2.1.5 ok\r\n",
        "data": b"354 go\r\n",
        "dot": b"250 ok\r\n",
    }
    async with (
        FakeServer({step: [usual[step], answer]}, extensions=extensions) as server,
        opened(server) as session,
    ):
        deliveries = await deliver_all(session, [mail(number) for number in range(4)])
    assert [one.verdict.result for one in deliveries] == [SENT, result, SENT, SENT]
    assert deliveries[1].words == answer.decode().rstrip().replace("\r\n", "\n")
    assert deliveries[1].stage == step
    assert all(one.alive for one in deliveries)
    assert [one.recipients[0] for one in server.accepted] == [f"to{n}@example.net" for n in (0, 2, 3)]
    assert server.connections == 1


@pytest.mark.parametrize("extensions", [EXTENSIONS, PLAIN], ids=["pipelining", "plain"])
@pytest.mark.parametrize("head", [10, BLOCK - 1, BLOCK, 3 * BLOCK])
@pytest.mark.parametrize("tail", [0, 1, BLOCK - 13, BLOCK, 2 * BLOCK + 7])
async def test_what_mails_share_goes_out_behind_what_is_their_own(head, tail, extensions):
    shared = b"t" * tail + b"\r\n"
    mails = [mail(number, b"%d" % number * head, clean=True, tail=shared) for number in (1, 2)]
    async with FakeServer(extensions=extensions) as server, opened(server) as session:
        deliveries = await deliver_all(session, mails)
    assert [one.verdict.result for one in deliveries] == [SENT, SENT]
    assert [one.data for one in server.accepted] == [each.data + shared for each in mails]
    assert f"SIZE={head + len(shared)}" in server.accepted[0].parameters


async def test_what_mails_share_counts_where_the_server_says_how_much_it_takes():
    async with FakeServer(extensions=("SIZE 1000",)) as server, opened(server) as session:
        fits = await session.deliver(mail(data=b"x" * 498 + b"\r\n", clean=True, tail=b"y" * 498 + b"\r\n"))
        too_large = await session.deliver(mail(data=b"x" * 500, clean=True, tail=b"y" * 501))
    assert (fits.verdict.result, too_large.verdict.result) == (SENT, FAILED)
    assert too_large.enhanced == "5.3.4"
    assert "1,001" in str(too_large.words)


async def test_rset_is_sent_only_where_the_server_holds_a_transaction():
    answers = {"rcpt": [b"550 5.1.1 no\r\n"], "mail": [b"250 ok\r\n", b"451 4.3.0 later\r\n"]}
    async with FakeServer(answers) as server, opened(server) as session:
        await deliver_all(session, [mail(number) for number in range(4)])
        assert server.commands.count("RSET") == 1
        assert (await session.deliver(mail(4))).verdict.result is SENT
    assert server.commands.count("RSET") == 1
    assert len(server.accepted) == 3


@pytest.mark.parametrize("dot", [b"554 5.5.1 no recipients\r\n", b"250 ok\r\n"])
async def test_a_354_although_the_recipient_was_refused_is_answered_with_a_lone_dot(dot):
    answers = {"rcpt": [b"550 5.1.1 no\r\n"], "data": [b"354 go\r\n"], "dot": [dot]}
    async with FakeServer(answers) as server, opened(server) as session:
        deliveries = await deliver_all(session, [mail(1), mail(2)])
    assert [one.verdict.result for one in deliveries] == [FAILED, SENT]
    assert deliveries[0].words == "550 5.1.1 no"
    assert deliveries[0].alive
    assert [(one.recipients, one.data) for one in server.received] == [
        ((), b""),
        (("to2@example.net",), mail().data),
    ]


@pytest.mark.parametrize("dot", [DROP, b"421 4.3.2 bye\r\n", HANG, b"garbage\r\n"])
async def test_a_connection_lost_at_the_lone_dot_leaves_the_refusal_standing(dot):
    answers = {"rcpt": [b"550 5.1.1 no\r\n"], "data": [b"354 go\r\n"], "dot": [dot]}
    async with FakeServer(answers) as server, opened(server, hasty("dot")) as session:
        delivery = await session.deliver(mail(1), mail(2))
    assert (delivery.verdict.result, delivery.words, delivery.alive) == (FAILED, "550 5.1.1 no", False)
    assert not session.in_doubt


async def test_no_empty_message_is_sent_where_the_server_took_the_recipient_of_a_refused_sender():
    answers = {"mail": [b"550 5.1.8 who\r\n"], "rcpt": [b"250 ok\r\n"], "data": [b"354 go\r\n"]}
    async with FakeServer(answers) as server, opened(server) as session:
        delivery = await session.deliver(mail())
    assert (delivery.verdict.result, delivery.alive) == (DEFERRED, False)
    assert not server.received


@pytest.mark.parametrize("extensions", [EXTENSIONS, PLAIN], ids=["pipelining", "plain"])
@pytest.mark.parametrize("step", ["mail", "rcpt", "data", "dot"])
async def test_a_421_anywhere_defers_the_mail_and_ends_the_session(step, extensions):
    async with (
        FakeServer({step: b"421 4.3.2 shutting down\r\n"}, extensions=extensions) as server,
        opened(server) as session,
    ):
        delivery = await session.deliver(mail(1), mail(2))
        assert (delivery.verdict.result, delivery.stage, delivery.alive) == (DEFERRED, step, False)
        assert delivery.verdict.slow_down
        assert not session.usable
        assert not session.in_doubt
        assert not server.accepted


@pytest.mark.parametrize("step", ["mail", "rcpt", "data"])
async def test_a_code_out_of_step_ends_the_session(step):
    async with (
        FakeServer({step: b"220 hello again\r\n" if step == "data" else b"354 go\r\n"}) as server,
        opened(server) as session,
    ):
        delivery = await session.deliver(mail())
        assert (delivery.verdict.result, delivery.alive) == (DEFERRED, False)
