"""Audiences: which contacts of the saved lists a campaign takes.

Several lists are added. Contacts of other lists are left out, and so are those who got other campaigns. A
condition on a field and a random sample narrow down what remains.

Addresses are compared as lists compare them: ASCII upper and lower case are the same. An address in several
lists is one recipient, merged as repeated rows of one list are (``addresses.findings``); the condition asks
the merged one. Only active contacts are taken, and of several lists only those that are active wherever
they are: who left one of them does not get its mail by way of another.
"""

from __future__ import annotations

import random
from contextlib import closing
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import Text, cast, distinct, exists, func, select

from mailing.addresses import findings
from mailing.addresses.findings import ENTRIES_MAX, Entry, ParsedList
from mailing.contacts import lists
from mailing.contacts.conditions import OWN, AudienceError, Condition
from mailing.contacts.tables import contacts
from mailing.core.reasons import Reason
from mailing.core.states import RecipientState, Standing
from mailing.core.strides import no_collection
from mailing.core.tables import campaigns, recipients

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection

    from mailing.contacts.lists import SavedList
    from mailing.core.database import Database

MOST = 100  # lists, and campaigns, that one audience names
PIECE = 2_000  # contacts that are fetched at a time
GOT_IT = (RecipientState.SENT, RecipientState.SENDING, RecipientState.UNKNOWN)
"""The states of recipients who got a campaign, or may have got it: nobody is to get a letter twice."""


@dataclass(frozen=True, slots=True)
class Audience:
    """Ids of lists that are added, of lists and campaigns that are subtracted, a condition, a sample.

    Raises ``AudienceError`` if it names no list, or if a number is out of bounds.
    """

    lists: tuple[int, ...]
    minus_lists: tuple[int, ...] = ()
    minus_campaigns: tuple[int, ...] = ()
    where: Condition | None = None
    sample: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be taken from."""
        if not self.lists:
            raise AudienceError(Reason("audience.no-lists"))
        if max(map(len, (self.lists, self.minus_lists, self.minus_campaigns))) > MOST:
            raise AudienceError(Reason("audience.too-many-lists", most=MOST))
        if self.sample is not None and not 1 <= self.sample <= ENTRIES_MAX:
            raise AudienceError(Reason("audience.wrong-sample", most=ENTRIES_MAX))

    def dump(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "lists": [*self.lists],
            "minus_lists": [*self.minus_lists],
            "minus_campaigns": [*self.minus_campaigns],
            "where": self.where.dump() if self.where else None,
            "sample": self.sample,
        }

    @classmethod
    def load(cls, given: Mapping[str, Any]) -> Audience:
        """Return what ``dump`` made JSON of; only ``lists`` must be there. Raises ``AudienceError``."""
        where = given.get("where")
        return cls(
            lists=_ids(given.get("lists", ())),
            minus_lists=_ids(given.get("minus_lists", ())),
            minus_campaigns=_ids(given.get("minus_campaigns", ())),
            where=Condition.load(where) if where else None,
            sample=given.get("sample"),
        )


def read(database: Database, audience: Audience) -> ParsedList:
    """Return the recipients as they are at one instant, by list and in its order. Blocking, for seconds.

    Raises ``AudienceError`` if there are none, or more than a campaign takes.
    """
    with database.snapshot() as connection:
        return taken(connection, audience)


def taken(connection: Connection, audience: Audience) -> ParsedList:
    """Return the same from an open connection."""
    check(connection, audience)
    with no_collection(), closing(_active(connection, audience)) as rows:
        found = _matching(rows, audience)
        if audience.sample is not None:
            found = _sampled(found, audience.sample)
        numbered = (Entry(line, it.email, it.name, it.fields) for line, it in enumerate(found, 1))
        entries = tuple(_bounded(numbered))
    if not entries:
        raise AudienceError(Reason("audience.nobody"))
    return ParsedList(entries)


def count(connection: Connection, audience: Audience) -> int:
    """Return how many recipients it has. With a condition every contact is read: seconds for 1,000,000.

    Raises ``AudienceError`` if a list or field of it is not there.
    """
    found = check(connection, audience)
    if audience.where:
        with no_collection(), closing(_active(connection, audience)) as rows:
            n = sum(1 for _entry in _matching(rows, audience))
    elif len(audience.lists) > 1 or audience.minus_lists or audience.minus_campaigns:
        wanted = contacts.c.list_id.in_(audience.lists), *_conditions(audience)
        each = func.count(distinct(_LOWERED)) if len(audience.lists) > 1 else func.count()
        n = connection.execute(select(each).where(*wanted)).scalar_one()
    else:
        n = found[audience.lists[0]].active
    return n if audience.sample is None else min(n, audience.sample)


def weight(connection: Connection, audience: Audience) -> int:
    """Return how many contacts are read to take it."""
    return sum(found.total for found in lists.several(connection, audience.lists).values())


def check(connection: Connection, audience: Audience) -> Mapping[int, SavedList]:
    """Return the lists that it names, by their ids.

    Raises ``AudienceError`` if a list or campaign does not exist, or no list has the condition's field.
    """
    named = (*audience.lists, *audience.minus_lists)
    found = lists.several(connection, named)
    if lost := {*named} - {*found}:
        raise AudienceError(Reason("audience.list-gone", id=str(min(lost))))
    sent = select(campaigns.c.id).where(campaigns.c.id.in_(audience.minus_campaigns))
    if gone := {*audience.minus_campaigns} - {*connection.execute(sent).scalars()}:
        raise AudienceError(Reason("audience.campaign-gone", id=str(min(gone))))
    if audience.where and audience.where.field not in OWN:
        field = audience.where.field
        if not any(field in found[list_id].fields for list_id in audience.lists):
            raise AudienceError(Reason("audience.no-field", field=field))
    return found


def _matching(rows: Iterable[Entry], audience: Audience) -> Iterable[Entry]:
    """Return the recipients whom rows of contacts are, those for whom the condition holds."""
    found = _merged(rows) if len(audience.lists) > 1 else rows
    return found if audience.where is None else filter(audience.where.holds, found)


def _active(connection: Connection, audience: Audience) -> Generator[Entry]:
    """Yield the rows of contacts who may be taken, list by list: an address is there once for each."""
    columns = contacts.c.email, contacts.c.name, cast(contacts.c.fields, Text)
    for list_id in audience.lists:
        wanted = (contacts.c.list_id == list_id, *_conditions(audience))
        statement = select(*columns).where(*wanted).order_by(contacts.c.id)
        with connection.execute(statement, execution_options={"yield_per": PIECE}) as rows:
            for email, name, fields in rows:
                # This reader lets all rows share the names of their fields: a third of the memory.
                yield Entry(0, email, name, orjson.loads(fields) if fields else None)


def _merged(found: Iterable[Entry]) -> Iterable[Entry]:
    """Return one recipient for each address, where it came first."""
    entries: dict[str, Entry] = {}
    repeated: dict[str, list[Entry]] = {}
    for entry in found:
        key = lower(entry.email)
        if entries.setdefault(key, entry) is not entry:
            repeated.setdefault(key, []).append(entry)
        elif len(entries) > ENTRIES_MAX:
            raise AudienceError(Reason("audience.too-many", most=ENTRIES_MAX))
    for key, others in repeated.items():
        entries[key] = findings.merge(entries[key], others)[0]
    return entries.values()


def _sampled(found: Iterable[Entry], n: int) -> list[Entry]:
    """Return ``n`` of them in their order, each with the same chance, holding no more than those."""
    kept: list[tuple[int, Entry]] = []
    for place, entry in enumerate(found):
        if place < n:
            kept.append((place, entry))
        elif (instead := random.randrange(place + 1)) < n:  # noqa: S311 - a sample is no secret
            kept[instead] = (place, entry)
    return [entry for _place, entry in sorted(kept, key=itemgetter(0))]


def _bounded(found: Iterator[Entry]) -> Iterator[Entry]:
    for entry in found:
        if entry.line > ENTRIES_MAX:
            raise AudienceError(Reason("audience.too-many", most=ENTRIES_MAX))
        yield entry


def _conditions(audience: Audience) -> Sequence[ColumnElement[bool]]:
    """Return what must be true of a contact of its lists to be taken."""
    wanted = [contacts.c.standing == Standing.ACTIVE]
    if len(audience.lists) > 1:
        there = _also(other.c.list_id.in_(audience.lists), other.c.standing != Standing.ACTIVE)
        wanted.append(~there)
    if audience.minus_lists:
        wanted.append(~_also(other.c.list_id.in_(audience.minus_lists)))
    if audience.minus_campaigns:
        got_it = (
            recipients.c.campaign_id.in_(audience.minus_campaigns),
            func.lower(recipients.c.email) == _LOWERED,
            recipients.c.state.in_(GOT_IT),
        )
        wanted.append(~exists().where(*got_it))
    return wanted


def _also(*which: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return the condition that the same address is a contact that fulfills these."""
    return exists().where(func.lower(other.c.email) == _LOWERED, *which)


def lower(email: str) -> str:
    """Return what ``lower`` of both databases makes of an address: it knows ASCII only."""
    return email.encode().lower().decode()


def _ids(given: Iterable[int]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(given))


other = contacts.alias("other")
_LOWERED = func.lower(contacts.c.email)
