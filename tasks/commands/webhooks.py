"""Commands about webhooks of providers. Each change is in the audit log, in its transaction; all block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing.accounts import audit
from mailing.core.actors import Actor, ActorKind
from mailing.feedback import events, readers, store
from tasks.commands import bounces

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailing.bounces.recording import Recorded
    from mailing.feedback.providers import Provider
    from mailing.feedback.store import Webhook
    from tasks.commands.campaigns import Backend

_VOLLEY = Actor(ActorKind.VOLLEY)


def create(backend: Backend, actor: Actor, provider: Provider, given: str, secret_key: str) -> Webhook:
    """Make a webhook. ``given`` is a topic's ARN or a key, or empty. Raises ``UnfitError``."""
    with backend.db.write() as connection:
        made = store.create(connection, provider, given, secret_key)
        audit.record(connection, actor, "create webhook", f"webhook:{made.id}", provider=made.provider)
    return made


def change_key(backend: Backend, actor: Actor, webhook_id: int, key: str, secret_key: str) -> bool:
    """Keep another key, or make a new password; return whether the webhook is there. ``UnfitError``."""
    with backend.db.write() as connection:
        there = store.change_key(connection, webhook_id, key, secret_key)
        if there:
            audit.record(connection, actor, "change webhook key", f"webhook:{webhook_id}")
    return there


def remove(backend: Backend, actor: Actor, webhook_id: int) -> Webhook | None:
    """Remove a webhook; return it as it was, None if it was not there."""
    with backend.db.write() as connection:
        gone = store.remove(connection, webhook_id)
        if gone:
            audit.record(connection, actor, "remove webhook", f"webhook:{gone.id}", provider=gone.provider)
    return gone


def take(backend: Backend, webhook: Webhook, document: object) -> Sequence[Recorded]:
    """Record the events of a request that was proven, each once, however often they come.

    Returns what became of each. It is no person's change, and not in the audit log.
    """
    told = readers.read(webhook.provider, document)
    done = bounces.keep(backend, _VOLLEY, [events.incoming(webhook.provider, it) for it in told])
    with backend.db.write() as connection:
        store.came(connection, webhook.id, sum(it.new for it in done))
    return done


def confirm(backend: Backend, webhook_id: int) -> None:
    """Note that Amazon SNS was answered that its messages are wanted."""
    with backend.db.write() as connection:
        store.confirmed(connection, webhook_id)
