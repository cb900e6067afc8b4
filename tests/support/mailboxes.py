"""Mailboxes of a test: kept, and looked at once, as the process that watches them does."""

from __future__ import annotations

from contextlib import contextmanager
from threading import Event
from typing import TYPE_CHECKING, Any

from mailing.mailboxes import looking, opening, store
from mailing.mailboxes.entries import Entry
from mailing.mailboxes.imap import Imap
from mailing.mailboxes.line import Line, Server
from tasks.commands.mailboxes import Diary
from tests.support.dovecot import PASSWORD
from tests.support.undertakings import reachable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailing.core.database import Database
    from mailing.core.reasons import Words
    from mailing.mailboxes.store import Mailbox

KEY = "the secret key of a test"


def keep(db: Database, port: int, user: str = "ann", **more: Any) -> Mailbox:
    """Keep a mailbox on this machine; return it."""
    given: dict[str, Any] = {"tls": "none", "password": PASSWORD, "name": user} | more
    entry = Entry(host="127.0.0.1", port=port, username=user, **given)
    with db.write() as connection:
        mailbox_id = store.create(connection, entry, KEY)
        found = store.get(connection, mailbox_id)
    assert found
    return found


def now(db: Database, mailbox: Mailbox) -> Mailbox:
    """Return a mailbox as it is kept now."""
    with db.read() as connection:
        found = store.get(connection, mailbox.id)
    assert found
    return found


def look(db: Database, mailbox: Mailbox, diary: Diary | None = None, answer_s: float = 5.0) -> Words:
    """Look at a mailbox once; return what is to be done there."""
    seen = now(db, mailbox)
    client = opening.open_mailbox(seen, KEY, Event(), db, answer_s)
    try:
        return looking.look(client, seen, diary or Diary(reachable(db)))[1]
    finally:
        client.end()


@contextmanager
def client(port: int, user: str = "ann") -> Iterator[Imap]:
    """A connection of our own that is signed in."""
    it = Imap(Line(Server("127.0.0.1", port, "none"), Event(), 10.0), 1 << 20)
    it.begin(secure=False, optional=False)
    it.sign_in(user, PASSWORD)
    yield it
    it.end()
