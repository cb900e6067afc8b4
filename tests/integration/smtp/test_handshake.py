"""How a connection is opened, secured and signed in to, and what is said when it is not."""

import asyncio
import ssl

import pytest
import uvloop

from mailing.smtp.account import Sender
from mailing.smtp.replies import Stage
from mailing.smtp.rulebook import Follows
from mailing.smtp.session import Session, SmtpError, Timeouts
from tests.support.certificates import self_signed
from tests.support.smtp_server import DROP, EXTENSIONS, HANG, FakeServer
from tests.support.smtp_sessions import (
    DEFERRED,
    PATIENT,
    RETURNED,
    SENT,
    UNKNOWN,
    deliver_all,
    hasty,
    mail,
    opened,
)

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
    timeouts = hasty("connect", "greeting", "command") if HANG in answers.values() else PATIENT
    async with FakeServer(answers) as server:
        with pytest.raises(SmtpError) as error:
            await Session.open(server.sender(), timeouts)
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
    with pytest.raises(SmtpError, match="did not respond within") as error:
        await Session.open(Sender("127.0.0.1", 25), Timeouts(connect=0.25))
    assert error.value.stage is Stage.CONNECT


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    file = self_signed(tmp_path_factory.mktemp("certificate"), "DNS:localhost")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cafile=file)


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
        with pytest.raises(SmtpError, match="does not offer STARTTLS") as error:
            await Session.open(server.sender(tls="starttls", username="u", password="p"), PATIENT)
        assert error.value.verdict.sender_fault
        assert len(server.commands) == 1


@pytest.mark.parametrize("answer", [b"454 4.7.0 not now\r\n", HANG, DROP, b"220 go\r\n250 injected\r\n"])
async def test_a_starttls_that_fails_says_so(certificate, answer):
    server_context, trusting = certificate
    async with FakeServer({"starttls": answer}, tls=server_context) as server:
        timeouts = hasty("command") if answer is HANG else PATIENT
        sender = server.sender(host="localhost", tls="starttls")
        opening = Session.open(sender, timeouts, ssl_context=trusting)
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
        sender = server.sender(host="localhost", tls="tls")
        session = await Session.open(sender, PATIENT, ssl_context=trusting)
        delivery = await session.deliver(mail(1), mail(2))
    assert (delivery.verdict.result, delivery.alive) == (result, False)


async def test_a_tls_port_that_never_speaks_is_given_up():
    async with FakeServer({"greeting": HANG}) as server:
        with pytest.raises(SmtpError) as error:
            await Session.open(server.sender(host="localhost", tls="tls"), hasty("connect", "greeting"))
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


def signs_in_but_by(broken):
    """Answers of a server that offers a way to sign in and cannot check it."""

    async def auth(_transaction):
        return b"535 5.7.8 no\r\n" if commands[-1].startswith(f"AUTH {broken}") else None

    commands: list[str] = []
    return {"auth": auth}, commands


@pytest.mark.parametrize("auth", ["", "plain", "login"])
async def test_a_server_that_cannot_check_cram_md5_is_signed_in_to_by_another_way(auth):
    answers, commands = signs_in_but_by("CRAM-MD5")
    async with FakeServer(answers, extensions=("AUTH CRAM-MD5 LOGIN PLAIN",), login=("u", "p")) as server:
        server.commands = commands
        async with opened(server, username="u", password="p", auth=auth) as session:
            assert session.usable
    assert sum(command.startswith("AUTH") for command in commands) == 1


async def test_a_refused_sign_in_names_the_way_and_how_to_choose_another():
    answers, commands = signs_in_but_by("CRAM-MD5")
    async with FakeServer(answers, extensions=("AUTH CRAM-MD5 LOGIN PLAIN",), login=("u", "p")) as server:
        server.commands = commands
        with pytest.raises(SmtpError, match="rejected the sign-in \\(CRAM-MD5\\)") as error:
            await Session.open(server.sender(username="u", password="p", auth="cram-md5"), PATIENT)
    assert "choose another sign-in method for this sender: plain, login." in str(error.value)


async def test_a_way_to_sign_in_that_is_not_offered_is_not_replaced_by_another():
    async with FakeServer(extensions=("AUTH LOGIN",), login=("u", "p")) as server:
        with pytest.raises(SmtpError, match=r"sign-in method plain. It offers: login.") as error:
            await Session.open(server.sender(username="u", password="p", auth="plain"), PATIENT)
    assert error.value.verdict.sender_fault
    assert not any(command.startswith("AUTH") for command in server.commands)


@pytest.mark.parametrize(
    ("peer", "first"),
    [("192.0.2.1", "cram-md5"), ("127.0.0.1", "plain"), ("::1", "plain"), ("fe80::1%eth0", "cram-md5")],
)
async def test_on_a_line_that_others_may_read_the_password_itself_goes_last(monkeypatch, peer, first):
    monkeypatch.setattr(
        "aiosmtplib.SMTP.get_transport_info",
        lambda _client, key: (peer, 25) if key.endswith("name") else None,
    )
    async with (
        FakeServer(extensions=("AUTH PLAIN LOGIN CRAM-MD5",), login=("u", "p")) as server,
        opened(server, username="u", password="p"),
    ):
        [command] = [command for command in server.commands if command.startswith("AUTH")]
    assert command.lower().startswith(f"auth {first}")


async def test_a_temporary_fault_of_the_sign_in_has_the_sender_wait():
    answers = {"auth": b"454 4.7.0 Too many login attempts, please try again later\r\n"}
    async with FakeServer(answers, extensions=("AUTH PLAIN",), login=("u", "p")) as server:
        with pytest.raises(SmtpError) as error:
            await Session.open(server.sender(username="u", password="p"), PATIENT)
    assert (error.value.verdict.result, error.value.verdict.follows) == (RETURNED, Follows.REST)


@pytest.mark.parametrize(
    ("limits", "most"),
    [("LIMITS MAILMAX=20 RCPTMAX=100", 20), ("LIMITS rcptmax=1", 0), ("LIMITS MAILMAX=many", 0), ("SIZE", 0)],
)
async def test_how_many_mails_a_server_takes_on_a_connection_is_read(limits, most):
    async with FakeServer(extensions=(limits,)) as server, opened(server) as session:
        assert session.most == most


@pytest.mark.parametrize("extensions", [EXTENSIONS, (*EXTENSIONS, "AUTH GSSAPI")])
async def test_a_server_without_a_way_to_sign_in_is_the_senders_fault(extensions):
    async with FakeServer(extensions=extensions) as server:
        with pytest.raises(SmtpError, match="offers no supported sign-in") as error:
            await Session.open(server.sender(username="u", password="p"), PATIENT)
        assert error.value.verdict.sender_fault
