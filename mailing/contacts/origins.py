"""Origins: from which saved lists a campaign's recipients were taken, how, and when.

A campaign keeps what it was made with. Its origins name the lists as they were called, and with their
revisions, so that a list that was changed since can be told.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from mailing.addresses.findings import ParsedList
from mailing.contacts import audiences, lists
from mailing.contacts.audiences import Audience
from mailing.contacts.conditions import Condition
from mailing.core.clock import now_ms
from mailing.core.tables import campaigns
from mailing.lists.spools import Spool

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from mailing.core.database import Database


@dataclass(frozen=True, slots=True)
class Source:
    """A list or a campaign by its id, as it was called when recipients were taken.

    ``revision`` is that of the list; a campaign has none here.
    """

    id: int
    name: str
    revision: int = 0

    def dump(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {"id": self.id, "name": self.name, "revision": self.revision}


@dataclass(frozen=True, slots=True)
class Origin:
    """What was taken, and the number of ``recipients`` that it gave. ``taken_at`` is in ms since 1970."""

    lists: tuple[Source, ...]
    minus_lists: tuple[Source, ...]
    minus_campaigns: tuple[Source, ...]
    where: Condition | None
    sample: int | None
    recipients: int
    taken_at: int

    @property
    def audience(self) -> Audience:
        """What takes the same again."""
        return Audience(
            lists=tuple(it.id for it in self.lists),
            minus_lists=tuple(it.id for it in self.minus_lists),
            minus_campaigns=tuple(it.id for it in self.minus_campaigns),
            where=self.where,
            sample=self.sample,
        )

    def dump(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "lists": [it.dump() for it in self.lists],
            "minus_lists": [it.dump() for it in self.minus_lists],
            "minus_campaigns": [it.dump() for it in self.minus_campaigns],
            "where": self.where.dump() if self.where else None,
            "sample": self.sample,
            "recipients": self.recipients,
            "taken_at": self.taken_at,
        }


@dataclass(frozen=True, slots=True)
class Taken:
    """Recipients that were taken from saved lists, and from where."""

    parsed: ParsedList
    origin: Origin


@dataclass(frozen=True, slots=True)
class Change:
    """A list that is no longer as a campaign took it: it was changed, or it is ``gone``."""

    id: int
    name: str
    gone: bool


@dataclass(frozen=True, slots=True)
class Told:
    """Where a campaign's recipients come from, and which of these lists are no longer as they were."""

    origins: Sequence[Origin]
    changes: Sequence[Change]

    def again(self, total: int) -> Audience | None:
        """Return what takes all of a draft's ``total`` recipients again; None: some are not from here."""
        whole = len(self.origins) == 1 and self.origins[0].recipients == total
        return self.origins[0].audience if whole and not any(it.gone for it in self.changes) else None


@contextmanager
def taking(database: Database, audience: Audience) -> Iterator[Taken]:
    """Give the recipients of an audience, and where they come from, at one instant.

    Blocking, for seconds where there are many. Raises ``AudienceError`` if there are none, or more than a
    campaign takes, or if a list, a campaign or a field that it names does not exist.
    """
    with closing(Spool()) as people:
        with database.snapshot() as connection:
            people.fill(audiences.taken(connection, audience))
            named = lists.several(connection, (*audience.lists, *audience.minus_lists))
            known = {it.id: Source(it.id, it.name, it.revision) for it in named.values()}
            sent = _campaigns(connection, audience.minus_campaigns)
        origin = Origin(
            tuple(known[each] for each in audience.lists),
            tuple(known[each] for each in audience.minus_lists),
            tuple(sent[each] for each in audience.minus_campaigns),
            audience.where,
            audience.sample,
            len(people),
            now_ms(),
        )
        yield Taken(ParsedList(people), origin)


def load(kept: Iterable[Mapping[str, Any]] | None) -> Sequence[Origin]:
    """Return what a campaign's column ``audience`` holds."""
    return [
        Origin(
            lists=tuple(Source(**it) for it in one["lists"]),
            minus_lists=tuple(Source(**it) for it in one["minus_lists"]),
            minus_campaigns=tuple(Source(**it) for it in one["minus_campaigns"]),
            where=Condition.load(one["where"]) if one["where"] else None,
            sample=one["sample"],
            recipients=one["recipients"],
            taken_at=one["taken_at"],
        )
        for one in kept or ()
    ]


def keep(connection: Connection, campaign_id: int, origins: Iterable[Origin]) -> None:
    """Note where all of a campaign's recipients come from; nothing: they were given otherwise."""
    dumped = [origin.dump() for origin in origins] or None
    connection.execute(update(campaigns).where(campaigns.c.id == campaign_id).values(audience=dumped))


def add(connection: Connection, campaign_id: int, more: Sequence[Origin]) -> None:
    """Note where recipients come from that were added to those of a campaign."""
    if not more:
        return
    kept = connection.execute(select(campaigns.c.audience).where(campaigns.c.id == campaign_id)).scalar()
    keep(connection, campaign_id, [*load(kept), *more])


def told(connection: Connection, kept: Iterable[Mapping[str, Any]] | None) -> Told:
    """Return what a campaign's page tells of its column ``audience``."""
    found = load(kept)
    return Told(found, changes(connection, found) if found else ())


def changes(connection: Connection, origins: Iterable[Origin]) -> Sequence[Change]:
    """Return the lists that are no longer as they were taken, each once."""
    taken = {it.id: it for origin in origins for it in (*origin.lists, *origin.minus_lists)}
    now = lists.several(connection, taken)
    return [
        Change(it.id, it.name, it.id not in now)
        for it in taken.values()
        if it.id not in now or now[it.id].revision != it.revision
    ]


def _campaigns(connection: Connection, ids: Sequence[int]) -> Mapping[int, Source]:
    rows = connection.execute(select(campaigns.c.id, campaigns.c.subject).where(campaigns.c.id.in_(ids)))
    return {row.id: Source(row.id, row.subject) for row in rows}
