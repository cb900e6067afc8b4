"""What is said at the door for bounces: by SMTP and LMTP, in any portions, and never more than is allowed."""

from __future__ import annotations

import pytest

from mailing.bounces.receiving import ACCEPTED, LINE_MOST, RECIPIENTS_MOST, SIZE_MOST, Brought, Dialogue
from mailing.bounces.tokens import Returns, Tokens

DOMAIN = "bounces.x.example"
TO = Returns(DOMAIN, Tokens(b"k" * 32)).address(7, "t").encode()
HELLO = b"LHLO mx.y.example\r\nMAIL FROM:<>\r\n"


def talk(data: bytes, portion: int = 10**9) -> tuple[list[bytes], list[Brought]]:
    it, said, brought = Dialogue(DOMAIN, "here.example"), b"", []
    for at in range(0, len(data), portion):
        it.feed(data[at : at + portion])
        while True:
            replies, message = it.proceed()
            said += replies
            if message is None:
                break
            brought.append(message)
            said += it.answer(ACCEPTED, message)
    return said.splitlines(), brought


@pytest.mark.parametrize("portion", [1, 2, 7, 10**9])
def test_a_pipelined_message_is_taken_in_any_portions(portion: int) -> None:
    text = b"Subject: x\r\n\r\n..dots\r\n...\r\nend\r\n"
    data = HELLO + b"RCPT TO:<%b>\r\nDATA\r\n%b.\r\nQUIT\r\n" % (TO, text)
    said, (message,) = talk(data, portion)
    assert message == Brought(b"Subject: x\r\n\r\n.dots\r\n..\r\nend\r\n", (TO.decode(),))
    assert [line[:3] for line in said[-4:]] == [b"250", b"354", b"250", b"221"]


def test_lmtp_answers_once_for_each_recipient_and_smtp_once() -> None:
    for hello, times in ((b"LHLO", 2), (b"EHLO", 1)):
        data = b"%b y\r\nMAIL FROM:<>\r\nRCPT TO:<%b>\r\nRCPT TO:<fbl@%b>\r\nDATA\r\n.\r\n" % (
            *(hello, TO),
            DOMAIN.encode(),
        )
        said, (message,) = talk(data)
        assert message.raw == b""
        assert said.count(ACCEPTED.strip()) == times


@pytest.mark.parametrize(
    ("to", "code"),
    [
        (TO, b"250"),
        (TO.upper(), b"250"),
        (b"abuse@bounces.x.example", b"250"),
        (b"ann@bounces.x.example", b"550"),
        (TO.replace(b"bounces", b"other"), b"550"),
        (TO[:20] + b"@bounces.x.example", b"550"),
        (b"", b"550"),
    ],
)
def test_only_addresses_that_something_was_sent_from_are_taken(to: bytes, code: bytes) -> None:
    said, _ = talk(HELLO + b"RCPT TO:<%b>\r\n" % to)
    assert said[-1][:3] == code


def test_nothing_else_ends_a_message_than_a_dot_between_whole_line_ends() -> None:
    smuggled = b"a\n.\nMAIL FROM:<x@y>\r\n.\nb\r\n"
    said, (message,) = talk(HELLO + b"RCPT TO:<%b>\r\nDATA\r\n%b.\r\nNOOP\r\n" % (TO, smuggled))
    assert b"MAIL FROM" in message.raw
    assert said[-1] == b"250 2.0.0 Here"


def test_a_message_that_is_too_large_is_refused_and_its_memory_let_go() -> None:
    it = Dialogue(DOMAIN, "here.example")
    it.feed(HELLO + b"RCPT TO:<%b>\r\nDATA\r\n" % TO)
    it.proceed()
    for _ in range(SIZE_MOST // 1_000_000 + 5):
        it.feed(b"x" * 999_998 + b"\r\n")
        assert it.proceed() == (b"", None)
    it.feed(b".\r\nNOOP\r\n")
    said, brought = it.proceed()
    assert brought is None
    assert [line[:3] for line in said.splitlines()] == [b"552", b"250"]
    said, _ = talk(b"EHLO y\r\nMAIL FROM:<> SIZE=99999999999\r\n")
    assert said[-1][:3] == b"552"


@pytest.mark.parametrize(
    "data",
    [
        b"x" * (LINE_MOST + 1),
        b"WHAT\r\n" * 50,
        b"DATA\r\n" * 50,
        HELLO + b"RCPT TO:<a@y>\r\n" * 50,
        b"EHLO y\r\nMAIL FROM:x\r\n" * 50,
    ],
)
def test_a_connection_with_nothing_but_faults_ends(data: bytes) -> None:
    it = Dialogue(DOMAIN, "here.example")
    it.feed(data)
    it.proceed()
    assert it.over


def test_there_are_not_too_many_recipients() -> None:
    said, _ = talk(HELLO + (b"RCPT TO:<%b>\r\n" % TO) * (RECIPIENTS_MOST + 1))
    assert said[-1][:3] == b"452"
