"""Commands about who must not be mailed: by people who send, and by recipients who unsubscribe.

Each writes into the audit log in its transaction; all block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailing.accounts import audit
from mailing.addresses import mailbox
from mailing.bounces import received
from mailing.contacts import contacts
from mailing.core.actors import Actor, ActorKind
from mailing.core.clock import now_ms
from mailing.core.strides import Stride
from mailing.recipients import forgetting
from mailing.suppression import leaving, purposes, reading, store, subjects
from mailing.suppression.purposes import EVERYTHING
from mailing.suppression.store import Entry

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import Connection

    from mailing.addresses.findings import Refusal
    from mailing.core.database import Database
    from mailing.suppression.leave_tokens import Leaver
    from mailing.suppression.store import Suppression
    from mailing.suppression.tables import SuppressionReason
    from tasks.commands.backend import Backend


@dataclass(frozen=True, slots=True)
class Added:
    """What became of a list: how many suppressions are new, how many were there, and what was refused."""

    new: int
    known: int
    refused: Sequence[Refusal]


def add(
    db: Database,
    actor: Actor,
    text: str,
    reason: SuppressionReason,
    expires_at: int | None,
    *,
    topic: str = "",
) -> Added:
    """Suppress the addresses and domains in a list, until a time (ms since 1970), or for ever.

    Of a ``topic`` only its campaigns are kept from them; ``UnfitError`` is raised for one that cannot be.
    A long list takes many transactions: what is there already when a process dies stays there.
    """
    about = purposes.scope(purposes.read(topic, transactional=False).topic)
    listed = reading.read(text)
    source = actor.name or actor.kind
    entries = [
        Entry(subject, reason, source, expires_at=expires_at, scope=about) for subject in listed.subjects
    ]
    stride, new, done = Stride(), 0, 0
    while done < len(entries):
        some = entries[done : done + stride.rows]
        with stride.write(db) as connection:
            new += store.keep(connection, some)
        done += len(some)
    if entries:
        with db.write() as connection:
            audit.record(
                connection, actor, "suppress", "", n=len(entries), new=new, reason=reason, topic=about
            )
    return Added(new, len(entries) - new, listed.refused)


def lift(backend: Backend, actor: Actor, suppression_id: int) -> Suppression | None:
    """Lift a suppression; return it, or None if it is not there any more."""
    with backend.db.write() as connection:
        found = store.get(connection, suppression_id)
        if found is None or not store.lift(connection, suppression_id):
            return None
        audit.record(connection, actor, "lift suppression", "", of=found.subject, reason=found.reason)
    return found


def forget(backend: Backend, actor: Actor, email: str) -> None:
    """Forget a person, who is never mailed again. Raises ``UnfitError`` if it is no address.

    The address goes from the do-not-send list, from saved lists, from all campaigns, and from all that quotes
    it, such as bounces and the audit log. To repeat it takes away what has come since.
    """
    address = mailbox.judge(email)
    with backend.db.write() as connection:
        store.forget(connection, address)
        key = store.forget_key(connection) or ""
        contacts.forget(connection, address)
        forgetting.forget(connection, key, address)
        audit.record(connection, actor, "forget person")
    forgetting.erase(backend.db, key, address)


def keep_site(backend: Backend, url: str) -> None:
    """Keep the public URL for the links in emails."""
    with backend.db.write() as connection:
        leaving.keep_site(connection, url)


def leave(backend: Backend, who: Leaver, topic: str, address: str = "") -> bool:
    """Let a recipient leave a topic, or everything where it is empty; return whether that is new.

    ``address`` is the IP address from where it was asked. It needs the database alone; to repeat it changes
    nothing, and the audit log tells of it once.
    """
    with backend.db.write() as connection:
        return leave_in(connection, who, topic, address)


def leave_together(backend: Backend, people: Sequence[tuple[Leaver, str]]) -> None:
    """Let several leave what their emails were about, in one transaction; each with the IP address."""
    with backend.db.write() as connection:
        asked = [(who.email, who.topic, _source(who)) for who, _address in people]
        new = sorted(leaving.leave_all(connection, asked))
        told = [(people[place][0], people[place][1]) for place in new]
        rows = [
            (_actor(who, address), "unsubscribe", _about(who), {"topic": who.topic} if who.topic else {})
            for who, address in told
        ]
        audit.record_all(connection, rows)
        received.left(connection, [_person(who) for who, _address in told], now_ms())


def leave_in(connection: Connection, who: Leaver, topic: str, address: str = "") -> bool:
    """Do the same in an open transaction."""
    new = leaving.leave(connection, who.email, topic, _source(who))
    if new:
        audit.record(connection, _actor(who, address), "unsubscribe", _about(who), topic=topic)
        received.left(connection, [_person(who)], now_ms())
    return new


def pause(backend: Backend, who: Leaver, address: str = "") -> None:
    """Send a recipient nothing for 30 days; who had left everything for good gets mail after that."""
    with backend.db.write() as connection:
        leaving.come_back(connection, who.email, [EVERYTHING])
        leaving.leave(connection, who.email, EVERYTHING, _source(who), now_ms() + leaving.BREAK_MS)
        audit.record(connection, _actor(who, address), "pause emails", _about(who))


def come_back(backend: Backend, who: Leaver, topics: Collection[str], address: str = "") -> None:
    """Let a recipient have again what they left: these topics, an empty one for everything."""
    with backend.db.write() as connection:
        _come_back(connection, who, topics, address)


def choose(
    backend: Backend, who: Leaver, wanted: Collection[str], others: Collection[str], address: str = ""
) -> None:
    """Let a recipient have the topics that are ``wanted``, and leave the ``others``."""
    with backend.db.write() as connection:
        _come_back(connection, who, wanted, address)
        for topic in others:
            leave_in(connection, who, topic, address)


def _come_back(connection: Connection, who: Leaver, topics: Collection[str], address: str) -> None:
    if leaving.come_back(connection, who.email, topics):
        about = ", ".join(filter(None, topics))
        audit.record(connection, _actor(who, address), "resubscribe", _about(who), topic=about)
        if who.topic in topics or EVERYTHING in topics:
            received.returned(connection, _person(who))


def _person(who: Leaver) -> tuple[int, int, str]:
    return who.recipient_id, who.campaign_id, who.email


def _source(who: Leaver) -> str:
    return f"campaign {who.campaign_id}"


def _about(who: Leaver) -> str:
    return f"campaign:{who.campaign_id}"


def _actor(who: Leaver, address: str) -> Actor:
    """Return a recipient as an actor. The address is masked: the log outlasts who wants to be forgotten."""
    return Actor(ActorKind.RECIPIENT, subjects.masked(who.email), who.recipient_id, address)
