"""Webhooks are made, found and removed; their secrets are sealed under the secret key.

All functions take an open connection; those that write belong to the transaction of their caller.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, select, update

from mailing.accounts import sealing
from mailing.accounts.sealing import SealedElsewhereError
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason, UnfitError
from mailing.feedback import amazon, proofs
from mailing.feedback.providers import NAMES, PROOFS, Proof, Provider
from mailing.feedback.tables import webhooks as table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

MOST = 100
_PASSWORD = 24  # bytes


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook. ``secret`` is sealed. Times are in ms since 1970."""

    id: int
    provider: Provider
    topic: str
    secret: str
    created_at: int
    confirmed_at: int | None
    last_at: int | None
    events: int

    @property
    def name(self) -> str:
        """The provider's name."""
        return NAMES[self.provider]

    @property
    def proof(self) -> Proof:
        """By what its requests are known."""
        return PROOFS[self.provider]

    @property
    def path(self) -> str:
        """Where its provider posts to, below the public URL."""
        return f"/hooks/{self.provider}/{self.id}"

    @property
    def ready(self) -> bool:
        """Whether requests can be proven."""
        return bool(self.topic if self.proof is Proof.TOPIC else self.secret)


def every(connection: Connection) -> Sequence[Webhook]:
    """Return all webhooks, the newest first."""
    return [_of(row) for row in connection.execute(select(table).order_by(table.c.id.desc()).limit(MOST))]


def get(connection: Connection, webhook_id: int) -> Webhook | None:
    """Return a webhook; None if it is not there."""
    row = connection.execute(select(table).where(table.c.id == webhook_id)).first()
    return _of(row) if row else None


def create(connection: Connection, provider: Provider, given: str, secret_key: str) -> Webhook:
    """Make a webhook. ``given`` is the topic's ARN of Amazon SNS, or the key of the provider.

    A key may follow later. Raises ``UnfitError``.
    """
    if connection.execute(select(func.count()).select_from(table)).scalar_one() >= MOST:
        raise UnfitError(Reason("webhook.too-many", n=MOST))
    topic = given.strip() if PROOFS[provider] is Proof.TOPIC else ""
    if PROOFS[provider] is Proof.TOPIC and not amazon.TOPIC.fullmatch(topic):
        raise UnfitError(Reason("webhook.topic"))
    new = insert(table).values(provider=provider.value, topic=topic).returning(table.c.id)
    made = int(connection.execute(new).scalar_one())
    if PROOFS[provider] is Proof.PASSWORD:
        _seal(connection, made, secrets.token_urlsafe(_PASSWORD), secret_key)
    elif PROOFS[provider] is Proof.KEY and given.strip():
        change_key(connection, made, given, secret_key)
    found = get(connection, made)
    assert found is not None
    return found


def change_key(connection: Connection, webhook_id: int, key: str, secret_key: str) -> bool:
    """Have another key of the provider, or, where the password is of our making, a new one.

    Returns whether the webhook is there. Raises ``UnfitError`` for a key that is none.
    """
    found = get(connection, webhook_id)
    if found is None:
        return False
    if found.proof is Proof.PASSWORD:
        key = secrets.token_urlsafe(_PASSWORD)
    elif found.proof is Proof.TOPIC or not proofs.is_usable(found.provider, key.strip()):
        raise UnfitError(Reason("webhook.key", provider=found.name))
    _seal(connection, webhook_id, key.strip(), secret_key)
    return True


def secret(webhook: Webhook, secret_key: str) -> str:
    """Return the key or password; empty if there is none yet, or another secret key sealed it."""
    if not webhook.secret:
        return ""
    try:
        return sealing.unseal(secret_key, _place(webhook.id), webhook.secret).decode()
    except SealedElsewhereError:
        return ""


def remove(connection: Connection, webhook_id: int) -> Webhook | None:
    """Remove a webhook; return it as it was, None if it was not there."""
    found = get(connection, webhook_id)
    if found and connection.execute(delete(table).where(table.c.id == webhook_id)).rowcount == 1:
        return found
    return None


def came(connection: Connection, webhook_id: int, events: int) -> None:
    """Note that a proven request came, and how many events of it were new."""
    values = {"last_at": now_ms(), "events": table.c.events + events}
    connection.execute(update(table).where(table.c.id == webhook_id).values(**values))


def confirmed(connection: Connection, webhook_id: int) -> None:
    """Note that Amazon SNS was told that its messages are wanted."""
    connection.execute(update(table).where(table.c.id == webhook_id).values(confirmed_at=now_ms()))


def _seal(connection: Connection, webhook_id: int, text: str, secret_key: str) -> None:
    sealed = sealing.seal(secret_key, _place(webhook_id), text.encode())
    connection.execute(update(table).where(table.c.id == webhook_id).values(secret=sealed))


def _place(webhook_id: int) -> str:
    return f"webhook:{webhook_id}"


def _of(row: Any) -> Webhook:
    return Webhook(**{**row._asdict(), "provider": Provider(row.provider)})
