"""Commands about what comes back: the only way by which a report comes in. All block.

A report is read before its transaction. In it the report is recorded, its recipient noted, and what follows
done: an address is suppressed, a campaign with too many complaints pauses. After the commit pages are told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from mailing.accounts import audit
from mailing.bounces import following, reading, recording, tokens
from mailing.bounces.matching import Incoming
from mailing.bounces.reading import Kind
from mailing.bounces.recording import AT_ONCE
from mailing.campaigns import lifecycle
from mailing.core.actors import ActorKind
from mailing.core.states import CampaignState
from mailing.ledger import breaker, evidence
from mailing.redis import events
from mailing.suppression import store as suppressions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from mailing.bounces.following import Rule
    from mailing.bounces.recording import Recorded
    from mailing.core.actors import Actor
    from tasks.commands.campaigns import Backend


class Message(NamedTuple):
    """A report as it came. ``to`` is to whom its envelope was addressed; empty where nobody knows."""

    raw: bytes
    to: str = ""


def read(messages: Sequence[Message], source: str) -> Sequence[Incoming]:
    """Read reports. It needs no database, and never fails."""
    return [Incoming(reading.read(it.raw), it.raw, source, it.to) for it in messages]


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
            some = recording.record(connection, incoming[start : start + AT_ONCE], known, rules)
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
