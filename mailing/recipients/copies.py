"""Copies: the recipients of a campaign, read to become those of a new one."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import select

from mailing.addresses.parsing import Entry, ParsedList
from mailing.core.states import RecipientState
from mailing.core.tables import recipients
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


def read(database: Database, campaign_id: int, part: Part) -> ParsedList:
    """Return the chosen recipients of a campaign, in the order of its list. Blocking.

    Undelivered are those who certainly have not got it and may: not the unknown, not the suppressed, and none
    whose mailbox does not exist.
    """
    found = [
        row for wanted in _FILTERS[part] for rows in _chunks(database, campaign_id, wanted) for row in rows
    ]
    found.sort(key=lambda row: row.id)
    return ParsedList(
        tuple(Entry(line, row.email, row.name, row.fields) for line, row in enumerate(found, 1))
    )


def _chunks(
    database: Database, campaign_id: int, wanted: Choice
) -> Iterator[Sequence[Row[int, str, str, Fields | None]]]:
    after: int | None = 0
    while after is not None:
        with database.read() as connection:
            page = search.find(
                connection, campaign_id, wanted, Sort.LIST, after=after, before=None, limit=CHUNK
            )
            yield _rows(connection, page.rows, wanted)
        after = page.next


def _rows(
    connection: Connection, ids: Sequence[int], wanted: Choice
) -> Sequence[Row[int, str, str, Fields | None]]:
    statement = select(recipients.c.id, recipients.c.email, recipients.c.name, recipients.c.fields)
    statement = statement.where(recipients.c.id.in_(ids))
    if wanted.state is RecipientState.FAILED:
        statement = statement.where(reply_groups.has_mailbox())
    return connection.execute(statement).all()
