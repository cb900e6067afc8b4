"""Finding recipients of a campaign, however long its list is: every question here has an index.

A page comes in an order that an index holds ready: by address where its beginning was asked for, as in
the list where a state or a reply was. So the first page costs what the millionth does.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sqlalchemy import and_, exists, func, select, text, tuple_

from mailing.addresses import address_search
from mailing.core.states import RecipientState
from mailing.core.tables import attempts, batches, recipients
from mailing.ledger import counters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection, Select, TextClause

    from mailing.smtp.replies import ReplyCode

T = TypeVar("T")
FEW = 5_000  # up to this many of a state are looked through one by one
MOST_COUNTED = 20_000  # counting more would delay the page
_LAST = "\U0010ffff"  # no text goes on with a later character


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows. The keys: what the next page begins after, what the previous ends before; None: no more."""

    rows: Sequence[T]
    next: int | None
    previous: int | None = None


class Sort(StrEnum):
    """The order of all recipients of a campaign."""

    LIST = "list"
    ADDRESS = "address"
    LATEST = "latest"


@dataclass(frozen=True, slots=True)
class Choice:
    """Which recipients: those in ``state``, that ``q`` matches, that got ``reply`` in any attempt, or one.

    An empty choice means all of them.
    """

    state: RecipientState | None = None
    q: str = ""
    reply: ReplyCode | None = None
    recipient: int | None = None

    def __bool__(self) -> bool:
        return self != EVERYBODY


EVERYBODY = Choice()


def find(
    connection: Connection,
    campaign_id: int,
    wanted: Choice,
    sort: Sort,
    *,
    after: int | None,
    before: int | None,
    limit: int,
) -> Page[int]:
    """Return ids of recipients: those behind the key ``after``, or the last ones ahead of ``before``."""
    order = _order(connection, campaign_id, wanted, sort)
    statement, backwards, key = order.statement, before is not None, after if before is None else before
    falling = backwards is not order.falling
    if key and order.ends:
        first, last = order.ends
        ends = (first, min(last, key - 1)) if falling else (max(first, key + 1), last)
        statement = order.statement.where(_between(ends))
    elif order.ends:
        statement = order.statement.where(_between(order.ends))
    elif key:
        place = order.place(connection, key)
        if place is None:
            return Page((), None)
        statement = statement.where(_beyond(order.keys, place, falling=falling))
    statement = statement.order_by(*(column.desc() if falling else column for column in order.keys))
    found = connection.execute(statement.limit(limit + 1)).all()
    more, found = len(found) > limit, found[:limit][:: -1 if backwards else 1]
    if not found:
        return Page((), None)
    return Page(
        [row.recipient_id for row in found],
        found[-1].key if more or backwards else None,
        found[0].key if (more if backwards else key) else None,
    )


def count(
    connection: Connection, campaign_id: int, wanted: Choice, *where: ColumnElement[bool]
) -> dict[RecipientState, int]:
    """Return how many of those that ``where`` holds for are in each state; nothing above ``MOST_COUNTED``."""
    order = _order(connection, campaign_id, wanted, Sort.LIST)
    counted = order.statement.where(_between(order.ends)) if order.ends else order.statement
    found = counted.limit(MOST_COUNTED + 1).subquery()
    statement = (
        select(recipients.c.state, func.count())
        .join(found, found.c.recipient_id == _ID)
        .where(*where)
        .group_by(recipients.c.state)
    )
    counts = {RecipientState(state): int(n) for state, n in connection.execute(statement)}
    return counts if sum(counts.values()) <= MOST_COUNTED else {}


def total(connection: Connection, campaign_id: int, wanted: Choice) -> int | None:
    """Return how many are found, where that is kept or soon counted; None where it is not."""
    if wanted == Choice(wanted.state) and wanted.state:
        return counters.counts(connection, campaign_id)[wanted.state]
    return sum(count(connection, campaign_id, wanted).values()) or None


def conditions(campaign_id: int, choice: Choice) -> Sequence[ColumnElement[bool]]:
    """Return the conditions that a recipient is of a campaign and chosen."""
    found: list[ColumnElement[bool]] = [recipients.c.campaign_id == campaign_id]
    if choice.state is not None:
        found.append(recipients.c.state == choice.state)
    if choice.q:
        found.append(matches(choice.q))
    if choice.recipient is not None:
        found.append(recipients.c.id == choice.recipient)
    if choice.reply is not None:
        found.append(got(campaign_id, choice.reply))
    return found


def got(campaign_id: int, reply: ReplyCode) -> ColumnElement[bool]:
    """Return the condition that a recipient ever got ``reply``."""
    return exists().where(attempts.c.recipient_id == _ID, *_answered(campaign_id, reply))


def next_that_got(campaign_id: int, reply: ReplyCode, after: int, limit: int) -> Select[tuple[int]]:
    """Choose the ids above ``after`` of recipients that ever got ``reply``, in their order."""
    got = attempts.c.recipient_id
    statement = select(got).distinct().where(*_answered(campaign_id, reply), got > after)
    return statement.order_by(got).limit(limit)


def matches(q: str) -> ColumnElement[bool]:
    """Return the condition that an address fits ``q`` (see ``address_search``)."""
    return _fits(_ADDRESS, recipients.c.domain, q)


@dataclass(frozen=True, slots=True)
class _Order:
    """Recipients in the order of ``keys``. The ``id`` of the row that holds the keys stands for a place.

    ``ends`` are the first and the last id there may be. SQLite takes one bound on each side of an index, and
    reads through all that is between it and the other one: so a place moves an end, and adds no bound.
    """

    statement: Select[Any]
    keys: tuple[ColumnElement[Any], ...]
    id: ColumnElement[int]
    falling: bool = False
    ends: tuple[int, int] | None = None

    def place(self, connection: Connection, key: int) -> Sequence[Any] | None:
        if self.keys == (self.id,):
            return (key,)
        return connection.execute(select(*self.keys).where(self.id == key)).one_or_none()


def _order(connection: Connection, campaign_id: int, wanted: Choice, sort: Sort) -> _Order:
    if wanted.recipient is not None or (wanted.state and not (wanted.reply or wanted.q)):
        return _Order(_ids().where(*conditions(campaign_id, wanted)), (_ID,), _ID)
    if wanted.reply:
        return _with_reply(campaign_id, wanted.reply, wanted)
    if wanted.q:
        return _with_address(connection, campaign_id, wanted)
    if sort is Sort.LATEST:
        return _latest(campaign_id)
    if sort is Sort.ADDRESS:
        mine = recipients.c.campaign_id == campaign_id
        return _Order(_ids().where(mine), (_ADDRESS, recipients.c.email), _ID)
    return _as_in_the_list(connection, campaign_id)


def _as_in_the_list(connection: Connection, campaign_id: int) -> _Order:
    """By id between the first and the last: alone, the index of ids would lead through other campaigns."""
    ends = select(func.min(batches.c.first_id), func.max(batches.c.last_id))
    first, last = connection.execute(ends.where(batches.c.campaign_id == campaign_id)).one()
    mine = recipients.c.campaign_id + 0 == campaign_id
    return _Order(_ids().where(mine), (_ID,), _ID, ends=(first or 1, last or 0))


def _between(ends: tuple[int, int]) -> ColumnElement[bool]:
    return _ID.between(*ends)


def _with_address(connection: Connection, campaign_id: int, wanted: Choice) -> _Order:
    """By address. Where few are in the state they are looked through instead, and then put in order."""
    state, q = recipients.c.state, wanted.q
    first, second = (recipients.c.domain, _ID) if q.startswith("@") else (_ADDRESS, recipients.c.email)
    mine = recipients.c.campaign_id == campaign_id
    if wanted.state is None:
        return _Order(_ids().where(mine, matches(q)), (first, second), _ID)
    if counters.counts(connection, campaign_id)[wanted.state] > FEW:
        asked = state.concat("") == wanted.state  # as an expression it leads into no index
        return _Order(_ids().where(mine, matches(q), asked), (first, second), _ID)
    some, shown = _ids().where(mine, state == wanted.state), first.concat("")
    return _Order(some.where(_fits(shown, shown, q)), (shown, second), _ID)


def _with_reply(campaign_id: int, reply: ReplyCode, wanted: Choice) -> _Order:
    """Those that ever got a reply, each once."""
    statement = select(attempts.c.recipient_id, attempts.c.recipient_id.label("key")).distinct()
    statement = statement.where(*_answered(campaign_id, reply))
    if wanted.state or wanted.q:
        statement = statement.join(recipients, attempts.c.recipient_id == _ID)
    if wanted.state:
        statement = statement.where(recipients.c.state == wanted.state)
    if wanted.q:
        statement = statement.where(matches(wanted.q))
    return _Order(statement, (attempts.c.recipient_id,), attempts.c.recipient_id)


def _answered(campaign_id: int, reply: ReplyCode) -> tuple[ColumnElement[bool] | TextClause, ...]:
    code = attempts.c.code == reply.code if reply.code else attempts.c.code.is_(None)
    return attempts.c.campaign_id == campaign_id, code, attempts.c.enhanced == reply.enhanced, _NOT_SENT


def _latest(campaign_id: int) -> _Order:
    """By the end of the last try; those that were never tried are not among them."""
    keys = (attempts.c.ended_at, attempts.c.id)
    newer = attempts.alias("newer")
    later = exists().where(
        newer.c.recipient_id == attempts.c.recipient_id, tuple_(newer.c.ended_at, newer.c.id) > tuple_(*keys)
    )
    statement = select(attempts.c.recipient_id, attempts.c.id.label("key"))
    statement = statement.where(attempts.c.campaign_id == campaign_id, ~later)
    return _Order(statement, keys, attempts.c.id, falling=True)


def _ids() -> Select[Any]:
    return select(_ID.label("recipient_id"), _ID.label("key"))


def _beyond(
    keys: Sequence[ColumnElement[Any]], place: Sequence[Any], *, falling: bool
) -> ColumnElement[bool]:
    """The condition that a row comes after a place.

    SQLite can start in the middle of an index of expressions only by a single value.
    """
    if falling:
        return and_(keys[0] <= place[0], tuple_(*keys) < tuple_(*place))
    return and_(keys[0] >= place[0], tuple_(*keys) > tuple_(*place))


def _fits(address: ColumnElement[str], domain: ColumnElement[str], q: str) -> ColumnElement[bool]:
    """One domain, or a range of bytes: unlike LIKE it is one on every database, whatever its locale."""
    asked = address_search.read(q)
    if asked.domain:
        return domain == asked.domain
    return and_(address >= asked.start, address < asked.start + _LAST)


_ID = recipients.c.id
_ADDRESS = func.lower(recipients.c.email)
_NOT_SENT = text("attempts.result <> 'sent'")  # as the index says it
