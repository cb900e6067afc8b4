"""The demo inbox as a process: what each address is told, what is kept, how it starts and stops."""

from __future__ import annotations

import select
import signal
import smtplib
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from mailing.demo_inbox import RECIPIENTS_LIMIT
from mailing.demo_inbox_file import FILE, KEPT, RAW_LIMIT, arrived, get, latest, page
from tests.support.clock import within
from tests.support.processes import Keeper
from tests.support.stack import free_port, quickest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WAIT_S = 30
STOP_S = 1.5  # a second, and some for a busy machine
HONCHO_WAITS_S = 5


class Inbox:
    """An inbox process on a port of its own, with ``folder`` as its instance folder."""

    def __init__(self, folder: Path, *, port: int | None = None, **variables: str) -> None:
        self.port = port or free_port()
        self.path = folder / FILE
        arguments = [] if variables else ["--port", str(self.port)]
        self.keeper = Keeper()
        self.process = self.keeper.start(
            [sys.executable, "-m", "mailing.demo_inbox", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={"VOLLEY_INSTANCE": str(folder)} | variables,
        )

    def first_line(self) -> str:
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], WAIT_S)[0], "the inbox said nothing"
        return self.process.stdout.readline()

    def stop(self, number: int = signal.SIGTERM) -> float:
        """Stop it and return how many seconds that took."""
        start = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(WAIT_S)
        return time.monotonic() - start

    def close(self) -> None:
        self.keeper.end()

    def client(self) -> smtplib.SMTP:
        client = smtplib.SMTP("127.0.0.1", self.port, timeout=WAIT_S)
        client.ehlo("test.example")
        return client

    def wait_for(self, total: int) -> None:
        """Wait until ``total`` messages are in its file: they are written shortly after the reply."""
        until = time.monotonic() + WAIT_S
        while arrived(self.path) < total:
            assert time.monotonic() < until, f"{arrived(self.path)} of {total} messages arrived"
            select.select([], [], [], 0.02)


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    with closing(Inbox(tmp_path)) as inbox:
        assert f"127.0.0.1:{inbox.port}" in inbox.first_line()
        yield inbox


def send(
    client: smtplib.SMTP, recipient: str, body: bytes = b"Subject: Hello\r\n\r\nHi\r\n"
) -> tuple[int, bytes]:
    """Send one message and return the reply that decided over it."""
    client.rset()
    client.mail("list@sender.example")
    code, reply = client.rcpt(recipient)
    return client.data(body) if code == 250 else (code, reply)


def test_the_inbox_announces_what_it_can_do(inbox: Inbox):
    with inbox.client() as client:
        assert {"size", "8bitmime", "smtputf8", "pipelining"} <= set(client.esmtp_features)


@pytest.mark.parametrize(
    ("recipient", "replies"),
    [
        ("ann@x.example", ["250 2.0.0", "250 2.0.0"]),
        ("ann+news@x.example", ["250 2.0.0"]),
        ("ann+bounce@x.example", ["550 5.1.1", "550 5.1.1"]),
        ("ann+full@x.example", ["452 4.2.2", "452 4.2.2"]),
        ("ann+later@x.example", ["451 4.7.1", "250 2.0.0", "451 4.7.1", "250 2.0.0"]),
    ],
)
def test_the_end_of_the_local_part_decides_the_reply(inbox: Inbox, recipient: str, replies: list[str]):
    with inbox.client() as client:
        for expected in replies:
            code, text = send(client, recipient)
            assert f"{code} {text.decode()}".startswith(expected)
    inbox.wait_for(sum(reply.startswith("250") for reply in replies))


def test_a_slow_address_is_answered_two_seconds_after_the_dot(inbox: Inbox):
    with inbox.client() as client:
        start = time.monotonic()
        assert send(client, "ann+slow@x.example")[0] == 250
        assert time.monotonic() - start >= 2


def test_a_dropped_message_counts_as_received_but_gets_no_reply(inbox: Inbox):
    with inbox.client() as client, pytest.raises(smtplib.SMTPServerDisconnected):
        send(client, "ann+drop@x.example")
    inbox.wait_for(1)
    assert latest(inbox.path)[0].recipient == "ann+drop@x.example"


def test_pipelined_commands_are_answered_in_order(inbox: Inbox):
    """RFC 2920: a whole envelope, and the next one behind the dot, each in one packet."""
    with closing(socket.create_connection(("127.0.0.1", inbox.port), WAIT_S)) as line:
        replies = line.makefile("rb")
        replies.readline()
        line.sendall(b"EHLO test.example\r\n")
        while not replies.readline().startswith(b"250 "):
            pass
        line.sendall(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c+bounce@d.example>\r\nDATA\r\nRSET\r\n")
        assert [replies.readline()[:3] for _ in range(4)] == [b"250", b"550", b"503", b"250"]
        envelope = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c%d@d.example>\r\nDATA\r\n"
        line.sendall(envelope % 1)
        assert [replies.readline()[:3] for _ in range(3)] == [b"250", b"250", b"354"]
        line.sendall(b"Subject: one\r\n\r\n..dot\r\n.\r\n" + envelope % 2)
        assert [replies.readline()[:3] for _ in range(4)] == [b"250", b"250", b"250", b"354"]
        line.sendall(b"Subject: two\r\n\r\n.\r\nQUIT\r\n")
        assert [replies.readline()[:3] for _ in range(2)] == [b"250", b"221"]
        replies.close()
    inbox.wait_for(2)
    two, one = latest(inbox.path)
    assert (one.recipient, one.raw) == ("c1@d.example", b"Subject: one\r\n\r\n.dot\r\n")
    assert (two.recipient, two.subject) == ("c2@d.example", "two")


def message(number: int | str) -> bytes:
    return f"Message-ID: <{number}@s.example>\r\nSubject: {number}\r\n\r\n".encode()


def at_once(inbox: Inbox, *errands: tuple[str, bytes]) -> list[str]:
    """Bring each message on a connection of its own, all at the same time; return the replies in order."""
    ready = threading.Barrier(len(errands))

    def bring(errand: tuple[str, bytes]) -> str:
        with inbox.client() as client:
            ready.wait(WAIT_S)
            code, text = send(client, *errand)
            return f"{code} {text.decode()}"

    with ThreadPoolExecutor(len(errands)) as pool:
        return list(pool.map(bring, errands))


def test_each_reply_names_the_number_that_its_message_has_on_the_page(inbox: Inbox):
    """A slow one too, although others arrive before its reply."""
    errands = [(f"p{n}{'+slow' if n % 2 else ''}@x.example", message(n)) for n in range(40)]
    numbers = [int(reply.rpartition(" ")[2]) for reply in at_once(inbox, *errands)]
    assert sorted(numbers) == list(range(1, 41))
    inbox.wait_for(40)
    for (address, _raw), number in zip(errands, numbers, strict=True):
        mail = get(inbox.path, number)
        assert mail is not None
        assert mail.recipient == address


def test_a_message_for_several_is_told_all_its_numbers(inbox: Inbox):
    with inbox.client() as client:
        send(client, "a@x.example")
        client.mail("list@s.example")
        for name in "bcd":
            client.rcpt(f"{name}@x.example")
        assert client.data(message(1)) == (250, b"2.0.0 Accepted as messages 2 to 4")


def test_later_puts_off_each_message_once_however_many_come_to_the_address_at_a_time(inbox: Inbox):
    errands = [("ann+later@x.example", message(n)) for n in range(30)]
    assert {reply[:9] for reply in at_once(inbox, *errands)} == {"451 4.7.1"}
    assert {reply[:9] for reply in at_once(inbox, *errands)} == {"250 2.0.0"}
    inbox.wait_for(30)
    assert sorted(int(mail.subject) for mail in latest(inbox.path)) == list(range(30))


def test_of_one_message_that_comes_twice_at_once_one_is_put_off(inbox: Inbox):
    replies = at_once(inbox, *[("ann+later@x.example", message(1))] * 2)
    assert sorted(reply[:3] for reply in replies) == ["250", "451"]


def test_a_message_to_two_later_addresses_is_put_off_once_for_both(inbox: Inbox):
    def both(client: smtplib.SMTP) -> int:
        client.mail("list@s.example")
        client.rcpt("ann+later@x.example")
        client.rcpt("bob+LATER@x.example")
        return client.data(message(1))[0]

    with inbox.client() as client:
        assert [both(client), both(client)] == [451, 250]
    inbox.wait_for(2)


def test_what_was_put_off_is_accepted_after_a_restart(tmp_path: Path):
    replies = []
    for _ in range(3):
        with closing(Inbox(tmp_path)) as inbox:
            inbox.first_line()
            with inbox.client() as client:
                replies += [send(client, "ann+later@x.example", message(n))[0] for n in range(2)]
            inbox.stop()
    assert replies == [451, 451, 250, 250, 451, 451]


def test_no_message_has_too_many_recipients(inbox: Inbox):
    with inbox.client() as client:
        client.mail("list@s.example")
        client.send(b"".join(b"RCPT TO:<p%d@x.example>\r\n" % n for n in range(RECIPIENTS_LIMIT + 1)))
        codes = [client.getreply()[0] for _ in range(RECIPIENTS_LIMIT + 1)]
    assert codes == [250] * RECIPIENTS_LIMIT + [452]


@pytest.mark.parametrize("command", [b"MAIL FROM:<\xff@x> SMTPUTF8", b"RCPT TO:<\xfe@x.example>"])
def test_an_address_that_is_no_text_is_refused_and_harms_nobody(inbox: Inbox, command: bytes):
    with inbox.client() as client:
        if command.startswith(b"RCPT"):
            client.mail("list@s.example", ["SMTPUTF8"])
        client.send(command + b"\r\n")
        assert client.getreply()[0] == 553
        assert send(client, "ann@x.example")[0] == 250
    inbox.wait_for(1)
    assert inbox.process.poll() is None


def test_subject_and_message_id_are_read_whatever_their_encoding(inbox: Inbox):
    with inbox.client() as client:
        send(client, "a@x.example", b"Subject: =?utf-8?q?h=C3=A9?=\r\nMessage-ID:\r\n <1@x>\r\n\r\n")
        send(client, "a@x.example", "Subject: hé\r\nMessage-ID: <2@x>\r\n\r\n".encode())
        send(client, "a@x.example", b"Subject: =?no-such?q?h?=\r\n\r\n")
        send(client, "a@x.example", b"\r\nno header at all\r\n")
    inbox.wait_for(4)
    mails = latest(inbox.path)[::-1]
    assert [mail.subject for mail in mails] == ["hé", "hé", "h", ""]
    assert [mail.message_id for mail in mails] == ["<1@x>", "<2@x>", "", ""]


def test_mail_is_read_by_key_newest_first(inbox: Inbox):
    with inbox.client() as client:
        for number in range(5):
            send(client, f"a{number}@x.example")
    inbox.wait_for(5)
    first = page(inbox.path, limit=2)
    assert [line.id for line in first.lines] == [5, 4]
    assert [line.id for line in page(inbox.path, before=first.older, limit=2).lines] == [3, 2]
    third = get(inbox.path, 3)
    assert third is not None
    assert (third.recipient, third.envelope_from) == ("a2@x.example", "list@sender.example")
    assert abs(third.at - time.time() * 1000) < 60_000
    assert get(inbox.path, 6) is None


def test_only_the_newest_messages_are_kept_and_all_are_counted(inbox: Inbox):
    with inbox.client() as client:
        client.mail("list@sender.example")
        for number in range(KEPT + 10):
            client.rcpt(f"a{number}@x.example")
        client.data(b"Subject: many\r\n\r\n" + b"x" * 70 + b"\r\n")
        inbox.wait_for(KEPT + 10)
        send(client, "last@x.example", (b"x" * 70 + b"\r\n") * (RAW_LIMIT // 70))
    inbox.wait_for(KEPT + 11)
    kept = latest(inbox.path, limit=10 * KEPT)
    assert [kept[0].id, kept[-1].id] == [KEPT + 11, 12]
    assert len(kept[0].raw) == RAW_LIMIT


def test_an_inbox_that_never_ran_is_empty(tmp_path: Path):
    path = tmp_path / FILE
    assert (latest(path), get(path, 1), arrived(path)) == ([], None, 0)
    assert not path.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_within_a_second_and_nothing_received_is_lost(tmp_path: Path, number: int):
    def stop() -> float:
        before = arrived(tmp_path / FILE)
        with closing(Inbox(tmp_path)) as inbox:
            inbox.first_line()
            with inbox.client() as client:
                assert send(client, "a@x.example")[0] == 250
                seconds = inbox.stop(number)
                assert inbox.process.returncode == 0
                client.close()
        assert arrived(tmp_path / FILE) == before + 1
        return seconds

    assert quickest(stop, STOP_S) < STOP_S


def test_a_taken_port_is_one_clear_sentence(inbox: Inbox, tmp_path: Path):
    with closing(Inbox(tmp_path, port=inbox.port)) as second:
        assert f"127.0.0.1:{inbox.port} is in use by another program" in second.first_line()
        assert second.process.wait(WAIT_S) == 1


def test_a_file_that_is_no_database_is_one_clear_sentence(tmp_path: Path):
    (tmp_path / FILE).write_text("not a database" * 1000)
    with closing(Inbox(tmp_path)) as inbox:
        assert "Delete that file" in inbox.first_line()
        assert inbox.process.wait(WAIT_S) == 1


def test_it_is_there_for_what_is_rehearsed_when_mail_goes_to_a_real_server(tmp_path: Path):
    address = f"127.0.0.1:{free_port()}"
    real = {"VOLLEY_SMTP_URL": "smtp+starttls://mail.example.com", "VOLLEY_DEMO_INBOX": address}
    with closing(Inbox(tmp_path, **real)) as inbox:
        assert f"Demo inbox on {address}" in inbox.first_line()
        with closing(Inbox(tmp_path, **real)) as second:  # it needs nothing, so it ends nothing
            assert f"{address} is in use by another program" in second.first_line()
            with within(HONCHO_WAITS_S):
                second.stop()
            assert second.process.returncode == 0


def test_it_does_not_start_where_the_demo_inbox_is_another_machines(tmp_path: Path):
    with closing(Inbox(tmp_path, VOLLEY_DEMO_INBOX="rehearsals:1025")) as inbox:
        assert "VOLLEY_DEMO_INBOX names rehearsals:1025" in inbox.first_line()
        with within(HONCHO_WAITS_S):
            inbox.stop()
        assert inbox.process.returncode == 0


def test_the_file_is_in_wal_mode_so_that_readers_never_wait(inbox: Inbox):
    with closing(sqlite3.connect(inbox.path)) as rows:
        assert rows.execute("PRAGMA journal_mode").fetchone() == ("wal",)
