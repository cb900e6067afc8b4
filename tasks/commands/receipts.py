"""Commands about receipts. They block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing.accounts import audit
from mailing.core.actors import Actor, ActorKind
from mailing.receipts import keys

if TYPE_CHECKING:
    from mailing.receipts.keys import ReceiptKey
    from tasks.commands.campaigns import Backend


def key(backend: Backend, secret_key: str) -> ReceiptKey:
    """Return the key that signs receipts; make it if there is none that this secret key opens."""
    with backend.db.read() as connection:
        if found := keys.current(connection, secret_key):
            return found
    with backend.db.write() as connection:
        made = keys.make(connection, secret_key)
        audit.record(connection, Actor(ActorKind.VOLLEY), "make receipt key", f"receipt-key:{made.number}")
        return made
