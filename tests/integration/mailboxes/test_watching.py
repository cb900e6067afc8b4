"""A mailbox is watched: its server is away for a day, tells at once, or brings what nobody can read."""

from __future__ import annotations

import time
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from mailing.bounces import matching, reading
from mailing.bounces.reading import Kind, Report
from mailing.bounces.tables import report_texts, reports
from mailing.core.reasons import Reason
from mailing.mailboxes import watching
from mailing.mailboxes.faults import MailboxError
from mailing.mailboxes.watching import Watcher
from tasks.commands import bounces as commands
from tasks.commands import mailboxes as mailbox_commands
from tasks.commands.mailboxes import Diary
from tests.integration.mailboxes.test_fetching import hard, kept, sent
from tests.support import dovecot, mailboxes
from tests.support.stack import wait_until
from tests.support.undertakings import reachable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection

    from mailing.bounces.matching import Incoming, Matched
    from mailing.bounces.tokens import Tokens
    from mailing.core.database import Database
    from mailing.mailboxes.store import Mailbox
    from tests.support.dovecot import Dovecot

DAY_S = 86_400
HUGE_S = 3_600.0
POISON = b"X-Poison: yes\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    with dovecot.running() as it:
        yield it


@contextmanager
def watched(db: Database, mailbox: Mailbox) -> Iterator[Watcher]:
    watcher = Watcher(mailbox, mailboxes.KEY, Diary(reachable(db)), db)
    try:
        yield watcher
    finally:
        watcher.stop()
        assert watcher.join(10)


def named(db: Database) -> list[str]:
    """Return whom the reports name, in the order in which they were recorded."""
    with db.read() as connection:
        return [*connection.execute(select(reports.c.named).order_by(reports.c.id)).scalars()]


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_a_server_that_was_away_for_a_day_is_caught_up_with_in_order_and_once(
    db: Database, server: Dovecot, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = round(DAY_S / watching.AWAY_MOST_S)
    monkeypatch.setattr(watching, "AWAY_S", 0.001)
    monkeypatch.setattr(watching, "AWAY_MOST_S", 0.002)
    monkeypatch.setattr(watching, "POP3_S", 0.05)
    tried: list[str] = []

    class Counting(Diary):
        def failed(self, seen: Mailbox, reason: Reason) -> None:
            tried.append(reason.code)
            super().failed(seen, reason)

    monkeypatch.setattr("tests.integration.mailboxes.test_watching.Diary", Counting)
    user = f"away-{protocol}"
    campaign_id, raws = sent(db, 120)
    server.deliver(user, *raws[:20])
    mailbox = mailboxes.keep(db, getattr(server, protocol), user, protocol=protocol)
    with watched(db, mailbox):
        wait_until(lambda: kept(db) == 20, "what came before is recorded")
        server.stop()
        try:
            wait_until(lambda: len(tried) >= attempts / 2, "it was looked often")
            since = mailboxes.now(db, mailbox).trouble_at
            server.deliver(user, *raws[20:])
            wait_until(lambda: len(tried) >= attempts, f"it was looked {attempts} times")
            assert mailboxes.now(db, mailbox).trouble_at == since, "since when it is away is known no more"
        finally:
            server.start()
        wait_until(lambda: kept(db) == 120, "all is recorded")
        wait_until(lambda: not mailboxes.now(db, mailbox).trouble, "no fault is told any more")
    assert (hard(db, campaign_id), mailboxes.now(db, mailbox).fetched) == (120, 120)
    assert named(db) == [f"p{it:03}@x.example" for it in range(120)]


def test_idle_alone_brings_a_report_within_seconds(
    db: Database, server: Dovecot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "IDLE_S", HUGE_S)
    monkeypatch.setattr(watching, "IMAP_S", HUGE_S)
    campaign_id, raws = sent(db, 3)
    server.deliver("idle", raws[0])
    mailbox = mailboxes.keep(db, server.imap, "idle")
    with watched(db, mailbox):
        wait_until(lambda: kept(db) == 1, "the first is recorded")
        for n, raw in enumerate(raws[1:], 2):
            time.sleep(0.3)
            server.deliver("idle", raw)
            wait_until(lambda n=n: kept(db) == n, "the next is recorded", 10)  # type: ignore[misc]
    assert hard(db, campaign_id) == 3


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message makes our reading fail."""
    read = reading.read

    def fails(data: bytes) -> Report:
        if POISON in data:
            raise ZeroDivisionError
        return read(data)

    monkeypatch.setattr(reading, "read", fails)


@pytest.mark.usefixtures("poisoned")
@pytest.mark.parametrize("protocol", ["imap", "pop3"])
@pytest.mark.parametrize("removes", [False, True], ids=["leave", "delete"])
def test_a_message_that_nobody_can_read_is_kept_unread_told_and_holds_back_no_others(
    db: Database, server: Dovecot, protocol: str, removes: bool
) -> None:
    user = f"poison-{protocol}-{removes}".lower()
    campaign_id, raws = sent(db, 7)
    bad = POISON + raws[3]
    server.deliver(user, *raws[:3], bad, *raws[4:])
    mailbox = mailboxes.keep(db, getattr(server, protocol), user, protocol=protocol, removes=removes)
    with watched(db, mailbox):
        wait_until(lambda: mailboxes.now(db, mailbox).trouble, "the fault is told")
    now = mailboxes.now(db, mailbox)
    assert isinstance(now.trouble, Reason)
    assert (now.trouble.code, now.trouble.values) == ("mailbox.unread", {"n": 1})
    assert (hard(db, campaign_id), kept(db), now.fetched) == (6, 7, 7)
    assert server.messages(user) == (0 if removes else 7)
    with db.read() as connection:
        own = select(reports.c.kind, reports.c.subject, report_texts.c.raw).join(report_texts)
        (row,) = connection.execute(own.where(reports.c.kind == Kind.OTHER)).all()
    assert (row.subject, row.raw) == (f"{mailbox_commands.UNREAD}: ZeroDivisionError", bad)
    mailboxes.look(db, mailbox)
    assert (kept(db), mailboxes.now(db, mailbox).fetched) == (7, 7)


def test_what_the_database_refuses_of_one_message_holds_back_no_others(
    db: Database, server: Dovecot, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = reading.read

    class Odd(StrEnum):
        ODD = "odd"  # which a constraint forbids

    def odd(data: bytes) -> Report:
        return Report(Odd.ODD) if POISON in data else read(data)  # type: ignore[arg-type]

    monkeypatch.setattr(reading, "read", odd)
    campaign_id, raws = sent(db, 5)
    server.deliver("odd", POISON + raws[0], *raws[1:])
    mailbox = mailboxes.keep(db, server.imap, "odd")
    mailboxes.look(db, mailbox)
    assert (hard(db, campaign_id), kept(db), mailboxes.now(db, mailbox).fetched) == (4, 5, 5)


@pytest.mark.parametrize("removes", [False, True], ids=["leave", "delete"])
def test_what_cannot_even_be_kept_is_passed_over_but_never_deleted(
    db: Database, server: Dovecot, monkeypatch: pytest.MonkeyPatch, removes: bool
) -> None:
    match = matching.match

    def fails(
        connection: Connection, incoming: Sequence[Incoming], known: Tokens
    ) -> Sequence[Matched | None]:
        if any(POISON in it.raw for it in incoming):
            raise ZeroDivisionError
        return match(connection, incoming, known)

    monkeypatch.setattr(matching, "match", fails)
    user = f"worse-{removes}".lower()
    campaign_id, raws = sent(db, 3)
    server.deliver(user, raws[0], POISON + raws[1], raws[2])
    mailbox = mailboxes.keep(db, server.imap, user, removes=removes)
    if not removes:
        mailboxes.look(db, mailbox)
        assert (hard(db, campaign_id), mailboxes.now(db, mailbox).fetched) == (2, 3)
        return
    with pytest.raises(MailboxError) as refused:
        mailboxes.look(db, mailbox)
    assert (refused.value.reason.code, refused.value.lasts) == ("mailbox.not-recorded", True)
    assert server.messages(user) == 3


def test_a_database_that_is_away_blames_no_message(
    db: Database, server: Dovecot, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def away(*_: object, **__: object) -> None:
        calls.append(1)
        raise OperationalError("INSERT", {}, OSError("server closed the connection"))

    _campaign_id, raws = sent(db, 5)
    server.deliver("dbaway", *raws)
    mailbox = mailboxes.keep(db, server.imap, "dbaway")
    with monkeypatch.context() as patched:
        patched.setattr(commands, "keep", away)
        with pytest.raises(OperationalError):
            mailboxes.look(db, mailbox)
    assert len(calls) == 1
    mailboxes.look(db, mailbox)
    assert (kept(db), mailboxes.now(db, mailbox).fetched) == (5, 5)
