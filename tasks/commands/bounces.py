"""Commands about what comes back, and about webhooks: the only way by which a report comes in. All block.

A report is read before its transaction. In it the report is recorded, its recipient noted, and what follows
done: an address is suppressed, a campaign with too many complaints pauses. After the commit pages are told.

Emails to the addresses by which people unsubscribe come by the same doors.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from mailing.accounts import audit
from mailing.bounces import following, reading, recording, tokens
from mailing.bounces.matching import Incoming
from mailing.bounces.reading import Kind
from mailing.bounces.recording import AT_ONCE
from mailing.campaigns import lifecycle
from mailing.core.actors import Actor, ActorKind
from mailing.core.states import CampaignState
from mailing.feedback import events as provider_events
from mailing.feedback import readers
from mailing.feedback import store as webhooks
from mailing.ledger import breaker, evidence
from mailing.redis import events
from mailing.suppression import leave_addresses, leaving
from mailing.suppression import store as suppressions
from tasks.commands import suppression as suppressing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from mailing.bounces.following import Rule
    from mailing.bounces.recording import Recorded
    from mailing.feedback.providers import Provider
    from mailing.feedback.store import Webhook
    from tasks.commands.backend import Backend

_VOLLEY = Actor(ActorKind.VOLLEY)
SENDERS_MOST = 5  # addresses in From
_ADDRESS = re.compile(r"[^\s<>,;\"()]{1,64}@[^\s<>,;\"()]{1,255}")


class Message(NamedTuple):
    """A report as it came. ``to`` is to whom its envelope was addressed; empty where nobody knows."""

    raw: bytes
    to: str = ""


def read(messages: Sequence[Message], source: str) -> Sequence[Incoming]:
    """Read reports. It needs no database, and never fails."""
    return [
        Incoming(reading.read(it.raw), it.raw, source, recording.digest(it.raw), it.to) for it in messages
    ]


def take(backend: Backend, actor: Actor, messages: Sequence[Message], source: str) -> Sequence[Recorded]:
    """Read and record reports, and tell who watches; return what became of each, in their order."""
    return keep(backend, actor, read(messages, source))


def keep(
    backend: Backend,
    actor: Actor,
    incoming: Sequence[Incoming],
    *,
    first: Callable[[Connection], None] | None = None,
) -> Sequence[Recorded]:
    """Record reports that were read, each once, however often they come.

    What must hold in the same transaction is done ``first``: then there are at most ``AT_ONCE``.
    """
    assert first is None or len(incoming) <= AT_ONCE
    done: list[Recorded] = []
    news: list[dict[str, Any]] = []
    for start in range(0, len(incoming) or bool(first), AT_ONCE):
        with backend.db.write() as connection:
            if first:
                first(connection)
            known, rules = tokens.stored(connection), following.rules(connection)
            part = incoming[start : start + AT_ONCE]
            some = [
                _leave(connection, *each)
                for each in zip(recording.record(connection, part, known, rules), part, strict=True)
            ]
            suppressions.put(connection, [it.entry for it in some if it.entry])
            paused = _pause(connection, some)
            if actor.kind is not ActorKind.VOLLEY:
                _audit(connection, actor, some)
        done += some
        news += [_news(it) for it in some if it.counted]
        news += [events.campaign_changed(id_, CampaignState.PAUSED) for id_ in paused]
        events.publish(backend.news, news)
        news.clear()
    return done


def change_rule(backend: Backend, actor: Actor, what: str, rule: Rule) -> None:
    """Change what follows from a class of bounces, or from complaints."""
    with backend.db.write() as connection:
        following.change(connection, what, rule)
        audit.record(connection, actor, "change bounce rule", "", of=what, n=rule.times, days=rule.days)


def create_webhook(
    backend: Backend, actor: Actor, provider: Provider, given: str, secret_key: str
) -> Webhook:
    """Make a webhook. ``given`` is a topic's ARN or a key, or empty. Raises ``UnfitError``."""
    with backend.db.write() as connection:
        made = webhooks.create(connection, provider, given, secret_key)
        audit.record(connection, actor, "create webhook", f"webhook:{made.id}", provider=made.provider)
    return made


def change_webhook_key(backend: Backend, actor: Actor, webhook_id: int, key: str, secret_key: str) -> bool:
    """Keep another key, or make a new password; return whether the webhook is there. ``UnfitError``."""
    with backend.db.write() as connection:
        there = webhooks.change_key(connection, webhook_id, key, secret_key)
        if there:
            audit.record(connection, actor, "change webhook key", f"webhook:{webhook_id}")
    return there


def remove_webhook(backend: Backend, actor: Actor, webhook_id: int) -> Webhook | None:
    """Remove a webhook; return it as it was, None if it was not there."""
    with backend.db.write() as connection:
        gone = webhooks.remove(connection, webhook_id)
        if gone:
            audit.record(connection, actor, "remove webhook", f"webhook:{gone.id}", provider=gone.provider)
    return gone


def take_events(backend: Backend, webhook: Webhook, document: object) -> Sequence[Recorded]:
    """Record the events of a request that was proven, each once, however often they come.

    Returns what became of each. It is no person's change, and not in the audit log.
    """
    told = readers.read(webhook.provider, document)
    done = keep(backend, _VOLLEY, [provider_events.incoming(webhook.provider, it) for it in told])
    with backend.db.write() as connection:
        webhooks.came(connection, webhook.id, sum(it.new for it in done))
    return done


def confirm_webhook(backend: Backend, webhook_id: int) -> None:
    """Note that Amazon SNS was answered that its messages are wanted."""
    with backend.db.write() as connection:
        webhooks.confirmed(connection, webhook_id)


def _leave(connection: Connection, recorded: Recorded, incoming: Incoming) -> Recorded:
    """Let people leave who wrote to an address for that; a repeated email changes nothing."""
    found = leave_addresses.find(incoming.to, incoming.raw)
    senders = _ADDRESS.findall(incoming.report.sender)[:SENDERS_MOST] if found else ()
    people = [who for it in found if (who := leaving.by_mail(connection, it, senders))]
    for who in people:
        suppressing.leave_in(connection, who, who.topic)
    return recording.unsubscribed(connection, recorded, people[0]) if people else recorded


def _pause(connection: Connection, recorded: Sequence[Recorded]) -> Sequence[int]:
    """Pause the campaigns of which too many complain; return those that this call did."""
    complained = {
        it.matched.campaign_id for it in recorded if it.counted and it.matched and it.kind is Kind.COMPLAINED
    }
    evidence.lock(connection, complained)
    reasons = {id_: breaker.weigh_complaints(connection, id_) for id_ in sorted(complained)}
    return [id_ for id_, reason in reasons.items() if reason and lifecycle.pause(connection, id_, reason)]


def _audit(connection: Connection, actor: Actor, recorded: Sequence[Recorded]) -> None:
    new = sum(it.new for it in recorded)
    audit.record(connection, actor, "take bounces", "", n=len(recorded), new=new)


def _news(it: Recorded) -> dict[str, Any]:
    assert it.matched is not None
    return {
        "type": "returned",
        "campaign": it.matched.campaign_id,
        "recipient": it.matched.id,
        "email": it.matched.email,
        "kind": it.kind,
        "cause": it.cause,
        "suppressed": it.suppressed,
        "at": it.at,
    }
