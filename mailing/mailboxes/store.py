"""Mailboxes as they are kept, with secrets sealed; how far each was read; and who watches them.

All functions take an open connection; those that write belong to the transaction of their caller.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete as remove
from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from mailing.accounts.sealing import SealedElsewhereError
from mailing.core import reasons
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason
from mailing.credentials import secrets
from mailing.credentials.holders import Holder
from mailing.credentials.providers import PROVIDERS
from mailing.mailboxes import entries
from mailing.mailboxes.faults import MailboxError
from mailing.mailboxes.tables import mailbox_marks as marks
from mailing.mailboxes.tables import mailbox_watch as watch
from mailing.mailboxes.tables import mailboxes as table
from mailing.senders.entries import tidy

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Select

    from mailing.core.reasons import Words
    from mailing.mailboxes.entries import Entry, Protocol

MOST = 20  # mailboxes
LEASE_MS = 12_000  # for which nobody else watches, once one has
CHUNK = 500  # ids of one statement
_WHERE = ("protocol", *secrets.WHERE)
_WITHIN = ("protocol", "host", "username", "folder")  # where a position counts
_FREE = {"trouble": "", "reason_code": None, "trouble_at": None}


@dataclass(frozen=True, slots=True)
class Mailbox(Holder):
    """A mailbox as it is kept, and up to where it is recorded."""

    protocol: Protocol
    folder: str
    removes: bool
    uidvalidity: int
    uid: int
    fetched: int
    fetched_at: int | None
    looked_at: int | None

    @property
    def scope(self) -> str:
        """What is asked of the provider of its account."""
        return PROVIDERS[self.provider].mailbox_scope(self.protocol)


@dataclass(frozen=True, slots=True)
class Position:
    """Up to where a mailbox is recorded. ``uidls`` are new ones, of POP3."""

    uidvalidity: int = 0
    uid: int = 0
    uidls: Sequence[str] = ()


def every(connection: Connection) -> Sequence[Mailbox]:
    """Return all mailboxes, by name."""
    return [*_read(connection, select(table).order_by(func.lower(table.c.name)))]


def get(connection: Connection, mailbox_id: int) -> Mailbox | None:
    """Return a mailbox, or None."""
    return next(_read(connection, select(table).where(table.c.id == mailbox_id)), None)


def named(connection: Connection, name: str) -> Mailbox | None:
    """Return the mailbox with this name, in capitals or small letters, or None."""
    wanted = func.lower(table.c.name) == func.lower(tidy(name))
    return next(_read(connection, select(table).where(wanted)), None)


def create(connection: Connection, entry: Entry, secret_key: str) -> int:
    """Store a new mailbox; return its id. Raises ``EntryError`` and ``MailboxError``."""
    entries.check(entry)
    if connection.execute(select(func.count()).select_from(table)).scalar_one() >= MOST:
        raise MailboxError(Reason("mailbox.too-many", most=MOST))
    try:
        with connection.begin_nested():
            statement = insert(table).values(_columns(entry)).returning(table.c.id)
            mailbox_id = int(connection.execute(statement).scalar_one())
    except IntegrityError:
        raise MailboxError(Reason("mailbox.name-taken", name=tidy(entry.name))) from None
    if sealed := secrets.sealed(secret_key, _holder(mailbox_id), entry):
        connection.execute(update(table).where(table.c.id == mailbox_id).values(sealed))
    return mailbox_id


def revise(
    connection: Connection, mailbox_id: int, entry: Entry, secret_key: str, *, seen: int | None = None
) -> None:
    """Change a mailbox as it was ``seen``. Its trouble is forgotten: the next look shows whether it is over.

    A secret goes nowhere but where it was given for, and a position counts nowhere but where it was reached:
    elsewhere everything is looked at, and counts once all the same. Raises ``EntryError``, ``MailboxError``.
    """
    entries.check(entry)
    now = get(connection, mailbox_id)
    if now is None:
        raise MailboxError(Reason("mailbox.not-found"))
    values = _columns(entry) | secrets.sealed(secret_key, _holder(mailbox_id), entry)
    values |= secrets.emptied(now, entry, values, _WHERE)
    if secrets.differs(now, values, _WITHIN):
        values |= {"uidvalidity": 0, "uid": 0}
        connection.execute(remove(marks).where(marks.c.mailbox_id == mailbox_id))
    _change(connection, mailbox_id, seen or now.revision, values | _FREE)


def delete(connection: Connection, mailbox_id: int) -> Mailbox:
    """Forget a mailbox; return it. What was recorded from it stays. Raises ``MailboxError``."""
    found = get(connection, mailbox_id)
    connection.execute(remove(marks).where(marks.c.mailbox_id == mailbox_id))
    if found is None or not connection.execute(remove(table).where(table.c.id == mailbox_id)).rowcount:
        raise MailboxError(Reason("mailbox.not-found"))
    return found


def move(connection: Connection, seen: Mailbox, position: Position, n: int) -> Mailbox | None:
    """Note that ``n`` messages more are recorded, up to a position, of a mailbox as it was ``seen``.

    Returns it as it is now; None where somebody else moved or changed it: then nothing may be recorded.
    """
    now = now_ms()
    there = Position(position.uidvalidity, position.uid)
    values = {
        "uidvalidity": there.uidvalidity,
        "uid": there.uid,
        "fetched": table.c.fetched + n,
        "fetched_at": now,
        "looked_at": now,
    }
    own = update(table).where(
        table.c.id == seen.id,
        table.c.revision == seen.revision,
        table.c.uidvalidity == seen.uidvalidity,
        table.c.uid == seen.uid,
        table.c.fetched == seen.fetched,
    )
    if not connection.execute(own.values(values)).rowcount:
        return None
    for uidl in position.uidls:
        connection.execute(insert(marks).values(mailbox_id=seen.id, uidl=uidl))
    return replace(
        seen,
        uidvalidity=there.uidvalidity,
        uid=there.uid,
        fetched=seen.fetched + n,
        fetched_at=now,
        looked_at=now,
    )


def marked(connection: Connection, mailbox_id: int) -> set[str]:
    """Return the unique ids of what is recorded of a POP3 mailbox."""
    return {*connection.execute(select(marks.c.uidl).where(marks.c.mailbox_id == mailbox_id)).scalars()}


def unmark(connection: Connection, mailbox_id: int, uidls: Collection[str]) -> None:
    """Forget the unique ids of messages that are there no more."""
    gone = sorted(uidls)
    for first in range(0, len(gone), CHUNK):
        some = marks.c.uidl.in_(gone[first : first + CHUNK])
        connection.execute(remove(marks).where(marks.c.mailbox_id == mailbox_id, some))


def note_look(connection: Connection, mailbox_id: int, remark: Words = "") -> None:
    """Note that a mailbox could be looked at, and what is to be done there all the same."""
    values = {"looked_at": now_ms(), "trouble": str(remark), "reason_code": reasons.dump(remark)}
    values["trouble_at"] = now_ms() if remark else None
    connection.execute(update(table).where(table.c.id == mailbox_id).values(values))


def note_trouble(connection: Connection, seen: Mailbox, said: Reason) -> bool:
    """Note what keeps a mailbox, as it was ``seen``, from being looked at; return whether that is news."""
    own = update(table).where(
        table.c.id == seen.id, table.c.revision == seen.revision, table.c.trouble != str(said)
    )
    values = {"trouble": str(said), "reason_code": reasons.dump(said), "trouble_at": now_ms()}
    return bool(connection.execute(own.values(values)).rowcount)


def keep_consent(connection: Connection, seen: Mailbox, token: str, secret_key: str) -> None:
    """Keep the refresh token that a consent gave to a mailbox as it was ``seen``. Raises ``MailboxError``."""
    sealed = secrets.seal(secret_key, _holder(seen.id), "refresh_token", token)
    _change(connection, seen.id, seen.revision, {"refresh_token": sealed, **_FREE})


def replace_refresh_token(connection: Connection, seen: Mailbox, token: str, secret_key: str) -> Mailbox:
    """Keep the successor of a refresh token, if that is still the one that was ``seen``."""
    sealed = secrets.seal(secret_key, _holder(seen.id), "refresh_token", token)
    own = update(table).where(table.c.id == seen.id, table.c.refresh_token == seen.refresh_token)
    connection.execute(own.values(refresh_token=sealed))
    return replace(seen, refresh_token=sealed)


def open_secret(mailbox: Mailbox, name: str, secret_key: str) -> str:
    """Return one of its secrets, or "". Raises ``MailboxError`` if another secret key sealed it."""
    try:
        return secrets.unsealed(secret_key, _holder(mailbox.id), name, getattr(mailbox, name))
    except SealedElsewhereError:
        raise MailboxError(Reason("mailbox.unreadable-secret", name=mailbox.name), lasts=True) from None


def watch_over(connection: Connection, holder: str) -> bool:
    """Be the one that watches, for ``LEASE_MS`` from now; return whether that is so."""
    now = now_ms()
    free = or_(watch.c.holder == holder, watch.c.until_at < now)
    own = update(watch).where(watch.c.id == 1, free)
    return bool(connection.execute(own.values(holder=holder, until_at=now + LEASE_MS)).rowcount)


def watch_no_more(connection: Connection, holder: str) -> None:
    """Let another process watch."""
    connection.execute(update(watch).where(watch.c.holder == holder).values(holder="", until_at=0))


def is_watched(connection: Connection) -> bool:
    """Whether a process watches the mailboxes now."""
    until = connection.execute(select(watch.c.until_at).where(watch.c.id == 1)).scalar()
    return (until or 0) >= now_ms()


def _change(connection: Connection, mailbox_id: int, seen: int, values: Mapping[str, object]) -> None:
    own = update(table).where(table.c.id == mailbox_id, table.c.revision == seen)
    values = {**values, "revision": table.c.revision + 1, "changed_at": now_ms()}
    try:
        with connection.begin_nested():
            if connection.execute(own.values(values)).rowcount:
                return
    except IntegrityError:
        raise MailboxError(Reason("mailbox.name-taken", name=str(values.get("name")))) from None
    raise MailboxError(Reason("mailbox.changed-meanwhile"))


def _columns(entry: Entry) -> dict[str, Any]:
    return {
        "name": tidy(entry.name),
        "protocol": entry.protocol,
        "host": entry.host,
        "port": entry.port,
        "tls": entry.tls,
        "verify": entry.verify,
        "ca": entry.ca,
        "username": entry.username,
        "provider": entry.provider,
        "tenant": entry.tenant,
        "client_id": entry.client_id,
        "folder": entry.folder,
        "removes": entry.removes,
    }


def _holder(mailbox_id: int) -> str:
    return f"mailbox:{mailbox_id}"


def _read(connection: Connection, statement: Select[Any]) -> Iterator[Mailbox]:
    for row in connection.execute(statement):
        yield Mailbox(**reasons.in_row(row._asdict(), "trouble"))
