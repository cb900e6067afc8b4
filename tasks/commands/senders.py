"""Commands about senders. Each writes into the audit log in its transaction, and never a secret; all block.

What may not be done raises ``SenderError`` with the reason, and what cannot be kept ``EntryError``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing.accounts import audit, throttle
from mailing.accounts.throttle import Limit
from mailing.core.reasons import Reason
from mailing.credentials import secrets
from mailing.ledger import rests
from mailing.senders import limits, routes, store, warming
from mailing.senders.store import SenderError

if TYPE_CHECKING:
    from mailing.core.actors import Actor
    from mailing.senders.entries import Entry
    from mailing.senders.routes import Route
    from mailing.senders.store import Account
    from mailing.smtp.account import Sender
    from tasks.commands.backend import Backend

TESTS = Limit(burst=10, every_ms=6_000)  # of one person


def keep_default(backend: Backend, default: Sender) -> None:
    """Have the sender of the settings among the others as it is there: whoever starts does so."""
    with backend.db.read() as connection:
        found = store.every(connection)
    if not store.in_step(found, default):
        with backend.db.write() as connection:
            store.keep_default(connection, default)


def create(backend: Backend, actor: Actor, entry: Entry, secret_key: str) -> int:
    """Store a new sender; return its id."""
    with backend.db.write() as connection:
        sender_id = store.create(connection, entry, secret_key)
        told = {"name": entry.name, "server": f"{entry.host}:{entry.port}"}
        audit.record(connection, actor, "add sender", _about(sender_id), **told)
    return sender_id


def revise(
    backend: Backend, actor: Actor, sender_id: int, entry: Entry, secret_key: str, *, seen: int | None = None
) -> None:
    """Change a sender as it was ``seen``."""
    with backend.db.write() as connection:
        before = store.get(connection, sender_id)
        store.revise(connection, sender_id, entry, secret_key, seen=seen)
        if before:
            rests.end(connection, before.account)
        told = {"name": entry.name, "changed": secrets.changes(before, entry)}
        audit.record(connection, actor, "change sender", _about(sender_id), **told)


def move(backend: Backend, actor: Actor, sender_id: int, position: int) -> None:
    """Give a sender another place in the order, from 1."""
    with backend.db.write() as connection:
        store.move(connection, sender_id, position)
        audit.record(connection, actor, "move sender", _about(sender_id), to=position)


def delete(backend: Backend, actor: Actor, sender_id: int) -> Account:
    """Take a sender away, unless a campaign uses it; return it."""
    with backend.db.write() as connection:
        gone = store.delete(connection, sender_id)
        audit.record(connection, actor, "delete sender", _about(sender_id), name=gone.name)
    return gone


def connect(backend: Backend, actor: Actor, seen: Account, refresh_token: str, secret_key: str) -> None:
    """Keep the consent that the account of a sender gave, as the sender was ``seen``."""
    with backend.db.write() as connection:
        store.keep_consent(connection, seen, refresh_token, secret_key)
        told = {"name": seen.name, "issuer": seen.provider}
        audit.record(connection, actor, "connect sender", _about(seen.id), **told)


def begin_test(backend: Backend, actor: Actor, account: Account) -> None:
    """Let somebody try a sender, a few times a minute. Raises ``SenderError``."""
    with backend.db.write() as connection:
        if wait := throttle.wait_s(connection, actor, "test sender", TESTS):
            raise SenderError(Reason("sender.too-many-tests", n=wait))
        audit.record(connection, actor, "test sender", _about(account.id), name=account.name)


def change_route(backend: Backend, actor: Actor, campaign_id: int, route: Route) -> None:
    """Have a campaign go by other senders, or keep other limits, from now on."""
    with backend.db.write() as connection:
        routes.change(connection, campaign_id, route)
        named = ", ".join(map(str, route.senders or ()))
        told = {"senders": named, "limits": limits.dump(route.limits) or {}}
        audit.record(connection, actor, "change route", f"campaign:{campaign_id}", **told)


def keep_warmup(
    backend: Backend, actor: Actor, sender_id: int, *, first: int, growth: int, target: int | None
) -> None:
    """Begin a sender's warm-up, change it, or let it grow again."""
    with backend.db.write() as connection:
        warming.keep(connection, sender_id, first, growth, target)
        told = {"first": first, "growth": growth, "target": target or ""}
        audit.record(connection, actor, "warm up sender", _about(sender_id), **told)


def end_warmup(backend: Backend, actor: Actor, sender_id: int) -> None:
    """End a sender's warm-up."""
    with backend.db.write() as connection:
        warming.end(connection, sender_id)
        audit.record(connection, actor, "end warm-up", _about(sender_id))


def end_trouble(backend: Backend, sender_id: int) -> None:
    """Note that a sender was found to work."""
    with backend.db.write() as connection:
        store.end_trouble(connection, sender_id)


def _about(sender_id: int) -> str:
    return f"sender:{sender_id}"
