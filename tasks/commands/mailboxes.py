"""Commands about the mailboxes of reports. Each change is written into the audit log; all block.

What may not be done raises ``MailboxError`` with the reason, and what cannot be kept ``EntryError``.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import structlog

from mailing.accounts import audit, throttle
from mailing.accounts.throttle import Limit
from mailing.bounces.matching import Incoming
from mailing.bounces.reading import Kind, Report
from mailing.core import database_errors
from mailing.core.actors import Actor, ActorKind
from mailing.core.reasons import Reason
from mailing.credentials import secrets
from mailing.mailboxes import store, watching
from mailing.mailboxes.faults import MailboxError
from tasks.commands import bounces
from tasks.commands.bounces import Message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from mailing.core.reasons import Words
    from mailing.mailboxes.entries import Entry
    from mailing.mailboxes.store import Mailbox, Position
    from tasks.commands.backend import Backend

TESTS = Limit(burst=10, every_ms=6_000)  # of one person
UNREAD = "Volley could not read this message"  # stands as the subject of one
NOWHERE = "unread@localhost"  # nobody unsubscribes by a message that could not be read
_VOLLEY = Actor(ActorKind.VOLLEY)

log = structlog.get_logger(__name__)


def create(backend: Backend, actor: Actor, entry: Entry, secret_key: str) -> int:
    """Store a new mailbox; return its id."""
    with backend.db.write() as connection:
        mailbox_id = store.create(connection, entry, secret_key)
        told = {"name": entry.name, "server": f"{entry.host}:{entry.port}"}
        audit.record(connection, actor, "add mailbox", _about(mailbox_id), **told)
    return mailbox_id


def revise(
    backend: Backend, actor: Actor, mailbox_id: int, entry: Entry, secret_key: str, *, seen: int | None = None
) -> None:
    """Change a mailbox as it was ``seen``."""
    with backend.db.write() as connection:
        before = store.get(connection, mailbox_id)
        store.revise(connection, mailbox_id, entry, secret_key, seen=seen)
        told = {"name": entry.name, "changed": secrets.changes(before, entry)}
        audit.record(connection, actor, "change mailbox", _about(mailbox_id), **told)


def delete(backend: Backend, actor: Actor, mailbox_id: int) -> Mailbox:
    """Forget a mailbox; return it. What was recorded from it stays."""
    with backend.db.write() as connection:
        gone = store.delete(connection, mailbox_id)
        audit.record(connection, actor, "delete mailbox", _about(mailbox_id), name=gone.name)
    return gone


def connect(backend: Backend, actor: Actor, seen: Mailbox, refresh_token: str, secret_key: str) -> None:
    """Keep the consent that the account of a mailbox gave, as the mailbox was ``seen``."""
    with backend.db.write() as connection:
        store.keep_consent(connection, seen, refresh_token, secret_key)
        told = {"name": seen.name, "issuer": seen.provider}
        audit.record(connection, actor, "connect mailbox", _about(seen.id), **told)


def begin_test(backend: Backend, actor: Actor, mailbox: Mailbox) -> None:
    """Let somebody try a mailbox, a few times a minute. Raises ``MailboxError``."""
    with backend.db.write() as connection:
        if wait := throttle.wait_s(connection, actor, "test mailbox", TESTS):
            raise MailboxError(Reason("mailbox.too-many-tests", n=wait))
        audit.record(connection, actor, "test mailbox", _about(mailbox.id), name=mailbox.name)


class Diary:
    """Records what is fetched, and how each mailbox is."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._unread = 0

    def take(self, seen: Mailbox, raws: Sequence[bytes], position: Position) -> Mailbox:
        """Record messages and the position behind them in one transaction. Raises ``MovedError``.

        One that cannot be recorded holds back no others: it is kept as it came, unread.
        """
        try:
            return self._take(seen, bounces.read([Message(it) for it in raws], seen.protocol), position)
        except watching.MovedError:
            raise
        except Exception as error:
            if self._passes(error):
                raise
            log.warning("a batch is recorded message by message", mailbox=seen.name, reason=_line(error))
        for raw in raws:  # each is recorded once, also if the batch is fetched again after a crash
            self._take_one(seen, raw)
        return self._take(seen, (), position, len(raws))

    def _take(
        self, seen: Mailbox, incoming: Sequence[Incoming], position: Position, n: int | None = None
    ) -> Mailbox:
        moved: list[Mailbox] = []

        def move(connection: Connection) -> None:
            now = store.move(connection, seen, position, len(incoming) if n is None else n)
            if now is None:
                raise watching.MovedError
            moved.append(now)

        bounces.keep(self._backend, _VOLLEY, incoming, first=move)
        return moved[-1]

    def _take_one(self, seen: Mailbox, raw: bytes) -> None:
        """Record a message; one that makes that fail as what it is not: no report, and nobody's."""
        try:
            bounces.keep(self._backend, _VOLLEY, bounces.read([Message(raw)], seen.protocol))
        except Exception as error:
            if self._passes(error):
                raise
            log.exception("a message cannot be read", mailbox=seen.name, bytes=len(raw))
            self._unread += 1
            self._keep_unread(seen, raw, error)

    def _keep_unread(self, seen: Mailbox, raw: bytes, error: Exception) -> None:
        nothing = Report(Kind.OTHER, subject=f"{UNREAD}: {type(error).__name__}")
        try:
            key = sha256(raw).hexdigest()
            bounces.keep(self._backend, _VOLLEY, [Incoming(nothing, raw, seen.protocol, key, NOWHERE)])
        except Exception as again:
            if self._passes(again):
                raise
            if seen.removes:  # it would be lost
                raise MailboxError(Reason("mailbox.not-recorded"), lasts=True) from again
            log.warning("a message is passed over", mailbox=seen.name, reason=_line(again))

    def _passes(self, error: Exception) -> bool:
        """Whether an error is the database's, and no message's fault."""
        return database_errors.explain(error, self._backend.db.url) is not None

    def marked(self, seen: Mailbox) -> set[str]:
        """Return the unique ids of what is recorded."""
        with self._backend.db.read() as connection:
            return store.marked(connection, seen.id)

    def unmark(self, seen: Mailbox, uidls: set[str]) -> None:
        """Forget unique ids."""
        with self._backend.db.write() as connection:
            store.unmark(connection, seen.id, uidls)

    def worked(self, seen: Mailbox, remark: Words) -> None:
        """Note that a mailbox could be looked at, and how many messages could not be read."""
        remark = remark or (Reason("mailbox.unread", n=self._unread) if self._unread else "")
        with self._backend.db.write() as connection:
            store.note_look(connection, seen.id, remark)

    def failed(self, seen: Mailbox, reason: Reason) -> None:
        """Note why it could not."""
        with self._backend.db.write() as connection:
            store.note_trouble(connection, seen, reason)

    def again(self, mailbox_id: int) -> Mailbox | None:
        """Return a mailbox as it is now."""
        with self._backend.db.read() as connection:
            return store.get(connection, mailbox_id)


def _line(error: Exception) -> str:
    return database_errors.line(error)[:200]


def _about(mailbox_id: int) -> str:
    return f"mailbox:{mailbox_id}"
