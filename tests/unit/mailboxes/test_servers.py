"""Servers that hang, talk nonsense or lie: each is told apart in words, and nothing waits for ever."""

from __future__ import annotations

import base64
import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.mailboxes.faults import MailboxError
from mailing.mailboxes.imap import Imap, utf7
from mailing.mailboxes.line import Line, Server, StoppedError
from mailing.mailboxes.pop3 import Pop3

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ANSWER_S = 0.6
GREETING = b"* OK here\r\n"


@contextmanager
def serving(talk: Callable[[socket.socket], None]) -> Iterator[Server]:
    """A server that talks so to whoever comes."""
    with socket.create_server(("127.0.0.1", 0)) as there:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    line, _ = there.accept()
                    with line, suppress(OSError):
                        talk(line)

        threading.Thread(target=serve, daemon=True).start()
        yield Server("127.0.0.1", there.getsockname()[1], "none")


def script(*answers: bytes) -> Callable[[socket.socket], None]:
    """Say the first at once, and each other after a command; ``%t`` is the command's tag."""

    def talk(line: socket.socket) -> None:
        line.sendall(answers[0])
        for answer in answers[1:]:
            command = line.recv(4096)
            line.sendall(answer.replace(b"%t", command.split(b" ")[0]))
        while line.recv(4096):
            pass

    return talk


_lines: list[Line] = []


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    yield
    while _lines:
        _lines.pop().close()


def line_to(server: Server, stop: threading.Event | None = None, answer_s: float = ANSWER_S) -> Line:
    _lines.append(Line(server, stop or threading.Event(), answer_s))
    return _lines[-1]


def imap(server: Server, keep: int = 1000) -> Imap:
    client = Imap(line_to(server), keep)
    client.begin(secure=False, optional=False)
    return client


CAPABILITY = b"* CAPABILITY IMAP4rev1\r\n%t OK\r\n"


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(MailboxError) as refused:
        call()
    return refused.value.reason.code


@pytest.mark.parametrize(
    ("talk", "code"),
    [
        (lambda line: time.sleep(1.5), "mailbox.silent"),
        (lambda line: line.close(), "mailbox.closed"),
        (script(b"* BYE no room\r\n"), "mailbox.said-no"),
        (script(b"220 smtp.example.org\r\n" * 50), "mailbox.garbled"),
        (script(b"x" * 200_000), "mailbox.garbled"),
        (script(GREETING), "mailbox.silent"),
        (script(GREETING, b"* BYE\r\n"), "mailbox.said-no"),
        (script(GREETING, b"nonsense\r\n" * 100), "mailbox.garbled"),
        (script(GREETING, b"* CAPABILITY {999999999999}\r\n"), "mailbox.garbled"),
        (script(GREETING, b"%t BAD what\r\n"), "mailbox.said-no"),
    ],
    ids=[
        *(
            "hangs",
            "closes",
            "bye",
            "smtp",
            "no-line-end",
            "silent-later",
            "bye-later",
            "garbage",
            "huge",
            "bad",
        ),
    ],
)
def test_a_server_that_is_no_imap_server_is_told_apart_in_time(
    talk: Callable[[socket.socket], None], code: str
) -> None:
    begun = time.monotonic()
    with serving(talk) as server:
        assert code_of(lambda: imap(server)) == code
    assert time.monotonic() - begun < 10 * ANSWER_S


def test_a_few_lines_of_garbage_are_passed_over() -> None:
    with serving(script(b"hello?\r\n" + GREETING, b"what\r\n" + CAPABILITY)) as server:
        assert b"IMAP4REV1" in imap(server).offers


def test_of_a_literal_that_is_longer_than_promised_only_the_beginning_is_kept() -> None:
    fetched = b"* 1 FETCH (UID 5 BODY[] {50000}\r\n" + b"y" * 50_000 + b")\r\n%t OK\r\n"
    with serving(script(GREETING, CAPABILITY, fetched)) as server:
        assert imap(server, keep=10).fetch([5]) == {5: b"y" * 10}


def test_uid_and_body_come_in_any_order_and_other_messages_are_left_out() -> None:
    said = (
        b"* 1 FETCH (BODY[] {2}\r\nab UID 5)\r\n* 2 FETCH (UID 6 FLAGS (\\Seen))\r\n"
        b"* 3 FETCH (UID 9 BODY[] {1}\r\nz)\r\n%t OK\r\n"
    )
    with serving(script(GREETING, CAPABILITY, said)) as server:
        assert imap(server).fetch([5, 6]) == {5: b"ab"}


def test_what_happens_just_before_a_server_waits_ends_the_waiting() -> None:
    said = (b"* 4 EXISTS\r\n+ idling\r\n", b"V2 OK done\r\n")
    begun = time.monotonic()
    with serving(script(GREETING, CAPABILITY, *said)) as server:
        imap(server).idle(60.0)
    assert time.monotonic() - begun < 10


def test_the_last_message_that_a_server_adds_to_every_range_is_not_fetched_again() -> None:
    said = b"* 9 FETCH (UID 7 RFC822.SIZE 10)\r\n%t OK\r\n"
    with serving(script(GREETING, CAPABILITY, said)) as server:
        assert imap(server).sizes(8, 0) == []


def test_a_server_that_wants_to_know_who_comes_is_told() -> None:
    heard: list[bytes] = []

    def talk(line: socket.socket) -> None:
        line.sendall(GREETING)
        for answer in (CAPABILITY, b"%t OK\r\n", b"* CAPABILITY ID\r\n%t OK\r\n", b"%t OK\r\n"):
            heard.append(command := line.recv(4096))
            line.sendall(answer.replace(b"%t", command.split(b" ")[0]))
        line.recv(10)

    with serving(talk) as server:
        imap(server).sign_in("ann", "p")
    assert heard[1].endswith(b' LOGIN "ann" "p"\r\n')
    assert b' ID ("name" "Volley"' in heard[3]


def test_an_error_of_a_token_is_acknowledged_and_told() -> None:
    said = (
        GREETING,
        b"* CAPABILITY AUTH=XOAUTH2 SASL-IR\r\n%t OK\r\n",
        b"+ eyJzdGF0dXMiOiI0MDAifQ==\r\n",
        b"V2 NO expired\r\n",
    )
    with serving(script(*said)) as server:
        client = imap(server)
        assert code_of(lambda: client.sign_in_by_token("ann", "token")) == "mailbox.said-no"


def test_a_stop_is_seen_while_a_server_hangs() -> None:
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    begun = time.monotonic()
    with serving(script(b"")) as server, pytest.raises(StoppedError):
        Imap(line_to(server, stop, 60.0), 10).begin(secure=False, optional=False)
    assert time.monotonic() - begun < 3


def test_nobody_there_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as there:
        port = there.getsockname()[1]
    assert code_of(lambda: line_to(Server("127.0.0.1", port, "none"))) == ("mailbox.connection-refused")


def test_no_password_goes_over_a_line_whose_tls_is_hidden() -> None:
    with serving(script(GREETING, CAPABILITY)) as server:
        client = Imap(line_to(server), 10)
        assert code_of(lambda: client.begin(secure=True, optional=False)) == "mailbox.no-starttls"


def pop3(server: Server, keep: int = 100_000) -> Pop3:
    client = Pop3(line_to(server), keep)
    client.begin(secure=False, optional=False)
    return client


def test_a_message_over_pop3_may_have_long_lines_and_lines_that_begin_with_a_dot() -> None:
    text = b"a\r\n..b\r\n" + b"c" * 150_000 + b"\r\n...\r\n.\r\n"
    with serving(script(b"+OK\r\n", b"-ERR\r\n", b"+OK\r\n" + text)) as server:
        found = pop3(server, keep=1_000_000).fetch(1, whole=True)
    assert found == b"a\r\n.b\r\n" + b"c" * 150_000 + b"\r\n..\r\n"


def test_a_token_signs_in_over_pop3_and_an_error_of_it_is_acknowledged() -> None:
    heard: list[bytes] = []

    def talk(line: socket.socket, *after: bytes) -> None:
        for answer in (b"+OK\r\n", b"+OK\r\nSASL XOAUTH2\r\n.\r\n", b"+ \r\n", *after):
            line.sendall(answer)
            heard.append(line.recv(4096))

    with serving(lambda line: talk(line, b"+OK in\r\n")) as server:
        pop3(server).sign_in_by_token("ann", "token")
    secret = base64.b64encode(b"user=ann\1auth=Bearer token\1\1")
    assert heard[1:3] == [b"AUTH XOAUTH2\r\n", secret + b"\r\n"]
    heard.clear()
    with serving(lambda line: talk(line, b"+ eyJzdGF0dXMiOiI0MDAifQ==\r\n", b"-ERR expired\r\n")) as server:
        assert code_of(lambda: pop3(server).sign_in_by_token("ann", "old")) == "mailbox.said-no"
    assert heard[3] == b"\r\n"
    with serving(script(b"+OK\r\n", b"-ERR\r\n", b"-ERR what\r\n")) as server:
        code = code_of(lambda: pop3(server).sign_in_by_token("ann", "token"))
    assert code == "mailbox.sign-in-not-offered"


def test_a_pop3_server_without_unique_ids_is_told() -> None:
    with serving(script(b"+OK\r\n", b"+OK\r\nSTLS\r\n.\r\n", b"-ERR\r\n")) as server:
        assert code_of(pop3(server).there) == "mailbox.no-uidl"


@given(st.text(max_size=30).filter(lambda it: it.isprintable()))
def test_the_name_of_a_folder_is_ascii_and_every_name_its_own(name: str) -> None:
    assert utf7(name).isascii()
    assert (utf7(name) == name) == (name.isascii() and "&" not in name)


def test_names_of_folders_are_written_as_the_standard_has_it() -> None:
    assert utf7("~peter/mail/台北/日本語") == "~peter/mail/&U,BTFw-/&ZeVnLIqe-"  # RFC 3501 section 5.1.3
    assert utf7("a & b") == "a &- b"
