"""A delivery that was not sent tells its dialogue: of its own mail alone, in order, without secrets."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.core import reasons
from mailing.smtp.account import Sender
from mailing.smtp.dialogue import HIDDEN, Dialogue, Side
from mailing.smtp.replies import Stage, reply_from
from mailing.smtp.session import Session, SmtpError
from tests.support.smtp_server import DROP, EXTENSIONS, HANG, FakeServer
from tests.support.smtp_sessions import (
    FAILED,
    PATIENT,
    PLAIN,
    SENT,
    deliver_all,
    hasty,
    mail,
    opened,
)

SIGNING_IN = (*EXTENSIONS, "AUTH PLAIN LOGIN CRAM-MD5")
UNKNOWN_USER = b"550 5.1.1 no such user\r\n"
BODY = b"Subject: hi\r\n\r\nthe words of the message\r\n"


def words(lines) -> list[tuple[Side, Stage | None, str]]:
    return [(line.side, line.stage, str(line.words)) for line in lines]


@pytest.mark.parametrize("extensions", [EXTENSIONS, PLAIN], ids=["pipelining", "plain"])
async def test_only_what_was_not_sent_tells_its_dialogue_and_only_its_own(extensions):
    server = FakeServer({"rcpt": [b"250 ok\r\n", UNKNOWN_USER, b"250 ok\r\n"]}, extensions=extensions)
    async with server, opened(server) as session:
        first, second, third = await deliver_all(session, [mail(n, BODY) for n in (1, 2, 3)])
    assert [it.verdict.result for it in (first, second, third)] == [SENT, FAILED, SENT]
    assert not first.dialogue
    assert not third.dialogue
    told = words(second.dialogue)
    assert (Side.CLIENT, Stage.RCPT, "RCPT TO:<to2@example.net>") in told
    assert (Side.SERVER, Stage.RCPT, "550 5.1.1 no such user") in told
    assert not [text for _side, _stage, text in told if "to1@" in text or "to3@" in text]
    assert not [stage for _side, stage, _text in told if stage in {Stage.GREETING, Stage.HELLO}]
    assert [line.ms for line in second.dialogue] == sorted(line.ms for line in second.dialogue)
    assert second.dialogue[0].ms == 0


async def test_the_first_on_a_connection_tells_how_it_was_opened_too():
    async with FakeServer({"rcpt": UNKNOWN_USER}, extensions=PLAIN) as server, opened(server) as session:
        first, second = await deliver_all(session, [mail(1), mail(2)])
    assert [line.stage for line in first.dialogue] == [
        *(Stage.CONNECT, Stage.GREETING, Stage.HELLO, Stage.HELLO),
        *(Stage.MAIL, Stage.MAIL, Stage.RCPT, Stage.RCPT),
    ]
    assert second.dialogue[0].stage is Stage.MAIL
    assert [line.ms for line in first.dialogue] == sorted(line.ms for line in first.dialogue)


@pytest.mark.parametrize(
    ("answers", "ending"),
    [
        ({"dot": DROP}, "connection.closed"),
        ({"dot": HANG}, "connection.timeout"),
        ({"mail": DROP}, "connection.closed"),
    ],
)
async def test_a_loss_is_its_last_line(answers, ending):
    async with FakeServer(answers) as server, opened(server, hasty("dot")) as session:
        delivery = await session.deliver(mail(1, BODY))
    assert delivery.verdict.result is not SENT
    last = delivery.dialogue[-1]
    assert (last.side, reasons.code(last.words)) == (Side.NOTE, ending)
    assert "the words of the message" not in str(words(delivery.dialogue))


async def test_the_text_is_one_line_that_counts_its_bytes():
    long = mail(1, BODY + b"a line\r\n.a dot\r\n" * 20_000)
    async with FakeServer({"dot": b"554 5.7.1 spam\r\n"}) as server, opened(server) as session:
        delivery = await session.deliver(long)
    (text,) = [line for line in delivery.dialogue if line.stage is Stage.DOT and line.side is Side.CLIENT]
    assert text.words.values["n"] == len(long.data) + 20_000 + len(b".\r\n")


async def test_an_envelope_that_went_ahead_for_another_mail_is_in_nobodys_dialogue():
    server = FakeServer({"rcpt": [b"250 ok\r\n", b"250 other\r\n", UNKNOWN_USER]})
    async with server, opened(server) as session:
        assert (await session.deliver(mail(1), mail(2))).verdict.result is SENT
        other = await session.deliver(mail(3))
    text = str(words(other.dialogue))
    assert "to2@" not in text
    assert "250 other" not in text


@pytest.mark.parametrize(
    "answers", [{"greeting": b"554 5.3.2 no service\r\n"}, {"ehlo": DROP}, {"auth": b"535 5.7.8 wrong\r\n"}]
)
async def test_a_connection_that_cannot_be_opened_tells_how_far_it_came(answers):
    async with FakeServer(answers, extensions=SIGNING_IN, login=("ann", "s3cret")) as server:
        with pytest.raises(SmtpError) as caught:
            await Session.open(server.sender(username="ann", password="s3cret"), PATIENT)
    told = words(caught.value.dialogue)
    assert told[0][:2] == (Side.NOTE, Stage.CONNECT)
    assert told[-1][1] is caught.value.stage
    assert "s3cret" not in str(told)


async def test_a_server_that_nobody_runs_leaves_a_note():
    async with FakeServer() as server:
        sender = server.sender()
    with pytest.raises(SmtpError) as caught:
        await Session.open(sender, PATIENT)
    assert [line.side for line in caught.value.dialogue] == [Side.NOTE, Side.NOTE]


@given(
    password=st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters=" "), min_size=8),
    before=st.text(max_size=20),
)
def test_no_password_gets_into_it_whoever_repeats_it(password: str, before: str):
    sender = Sender("127.0.0.1", 25, username="ann@example.org", password=password)
    signing = f"\0{sender.username}\0{password}".encode()
    forms = {password, b64encode(password.encode()).decode(), b64encode(signing).decode()}
    dialogue = Dialogue(sender)
    dialogue.said(b"AUTH PLAIN " + b64encode(signing))
    for form in forms:
        dialogue.answered(reply_from(535, f"5.7.8 {before}{form} is wrong"))
        dialogue.note(Stage.AUTH, reasons.Reason("smtp.refused", server="s", reply=f"{form}!"))
    said = "\n".join(str(line.words) for line in dialogue.lines).replace(HIDDEN, "")
    # A password that is words of the sentences around it cannot be told from them.
    assert not [form for form in forms if form in said]


def test_what_signs_in_is_hidden_also_where_a_server_repeats_it():
    token = "ya29.a0AfH6SMBx-long-token"
    response = b64encode(f"user=ann@example.org\1auth=Bearer {token}\1\1".encode())
    dialogue = Dialogue(Sender("127.0.0.1", 25))
    dialogue.hide(token)
    dialogue.said(b"AUTH XOAUTH2 " + response)
    dialogue.answered(reply_from(334, "eyJzdGF0dXMiOiI0MDAifQ=="))
    dialogue.said(b"")
    dialogue.answered(reply_from(535, f"5.7.8 you said {response.decode()}, that is {token}"))
    text = str(words(dialogue.lines))
    assert token not in text
    assert response.decode() not in text


async def test_what_signed_in_is_hidden_in_every_later_mail_of_the_connection_too():
    token = b64encode(b"\0ann\0s3cret-of-ann").decode()
    answers = {"rcpt": f"550 5.1.1 no, {token}, s3cret-of-ann\r\n".encode()}
    server = FakeServer(answers, extensions=(*PLAIN, "AUTH PLAIN"), login=("ann", "s3cret-of-ann"))
    async with server, opened(server, username="ann", password="s3cret-of-ann") as session:
        deliveries = await deliver_all(session, [mail(n) for n in (1, 2, 3)])
    for delivery in deliveries:
        text = str(words(delivery.dialogue))
        assert HIDDEN in text
        assert token not in text
        assert "s3cret-of-ann" not in text


async def test_many_sent_mails_keep_nothing():
    async with FakeServer() as server, opened(server) as session:
        deliveries = await deliver_all(session, [mail(n) for n in range(200)])
        assert {it.verdict.result for it in deliveries} == {SENT}
        assert not [it for it in deliveries if it.dialogue]
        assert len(session._hearing._heard) < 10
