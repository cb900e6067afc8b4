"""What both sides of a connection say is written down, and no secret with it."""

from __future__ import annotations

import ssl
from base64 import b64encode

import pytest

from mailing.core import reasons
from mailing.smtp.dialogue import HIDDEN, LINE_MOST, LINES_MOST, Dialogue, Side
from mailing.smtp.replies import Stage, reply_from
from mailing.smtp.session import Session
from mailing.smtp.trial import carry
from tests.support.certificates import self_signed
from tests.support.smtp_server import DROP, EXTENSIONS, FakeServer
from tests.support.smtp_sessions import PATIENT, PLAIN, mail

SECRET = "s3cret-Ünïcode"
FORMS = (
    SECRET,
    b64encode(SECRET.encode()).decode(),
    b64encode(f"\0ann\0{SECRET}".encode()).decode(),
)


SIGNING_IN = (*EXTENSIONS, "AUTH CRAM-MD5 PLAIN LOGIN")


async def told(server: FakeServer, **settings: object):
    sender = server.sender(**settings)
    dialogue = Dialogue(sender)
    outcome = await carry(sender, mail(), dialogue)
    return dialogue.lines, outcome


def said(lines, side: Side) -> list[tuple[Stage | None, str]]:
    return [(line.stage, str(line.words)) for line in lines if line.side is side]


@pytest.mark.parametrize("pipelining", [True, False])
async def test_each_command_and_reply_stands_at_its_stage_in_the_order_of_the_clock(pipelining):
    server = FakeServer() if pipelining else FakeServer(extensions=PLAIN)
    async with server:
        lines, outcome = await told(server)
    assert outcome.accepted
    client, answers = said(lines, Side.CLIENT), said(lines, Side.SERVER)
    assert [stage for stage, _text in client] == [
        *(Stage.HELLO, Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.DOT),
        None,
    ]
    assert client[1][1].startswith("MAIL FROM:<from@example.org>")
    assert client[4][1] == "25 bytes of the message, with the final dot"
    assert client[5] == (None, "QUIT")
    assert [stage for stage, _text in answers] == [
        *(Stage.GREETING, Stage.HELLO, Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.DOT),
        None,
    ]
    assert answers[0][1] == "220 fake ESMTP"
    assert "PIPELINING" in answers[1][1] or not pipelining
    assert [line.ms for line in lines] == sorted(line.ms for line in lines)
    assert reasons.code(lines[0].words) == "dialogue.connecting"


@pytest.mark.parametrize("way", ["plain", "login", "cram-md5"])
@pytest.mark.parametrize("password", [SECRET, "another"])
async def test_a_password_is_never_in_it_however_one_signs_in(way, password):
    async with FakeServer(extensions=SIGNING_IN, login=("ann", password)) as server:
        lines, outcome = await told(server, username="ann", password=SECRET, auth=way)
    assert outcome.accepted is (password == SECRET)
    signing = [text for stage, text in said(lines, Side.CLIENT) if stage is Stage.AUTH]
    assert signing[0].split(" ")[:2] == ["AUTH", way.upper()]
    assert all(text == HIDDEN or text.startswith("AUTH ") for text in signing)
    everything = "\n".join(str(line.words) for line in lines)
    assert not [form for form in FORMS if form in everything]
    assert "b'" not in everything


async def test_a_server_that_repeats_a_password_does_not_bring_it_in_either():
    spoken = " ".join(FORMS)
    async with FakeServer(
        {"auth": f"535 5.7.8 wrong: {spoken}\r\n".encode()}, extensions=SIGNING_IN, login=("ann", SECRET)
    ) as server:
        lines, outcome = await told(server, username="ann", password=SECRET, auth="plain")
    assert not outcome.accepted
    refusal = next(text for stage, text in said(lines, Side.SERVER) if stage is Stage.AUTH)
    assert refusal == f"535 5.7.8 wrong: {HIDDEN} {HIDDEN} {HIDDEN}"


async def test_a_line_is_told_to_be_encrypted_from_when_it_is(tmp_path):
    file = self_signed(tmp_path, "DNS:localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    trusting = ssl.create_default_context(cafile=file)
    async with FakeServer(tls=context) as server:
        sender = server.sender(tls="starttls", host="localhost")
        dialogue = Dialogue(sender)
        session = await Session.open(sender, PATIENT, ssl_context=trusting, dialogue=dialogue)
        await session.close()
    stages = [line.stage for line in dialogue.lines]
    assert stages.count(Stage.TLS) == 4
    assert stages.count(Stage.HELLO) == 4, "said again, as what was offered before counts no more"
    assert "encrypted with TLSv1" in next(text for _stage, text in said(dialogue.lines, Side.NOTE)[1:])


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"rcpt": b"550 5.1.1 no such user\r\n"}, "550 5.1.1 no such user"),
        ({"dot": b"554 5.7.1 spam\r\n"}, "554 5.7.1 spam"),
        ({"dot": DROP}, "connection"),
        ({"greeting": b"554 5.3.2 no service\r\n"}, "554 5.3.2 no service"),
    ],
)
async def test_a_refusal_or_a_loss_ends_it_with_its_reason(answers, words):
    async with FakeServer(answers) as server:
        _lines, outcome = await told(server)
    assert not outcome.accepted
    assert words in str(outcome.words)


async def test_a_long_message_is_one_line_of_it():
    async with FakeServer() as server:
        sender = server.sender()
        dialogue = Dialogue(sender)
        long = mail(data=b"Subject: hi\r\n\r\n" + b"x" * 70 + b"\r\n" + b"a line of text\r\n" * 20_000)
        assert (await carry(sender, long, dialogue)).accepted
    assert len([line for line in dialogue.lines if line.stage is Stage.DOT]) == 2


async def test_it_is_bounded_whatever_is_said():
    async with FakeServer() as server:
        dialogue = Dialogue(server.sender())
    for _ in range(2 * LINES_MOST):
        dialogue.said(b"NOOP\r\n")
        dialogue.answered(reply_from(250, "x" * 2 * LINE_MOST))
    assert len(dialogue.lines) == LINES_MOST
    assert max(len(str(line.words)) for line in dialogue.lines) == LINE_MOST
