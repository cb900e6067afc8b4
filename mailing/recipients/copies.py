"""Copies: the recipients of a campaign, read to become those of a new one."""

from __future__ import annotations

import heapq
from contextlib import closing, contextmanager
from enum import StrEnum
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from sqlalchemy import select

from mailing.addresses.parsing import Entry, ParsedList
from mailing.core.states import RecipientState
from mailing.core.tables import recipients
from mailing.lists.spools import Spool
from mailing.recipients import reply_groups, search
from mailing.recipients.search import EVERYBODY, Choice, Sort

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection, Row

    from mailing.addresses.findings import Fields
    from mailing.core.database import Database

CHUNK = 2_000


class Part(StrEnum):
    """Which recipients of a campaign are copied."""

    ALL = "all"
    UNDELIVERED = "undelivered"
    NONE = "none"


_UNDELIVERED = (
    RecipientState.QUEUED,
    RecipientState.DEFERRED,
    RecipientState.FAILED,
    RecipientState.CANCELED,
)
_FILTERS: dict[Part, Sequence[Choice]] = {
    Part.ALL: (EVERYBODY,),
    Part.UNDELIVERED: tuple(map(Choice, _UNDELIVERED)),
    Part.NONE: (),
}


@contextmanager
def reading(database: Database, campaign_id: int, part: Part) -> Iterator[ParsedList]:
    """Give the chosen recipients of a campaign, in the order of its list. Blocking.

    Undelivered are those who certainly have not got it and may: not the unknown, not the suppressed, and none
    whose mailbox does not exist.
    """
    found = heapq.merge(*(_read(database, campaign_id, wanted) for wanted in _FILTERS[part]), key=_ID)
    each = (next(same) for _id, same in groupby(found, key=_ID))  # one may change its state meanwhile
    with closing(Spool()) as people:
        people.fill(Entry(line, row.email, row.name, row.fields) for line, row in enumerate(each, 1))
        yield ParsedList(people)


@contextmanager
def chosen(database: Database, campaign_id: int, wanted: Choice) -> Iterator[ParsedList]:
    """Give exactly those recipients of a campaign that a search finds, in its order. Blocking."""
    with closing(Spool()) as people:
        found = enumerate(_read(database, campaign_id, wanted, every=True), 1)
        people.fill(Entry(line, row.email, row.name, row.fields) for line, row in found)
        yield ParsedList(people)


def _read(
    database: Database, campaign_id: int, wanted: Choice, *, every: bool = False
) -> Iterator[Row[int, str, str, Fields | None]]:
    after: int | None = 0
    while after is not None:
        with database.read() as connection:
            page = search.find(
                connection, campaign_id, wanted, Sort.LIST, after=after, before=None, limit=CHUNK
            )
            rows = _rows(connection, page.rows, mailable=wanted.state is RecipientState.FAILED and not every)
        yield from rows
        after = page.next


def _rows(
    connection: Connection, ids: Sequence[int], *, mailable: bool
) -> Sequence[Row[int, str, str, Fields | None]]:
    statement = select(recipients.c.id, recipients.c.email, recipients.c.name, recipients.c.fields)
    statement = statement.where(recipients.c.id.in_(ids)).order_by(recipients.c.id)
    if mailable:
        statement = statement.where(reply_groups.has_mailbox())
    return connection.execute(statement).all()


_ID = attrgetter("id")
