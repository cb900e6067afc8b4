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
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import Text, cast, distinct, exists, func, select

from mailing.addresses import findings
from mailing.addresses.findings import ENTRIES_MAX, Entry
from mailing.contacts import lists
from mailing.contacts.conditions import OWN, AudienceError, Condition
from mailing.contacts.tables import contacts
from mailing.core.reasons import Reason
from mailing.core.states import RecipientState, Standing
from mailing.core.tables import campaigns, recipients

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection

    from mailing.contacts.lists import SavedList

MOST = 100  # lists, and campaigns, that one audience names
PIECE = 500  # contacts that are fetched, or looked for, at a time
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


def taken(connection: Connection, audience: Audience) -> Iterator[Entry]:
    """Yield the recipients, by list and in its order, numbered from 1. Blocking, for seconds.

    They are those of one instant if the connection sees one. Raises ``AudienceError`` if there are none, or
    more than a campaign takes, or if a list, a campaign or a field that it names does not exist.
    """
    check(connection, audience)
    line = 0
    with closing(_people(connection, audience)) as people:
        found = _matching(people, audience)
        if audience.sample is not None:
            found = _sampled(found, audience.sample, count(connection, replace(audience, sample=None)))
        for line, it in enumerate(found, 1):
            if line > ENTRIES_MAX:
                raise AudienceError(Reason("audience.too-many", most=ENTRIES_MAX))
            yield Entry(line, it.email, it.name, it.fields)
    if not line:
        raise AudienceError(Reason("audience.nobody"))


def count(connection: Connection, audience: Audience) -> int:
    """Return how many recipients it has. With a condition every contact is read: seconds for 1,000,000.

    Raises ``AudienceError`` if a list or field of it is not there.
    """
    found = check(connection, audience)
    if audience.where:
        with closing(_people(connection, audience)) as people:
            n = sum(1 for _entry in _matching(people, audience))
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
    real = campaigns.c.id.in_(audience.minus_campaigns), campaigns.c.rehearses.is_(None)
    sent = select(campaigns.c.id).where(*real)
    if gone := {*audience.minus_campaigns} - {*connection.execute(sent).scalars()}:
        raise AudienceError(Reason("audience.campaign-gone", id=str(min(gone))))
    if audience.where and audience.where.field not in OWN:
        field = audience.where.field
        if not any(field in found[list_id].fields for list_id in audience.lists):
            raise AudienceError(Reason("audience.no-field", field=field))
    return found


def _matching(people: Iterable[Entry], audience: Audience) -> Iterable[Entry]:
    """Return those for whom the condition holds."""
    return people if audience.where is None else filter(audience.where.holds, people)


def _people(connection: Connection, audience: Audience) -> Generator[Entry]:
    """Yield one recipient for each address that may be taken, where it came first: merged with the others."""
    for place, list_id in enumerate(audience.lists):
        before, behind = audience.lists[:place], audience.lists[place + 1 :]
        wanted = [contacts.c.list_id == list_id, *_conditions(audience)]
        if before:
            wanted.append(~_also(other.c.list_id.in_(before)))
        statement = select(*_COLUMNS).where(*wanted).order_by(contacts.c.id)
        with connection.execute(statement, execution_options={"yield_per": PIECE}) as rows:
            for some in rows.partitions():
                entries = [_entry(*row) for row in some]
                yield from _merged(connection, entries, behind) if behind else entries


def _merged(connection: Connection, entries: Sequence[Entry], behind: Sequence[int]) -> Iterator[Entry]:
    """Yield contacts of one list, each merged with those that lists behind it have of its address."""
    again: dict[str, list[tuple[int, Entry]]] = {}
    addresses = [lower(entry.email) for entry in entries]
    chosen = select(_LOWERED, contacts.c.list_id, *_COLUMNS)
    for address, list_id, *row in connection.execute(
        chosen.where(contacts.c.list_id.in_(behind), _LOWERED.in_(addresses))
    ):
        again.setdefault(address, []).append((behind.index(list_id), _entry(*row)))
    for address, entry in zip(addresses, entries, strict=True):
        others = [it for _place, it in sorted(again.get(address, ()), key=itemgetter(0))]
        yield findings.merge(entry, others)[0] if others else entry


def _entry(email: str, name: str, fields: str | None) -> Entry:
    return Entry(0, email, name, orjson.loads(fields) if fields else None)


def _sampled(found: Iterable[Entry], n: int, total: int) -> Iterator[Entry]:
    """Yield ``n`` of ``total`` in their order, each with the same chance (Knuth 3.4.2, algorithm S)."""
    for entry in found:
        if random.random() * total < n:  # noqa: S311 - a sample is no secret
            n -= 1
            yield entry
        total -= 1


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
_COLUMNS = contacts.c.email, contacts.c.name, cast(contacts.c.fields, Text)
