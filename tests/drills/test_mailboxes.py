"""A mail server and the process that watches its mailbox end in mid-fetch: every report is recorded once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from mailing.bounces.tables import reports
from mailing.mailboxes import store
from mailing.mailboxes.entries import Entry
from tests.drills.judging import SHORT
from tests.integration.mailboxes.test_fetching import hard, kept, sent
from tests.support import dovecot
from tests.support.stack import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.drills.judging import Size
    from tests.support.stack import Stack

FEW, MANY = 400, 4_000
USER = "bounces"


@pytest.mark.short
@pytest.mark.parametrize("removes", [False, True], ids=["leave", "delete"])
def test_reports_are_recorded_once_whoever_ends_in_mid_fetch(
    make_stack: Callable[..., Stack], size: Size, removes: bool
) -> None:
    n = FEW if size is SHORT else MANY
    stack = make_stack()
    campaign_id, raws = sent(stack.db, n)
    with dovecot.running() as server:
        server.deliver(USER, *raws)
        add(stack, server.imap, removes=removes)

        def some(share: float) -> None:
            wait_until(lambda: recorded(stack) >= n * share, f"{share:.0%} of the reports are recorded")

        stack.start("mailboxes")
        some(0.1)
        stack.kill("mailboxes")
        assert recorded(stack) < n
        stack.start("mailboxes")  # which waits for the end of the other's lease
        some(0.3)
        server.stop()
        held = recorded(stack)
        if held < n:
            wait_until(lambda: trouble(stack), "the fault is told")
        server.start()
        server.deliver(USER, *raws[:5])
        wait_until(lambda: recorded(stack) == n, "all reports are recorded")
        wait_until(lambda: fetched(stack) >= n + 5, "those that came again were fetched, too")
        wait_until(lambda: not trouble(stack), "no fault is told any more")
        if removes:
            wait_until(lambda: not server.messages(USER), "the mailbox is empty")
        assert (hard(stack.db, campaign_id), kept(stack.db)) == (n, n)
        assert stack.stop("mailboxes") < 10
    with stack.db.read() as connection:
        assert not store.is_watched(connection)


def add(stack: Stack, port: int, *, removes: bool) -> None:
    entry = Entry(USER, "127.0.0.1", port, USER, tls="none", password=dovecot.PASSWORD, removes=removes)
    with stack.db.write() as connection:
        store.create(connection, entry, stack.settings.secret_key)


def recorded(stack: Stack) -> int:
    with stack.db.read() as connection:
        return int(connection.execute(select(func.count()).select_from(reports)).scalar_one())


def trouble(stack: Stack) -> str:
    return str(the_mailbox(stack).trouble)


def fetched(stack: Stack) -> int:
    return the_mailbox(stack).fetched


def the_mailbox(stack: Stack) -> store.Mailbox:
    with stack.db.read() as connection:
        (found,) = store.every(connection)
    return found
