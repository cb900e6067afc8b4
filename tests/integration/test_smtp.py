"""The SMTP session against a server that misbehaves on command, on asyncio and on uvloop."""

import asyncio
import ssl
import subprocess
from contextlib import asynccontextmanager, suppress

import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailing.replies import Stage
from mailing.senders import Sender
from mailing.smtp import Mail, Session, SmtpError, Timeouts, stuffed
from mailing.states import AttemptResult
from tests.servers import DROP, EXTENSIONS, HANG, FakeServer

SENT, DEFERRED, FAILED = AttemptResult.SENT, AttemptResult.DEFERRED, AttemptResult.FAILED
UNKNOWN, RETURNED = AttemptResult.UNKNOWN, AttemptResult.RETURNED
PLAIN = tuple(extension for extension in EXTENSIONS if extension != "PIPELINING")
PATIENT = Timeouts(10, 10, 10, 10, 10)
HASTY = Timeouts(0.25, 0.25, 0.25, 0.25, 0.25)


def mail(number: int = 1, data: bytes = b"Subject: hi\r\n\r\nhello\r\n", **changes) -> Mail:
    return Mail(
        **{"sender": "from@example.org", "recipient": f"to{number}@example.net", "data": data, **changes}
    )


@asynccontextmanager
async def opened(server: FakeServer, timeouts: Timeouts = PATIENT, **settings):
    session = await Session.open(server.sender(**settings), timeouts)
    try:
        yield session
    finally:
        session.abort()


async def deliver_all(session: Session, mails: list[Mail]):
    """Deliver as the engine does: the next mail is always known."""
    nexts = [*mails[1:], None]
    return [await session.deliver(one, following) for one, following in zip(mails, nexts, strict=True)]


async def until(condition):
    """Let the event loop run until ``condition`` holds."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0)


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
    assert session.delivered == 20
    assert server.pipelined is (extensions == EXTENSIONS)


async def test_a_delivery_tells_the_reply_verbatim():
    async with (
        FakeServer({"dot": b"250-2.0.0 thanks\r\n250 2.0.0 queued as 4711\r\n"}) as server,
        opened(server) as session,
    ):
        delivery = await session.deliver(mail())
    assert delivery.text == "250-2.0.0 thanks\n250 2.0.0 queued as 4711"
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
    monkeypatch.setattr("mailing.smtp.GOODBYE_S", 0.25)
    async with FakeServer({"quit": answer}) as server:
        session = await Session.open(server.sender(), PATIENT)
        async with asyncio.timeout(1.5):
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
    ("mail", b"550 5.1.8 who are you\r\n", RETURNED),
    ("mail", b"552 5.3.4 too large\r\n", FAILED),
    ("rcpt", b"450 4.2.1 busy\r\n", DEFERRED),
    ("rcpt", b"550 5.1.1 no such user\r\n", FAILED),
    ("rcpt", b"554 5.7.1 relay access denied\r\n", RETURNED),
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
    assert deliveries[1].text == answer.decode().rstrip().replace("\r\n", "\n")
    assert deliveries[1].stage == step
    assert all(one.alive for one in deliveries)
    assert [one.recipients[0] for one in server.accepted] == [f"to{n}@example.net" for n in (0, 2, 3)]
    assert server.connections == 1


async def test_rset_is_sent_only_where_the_server_holds_a_transaction():
    answers = {"rcpt": [b"550 5.1.1 no\r\n"], "mail": [b"250 ok\r\n", b"451 4.3.0 later\r\n"]}
    async with FakeServer(answers) as server, opened(server) as session:
        await deliver_all(session, [mail(number) for number in range(4)])
    assert server.commands.count("RSET") == 1
    assert len(server.accepted) == 2


@pytest.mark.parametrize("dot", [b"554 5.5.1 no recipients\r\n", b"250 ok\r\n"])
async def test_a_354_although_the_recipient_was_refused_is_answered_with_a_lone_dot(dot):
    answers = {"rcpt": [b"550 5.1.1 no\r\n"], "data": [b"354 go\r\n"], "dot": [dot]}
    async with FakeServer(answers) as server, opened(server) as session:
        deliveries = await deliver_all(session, [mail(1), mail(2)])
    assert [one.verdict.result for one in deliveries] == [FAILED, SENT]
    assert deliveries[0].text == "550 5.1.1 no"
    assert deliveries[0].alive
    assert [(one.recipients, one.data) for one in server.received] == [
        ((), b""),
        (("to2@example.net",), mail().data),
    ]


@pytest.mark.parametrize("dot", [DROP, b"421 4.3.2 bye\r\n", HANG, b"garbage\r\n"])
async def test_a_connection_lost_at_the_lone_dot_leaves_the_refusal_standing(dot):
    answers = {"rcpt": [b"550 5.1.1 no\r\n"], "data": [b"354 go\r\n"], "dot": [dot]}
    async with FakeServer(answers) as server, opened(server, HASTY) as session:
        delivery = await session.deliver(mail(1), mail(2))
    assert (delivery.verdict.result, delivery.text, delivery.alive) == (FAILED, "550 5.1.1 no", False)
    assert not session.in_doubt


async def test_no_empty_message_is_sent_where_the_server_took_the_recipient_of_a_refused_sender():
    answers = {"mail": [b"550 5.1.8 who\r\n"], "rcpt": [b"250 ok\r\n"], "data": [b"354 go\r\n"]}
    async with FakeServer(answers) as server, opened(server) as session:
        delivery = await session.deliver(mail())
    assert (delivery.verdict.result, delivery.alive) == (RETURNED, False)
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


# Losses


@pytest.mark.parametrize("extensions", [EXTENSIONS, PLAIN], ids=["pipelining", "plain"])
@pytest.mark.parametrize("answer", [DROP, HANG, b"garbage\r\n", b"250 " + b"x" * 9000])
@pytest.mark.parametrize("step", ["mail", "rcpt", "data"])
async def test_a_connection_that_fails_before_the_dot_defers_the_mail(step, answer, extensions):
    async with FakeServer({step: answer}, extensions=extensions) as server, opened(server, HASTY) as session:
        delivery = await session.deliver(mail(1), mail(2))
        assert (delivery.verdict.result, delivery.stage, delivery.alive) == (DEFERRED, step, False)
        assert delivery.reply is None
        assert delivery.text.startswith("The connection was lost before the message was handed over")
        assert not session.in_doubt
        assert not server.received


@pytest.mark.parametrize("extensions", [EXTENSIONS, PLAIN], ids=["pipelining", "plain"])
@pytest.mark.parametrize("answer", [DROP, HANG, b"garbage\r\n", b"250 " + b"x" * 9000, b"354 go on\r\n"])
async def test_a_connection_that_fails_behind_the_dot_leaves_the_mail_unknown(answer, extensions):
    async with FakeServer({"dot": answer}, extensions=extensions) as server, opened(server, HASTY) as session:
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
        opened(server, HASTY) as session,
    ):
        delivery = await session.deliver(mail(data=text))
    assert delivery.verdict.result is DEFERRED
    assert "did not answer within 0.25 seconds" in delivery.text


async def test_each_step_has_its_own_patience():
    """One timer watches all steps: a long wait behind the dot is granted, a short one after it is kept."""

    async def slowly(transaction):
        await asyncio.sleep(0.6)
        return b"250 ok\r\n"

    answers = {"dot": slowly, "mail": [b"250 ok\r\n", HANG]}
    timeouts = Timeouts(connect=5, greeting=5, command=0.25, data=5, dot=30)
    async with FakeServer(answers) as server, opened(server, timeouts) as session:
        async with asyncio.timeout(10):
            first = await session.deliver(mail(1), mail(2))
            second = await session.deliver(mail(2))
    assert (first.verdict.result, second.verdict.result) == (SENT, DEFERRED)
    assert "did not answer within 0.25 seconds" in second.text


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


# Opening


@pytest.mark.parametrize(
    ("answers", "stage", "result"),
    [
        ({"greeting": b"554 5.3.2 no service\r\n"}, Stage.GREETING, RETURNED),
        ({"greeting": b"421 4.3.2 too busy\r\n"}, Stage.GREETING, DEFERRED),
        ({"greeting": DROP}, Stage.GREETING, DEFERRED),
        ({"greeting": HANG}, Stage.GREETING, DEFERRED),
        ({"greeting": b"SSH-2.0-OpenSSH\r\n"}, Stage.GREETING, DEFERRED),
        ({"ehlo": b"550 5.7.1 not you\r\n"}, Stage.HELLO, RETURNED),
        ({"ehlo": b"421 4.3.2 later\r\n"}, Stage.HELLO, DEFERRED),
        ({"ehlo": DROP}, Stage.HELLO, DEFERRED),
        ({"ehlo": HANG}, Stage.HELLO, DEFERRED),
        ({"ehlo": b"junk\r\n"}, Stage.HELLO, DEFERRED),
    ],
)
async def test_a_server_that_does_not_open_says_where_and_why(answers, stage, result):
    async with FakeServer(answers) as server:
        with pytest.raises(SmtpError) as error:
            await Session.open(server.sender(), HASTY)
        assert error.value.stage is stage
        assert error.value.verdict.result is result
        assert error.value.verdict.sender_fault is (result is RETURNED)
        assert f"127.0.0.1:{server.port}" in str(error.value)
        planned = next(iter(answers.values()))
        if planned[:1] in (b"4", b"5"):
            assert error.value.reply.text == planned.decode().rstrip()


async def test_a_server_that_is_down_is_nobodys_fault():
    async with FakeServer() as server:
        sender = server.sender()
    with pytest.raises(SmtpError, match="could not be reached") as error:
        await Session.open(sender, PATIENT)
    assert error.value.stage is Stage.CONNECT
    assert error.value.verdict.result is DEFERRED


@pytest.mark.parametrize("host", ["a..b", "no-such-host.invalid"])
async def test_a_host_that_cannot_be_found_is_said_so(host):
    with pytest.raises(SmtpError) as error:
        await Session.open(Sender(host, 25), Timeouts(connect=5))
    assert error.value.verdict.result is DEFERRED


async def test_a_connection_that_is_never_made_is_given_up(monkeypatch):
    async def never(*_, **__):
        await asyncio.Event().wait()

    loop = asyncio.get_running_loop()
    if isinstance(loop, uvloop.Loop):
        monkeypatch.setattr("aiosmtplib.smtp.SMTP._create_connection", never)
    else:
        monkeypatch.setattr(loop, "create_connection", never)
    with pytest.raises(SmtpError, match="did not answer within") as error:
        await Session.open(Sender("127.0.0.1", 25), Timeouts(connect=0.25))
    assert error.value.stage is Stage.CONNECT


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificate")
    key, chain = folder / "key.pem", folder / "chain.pem"
    subprocess.run(
        f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=volley-test -keyout {key} -out {chain} "
        "-addext subjectAltName=DNS:localhost "
        "-addext keyUsage=critical,digitalSignature,keyCertSign".split(),
        check=True,
        capture_output=True,
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain, key)
    return server, ssl.create_default_context(cafile=chain)


@pytest.mark.parametrize("mode", ["tls", "starttls"])
async def test_mail_goes_over_a_verified_line(certificate, mode):
    server_context, trusting = certificate
    async with FakeServer(tls=server_context, implicit_tls=mode == "tls") as server:
        session = await Session.open(server.sender(host="localhost", tls=mode), PATIENT, ssl_context=trusting)
        deliveries = await deliver_all(session, [mail(number, b"x" * 200_000) for number in range(5)])
        await session.close()
    assert [one.verdict.result for one in deliveries] == [SENT] * 5
    assert len(server.accepted) == 5
    assert ("STARTTLS" in server.commands) is (mode == "starttls")
    assert server.commands[-1] == "QUIT"


@pytest.mark.parametrize("mode", ["tls", "starttls"])
@pytest.mark.parametrize("fault", ["unknown authority", "other name"])
async def test_a_certificate_that_cannot_be_trusted_stops_everything(certificate, mode, fault):
    server_context, trusting = certificate
    context, host = (None, "localhost") if fault == "unknown authority" else (trusting, "127.0.0.1")
    async with FakeServer(tls=server_context, implicit_tls=mode == "tls", login=("u", "p")) as server:
        server_settings = server.sender(tls=mode, host=host, username="u", password="p")
        with pytest.raises(SmtpError, match="certificate") as error:
            await Session.open(server_settings, PATIENT, ssl_context=context)
        assert error.value.stage is Stage.TLS
        assert error.value.verdict.sender_fault
        assert not any(command.startswith("AUTH") for command in server.commands)


async def test_nothing_is_sent_unprotected_where_starttls_is_missing():
    async with FakeServer(login=("u", "p")) as server:
        with pytest.raises(SmtpError, match="offers no STARTTLS") as error:
            await Session.open(server.sender(tls="starttls", username="u", password="p"), PATIENT)
        assert error.value.verdict.sender_fault
        assert len(server.commands) == 1


@pytest.mark.parametrize("answer", [b"454 4.7.0 not now\r\n", HANG, DROP, b"220 go\r\n250 injected\r\n"])
async def test_a_starttls_that_fails_says_so(certificate, answer):
    server_context, trusting = certificate
    async with FakeServer({"starttls": answer}, tls=server_context) as server:
        opening = Session.open(server.sender(host="localhost", tls="starttls"), HASTY, ssl_context=trusting)
        if isinstance(answer, bytes) and b"injected" in answer:
            session = await opening  # what came in the clear was thrown away (RFC 3207 section 4.2)
            assert (await session.deliver(mail())).verdict.result is SENT
            session.abort()
            return
        with pytest.raises(SmtpError) as error:
            await opening
        assert error.value.stage is Stage.TLS
        assert error.value.verdict.result is DEFERRED


@pytest.mark.parametrize(("step", "result"), [("data", DEFERRED), ("dot", UNKNOWN)])
async def test_tls_that_breaks_in_the_middle_is_judged_like_any_loss(certificate, step, result):
    server_context, trusting = certificate
    async with FakeServer({step: DROP}, tls=server_context, implicit_tls=True) as server:
        session = await Session.open(server.sender(host="localhost", tls="tls"), HASTY, ssl_context=trusting)
        delivery = await session.deliver(mail(1), mail(2))
    assert (delivery.verdict.result, delivery.alive) == (result, False)


async def test_a_tls_port_that_never_speaks_is_given_up():
    async with FakeServer({"greeting": HANG}) as server:
        with pytest.raises(SmtpError) as error:
            await Session.open(server.sender(host="localhost", tls="tls"), HASTY)
        assert error.value.verdict.result is DEFERRED


# Signing in


@pytest.mark.parametrize("way", ["PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2 PLAIN LOGIN"])
async def test_the_right_password_signs_in(way):
    async with (
        FakeServer(extensions=(*EXTENSIONS, f"AUTH {way}"), login=("u@x", "pä:ss")) as server,
        opened(server, username="u@x", password="pä:ss") as session,
    ):
        assert (await session.deliver(mail())).verdict.result is SENT


@pytest.mark.parametrize("way", ["PLAIN", "LOGIN", "CRAM-MD5", "PLAIN LOGIN CRAM-MD5"])
async def test_a_wrong_password_is_the_senders_fault_and_is_tried_once(way):
    async with FakeServer(extensions=(*EXTENSIONS, f"AUTH {way}"), login=("u", "right")) as server:
        with pytest.raises(SmtpError) as error:
            await Session.open(server.sender(username="u", password="wrong"), PATIENT)
        assert (error.value.stage, error.value.verdict.sender_fault) == (Stage.AUTH, True)
        assert error.value.reply.text == "535 5.7.8 wrong user name or password"
        assert "wrong user" in str(error.value)
        assert sum(command.startswith("AUTH") for command in server.commands) == 1


async def test_another_way_to_sign_in_is_tried_where_the_server_lacks_the_first():
    answers = {"auth": [b"504 5.5.4 not that way\r\n"]}
    async with (
        FakeServer(answers, extensions=("AUTH CRAM-MD5 PLAIN",), login=("u", "p")) as server,
        opened(server, username="u", password="p") as session,
    ):
        assert session.usable


@pytest.mark.parametrize("extensions", [EXTENSIONS, (*EXTENSIONS, "AUTH GSSAPI")])
async def test_a_server_without_a_way_to_sign_in_is_the_senders_fault(extensions):
    async with FakeServer(extensions=extensions) as server:
        with pytest.raises(SmtpError, match="offers no sign-in") as error:
            await Session.open(server.sender(username="u", password="p"), PATIENT)
        assert error.value.verdict.sender_fault


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
        async with asyncio.timeout(5):
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
        assert delivery.text
