"""Commands about API keys and keys that sign. Each writes into the audit log with its change; all block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing.accounts import audit
from mailing.core.actors import Actor, ActorKind
from mailing.core.clock import now_ms
from mailing.programs import access_tokens, api_keys
from mailing.receipts import keys as receipt_keys

if TYPE_CHECKING:
    from collections.abc import Collection

    from mailing.accounts.roles import Permission
    from mailing.programs.access_tokens import SigningKey
    from mailing.programs.api_keys import ApiKey
    from mailing.receipts.keys import ReceiptKey
    from tasks.commands.backend import Backend

_DAY_MS = 24 * 3600 * 1000


def add(
    backend: Backend, actor: Actor, name: str, scopes: Collection[Permission], days: int | None = None
) -> str:
    """Make a key that lasts for ``days``, or until it is revoked; return its text, which is kept nowhere.

    A person's key may never do more than the person. Raises ``AccountError``.
    """
    user_id = actor.id if actor.kind is ActorKind.PERSON else None
    expires_at = now_ms() + days * _DAY_MS if days else None
    with backend.db.write() as connection:
        key_id, text = api_keys.add(connection, name, scopes, user_id=user_id, expires_at=expires_at)
        listed = " ".join(sorted(scopes))
        audit.record(connection, actor, "add key", f"key:{key_id}", name=name, scopes=listed, days=days)
    return text


def revoke(backend: Backend, actor: Actor, key_id: int) -> None:
    """Revoke a key: its tokens and streams end with it."""
    with backend.db.write() as connection:
        if api_keys.revoke(connection, key_id):
            audit.record(connection, actor, "revoke key", f"key:{key_id}")


def touch(backend: Backend, key: ApiKey) -> None:
    """Count that a key is used. That is no change, and not in the audit log."""
    with backend.db.write() as connection:
        api_keys.touch(connection, key)


def signing_key(backend: Backend, secret_key: str) -> SigningKey:
    """Return the key that signs tokens now; make one if it is time to."""
    with backend.db.read() as connection:
        keys = access_tokens.trusted(connection, secret_key)
    if access_tokens.due(keys, now_ms()):
        with backend.db.write() as connection:
            kid = access_tokens.make_key(connection, secret_key)
            audit.record(connection, Actor(ActorKind.VOLLEY), "make signing key", f"signing-key:{kid}")
            keys = access_tokens.trusted(connection, secret_key)
    return access_tokens.signer(keys, now_ms())


def receipt_key(backend: Backend, secret_key: str) -> ReceiptKey:
    """Return the key that signs receipts; make it if there is none that this secret key opens."""
    with backend.db.read() as connection:
        if found := receipt_keys.current(connection, secret_key):
            return found
    with backend.db.write() as connection:
        made = receipt_keys.make(connection, secret_key)
        audit.record(connection, Actor(ActorKind.VOLLEY), "make receipt key", f"receipt-key:{made.number}")
        return made
