"""What recipients decide for themselves: they leave a topic or everything, take a break, and come back.

Their decisions are suppressions with the reason ``unsubscribed`` and nothing else: who comes back is still
not mailed where the mailbox is dead. All functions take an open connection.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select, update

from mailing.addresses.address_search import small
from mailing.core.clock import now_ms
from mailing.core.tables import campaigns, installation, recipients
from mailing.suppression import leave_addresses, store, subjects
from mailing.suppression.leave_tokens import Leaver
from mailing.suppression.list_fields import ListFields
from mailing.suppression.purposes import EVERYTHING, scope
from mailing.suppression.store import Entry
from mailing.suppression.tables import SuppressionReason, suppressions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection

    from mailing.suppression.leave_addresses import LeaveToken
    from mailing.suppression.purposes import Purpose

BREAK_MS = 30 * 86_400_000
TOPICS = 50  # that a page offers, at most
_OWN = SuppressionReason.UNSUBSCRIBED


@dataclass(frozen=True, slots=True)
class Decided:
    """What somebody has left, by scope: until when (ms since 1970), or None for good."""

    scopes: Mapping[str, int | None]

    @property
    def everything(self) -> bool:
        """Whether they get no bulk mail now, for good or for a while."""
        return EVERYTHING in self.scopes

    @property
    def until(self) -> int | None:
        """When the break ends; None where they have left for good, or get mail."""
        return self.scopes.get(EVERYTHING)

    def left(self, topic: str) -> bool:
        """Whether they have left a topic."""
        return scope(topic) in self.scopes


def key(connection: Connection) -> str:
    """Return the key of the tokens in unsubscribe links."""
    found: str = connection.execute(select(installation.c.leave_key)).scalar_one()
    return found


def list_fields(
    connection: Connection, campaign_id: int, purpose: Purpose, *, rehearsal: bool = False
) -> ListFields:
    """Return what the header of a campaign's emails says of the list, and how their links are made."""
    it = installation.c
    row = connection.execute(select(it.name, it.leave_key, it.site, it.bounce_key)).one()
    marks = bytes.fromhex(row.bounce_key)
    return ListFields(campaign_id, purpose, row.name, row.leave_key, row.site, rehearsal, marks)


def keep_site(connection: Connection, url: str) -> None:
    """Keep the public URL, by which links in emails begin."""
    other = update(installation).where(installation.c.site != url)
    connection.execute(other.values(site=url))


def begin_site(connection: Connection, url: str) -> None:
    """Keep the public URL unless one is known: the web process, which knows best, may start last."""
    connection.execute(update(installation).where(installation.c.site == "").values(site=url))


def by_mail(connection: Connection, token: LeaveToken, senders: Iterable[str]) -> Leaver | None:
    """Return who unsubscribes by an email to an address with a token; ``senders`` are those of the email.

    None if the token was made up, or nobody can tell any more for whom it was made. Where the campaign is
    gone nobody knows its topic: who writes then leaves everything.
    """
    sealed = key(connection)
    columns = recipients.c.email, recipients.c.campaign_id, campaigns.c.topic
    own = select(*columns).join(campaigns, campaigns.c.id == recipients.c.campaign_id)
    row = connection.execute(own.where(recipients.c.id == token.recipient_id)).first()
    if row and row.campaign_id == token.campaign_id and leave_addresses.proves(sealed, token, row.email):
        return Leaver(token.campaign_id, token.recipient_id, row.topic, row.email)
    for email in senders:
        if leave_addresses.proves(sealed, token, email):
            return Leaver(token.campaign_id, token.recipient_id, EVERYTHING, email)
    return None


def decided(connection: Connection, email: str) -> Decided:
    """Return what somebody has left."""
    own = _own(email)
    rows = connection.execute(
        select(suppressions.c.scope, suppressions.c.expires_at).where(*own, store.holds(now_ms()))
    )
    return Decided({row.scope: row.expires_at for row in rows})


def leave(connection: Connection, email: str, topic: str, source: str, expires_at: int | None = None) -> bool:
    """Let somebody leave a topic, or everything where it is empty; return whether that is new.

    An address of no list may leave, too. Whoever was forgotten has left already, and stays forgotten.
    """
    return bool(leave_all(connection, [(email, topic, source)], expires_at))


def leave_all(
    connection: Connection, people: Sequence[tuple[str, str, str]], expires_at: int | None = None
) -> set[int]:
    """Do the same for several, each an address, a topic and the source; return the places of those new."""
    forget_key = store.forget_key(connection)
    entries: dict[int, Entry] = {}
    for place, (email, topic, source) in enumerate(people):
        if forget_key and store.there(connection, subjects.forgotten(forget_key, email)):
            continue
        entries[place] = Entry(small(email), _OWN, source, expires_at, scope(topic))
    known = store.known_of(connection, entries.values()) if entries else set()
    store.keep(connection, entries.values())
    new: set[int] = set()
    for place, entry in entries.items():
        if entry.key not in known:
            known.add(entry.key)
            new.add(place)
    return new


def come_back(connection: Connection, email: str, topics: Collection[str]) -> int:
    """Undo that somebody left these topics, an empty one for everything; return how many they had left."""
    scopes = suppressions.c.scope.in_([scope(topic) for topic in topics])
    return connection.execute(delete(suppressions).where(*_own(email), scopes)).rowcount


def topics(connection: Connection, email: str) -> Sequence[str]:
    """Return the topics about which an address was mailed, or is to be, as they are written now."""
    its = func.lower(recipients.c.email) == email.encode().lower().decode()
    statement = (
        select(campaigns.c.topic, func.max(campaigns.c.id))
        .join(recipients, recipients.c.campaign_id == campaigns.c.id)
        .where(its, campaigns.c.topic != "", campaigns.c.rehearses.is_(None))
        .group_by(campaigns.c.topic)
        .order_by(func.max(campaigns.c.id).desc())
    )
    latest: dict[str, str] = {}
    for row in connection.execute(statement):
        latest.setdefault(scope(row.topic), row.topic)
    return sorted(list(latest.values())[:TOPICS], key=str.casefold)


def _own(email: str) -> tuple[ColumnElement[bool], ...]:
    return suppressions.c.subject == small(email), suppressions.c.reason == _OWN
