"""The ways through the email log: what is asked of it, and which index answers that.

The log is in the order of the times at which attempts ended, then of their ids: the key of a row. A walk goes
through one index between two keys, entry by entry, so its length can be bounded however long the log is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import and_, func, literal, or_, select, text, tuple_

from mailing.addresses import address_search
from mailing.addresses.address_search import small
from mailing.core.states import AttemptResult
from mailing.core.tables import attempts, recipients

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import CTE, ColumnElement, Connection, Select

_REFUSED = 400  # reply codes from here on are never those of a ``sent``
_LAST = 2**63 - 1
_LAST_CHARACTER = "\U0010ffff"
_SOUGHT = (
    attempts.c.id,
    attempts.c.ended_at,
    attempts.c.campaign_id,
    attempts.c.recipient_id,
    attempts.c.result,
    attempts.c.domain,
    attempts.c.code,
    attempts.c.enhanced,
)


class Key(NamedTuple):
    """The place of a row in the log. Times in ms since 1970."""

    ended_at: int
    id: int


@dataclass(frozen=True, slots=True)
class Search:
    """Which rows are wanted: those that fit everything given.

    ``address`` is read by ``address_search``; ``family`` the first digit of the reply
    code; each of ``words`` is in the reply or in the server's name. Case is ignored. ``since`` and ``until``
    (not included) are ms since 1970.
    """

    campaign_id: int | None = None
    result: AttemptResult | None = None
    address: str = ""
    domain: str = ""
    code: int | None = None
    family: int | None = None
    enhanced: str = ""
    words: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None

    @property
    def refusals(self) -> bool:
        """Whether nothing that was sent can fit."""
        return (
            self.result not in {None, AttemptResult.SENT}
            or (self.code or 0) >= _REFUSED
            or (self.family or 0) * 100 >= _REFUSED
            or self.enhanced.startswith(("4.", "5."))
        )

    @property
    def at_domain(self) -> str:
        """The domain that is asked for; empty for any."""
        return address_search.read(self.address).domain or small(self.domain.lower())

    @property
    def start(self) -> str:
        """How addresses must start, in small letters; empty for any."""
        return address_search.read(self.address).start

    @property
    def range(self) -> tuple[Key, Key]:
        """The keys between which all rows lie that can fit."""
        high = Key(_LAST, _LAST) if self.until is None else Key(self.until, 0)
        return Key(self.since or 0, 0), high

    def starts(self) -> ColumnElement[bool]:
        """Return the condition that an address starts so, as a range of bytes."""
        first, lowered = self.start, func.lower(recipients.c.email)
        return and_(lowered >= first, lowered < first + _LAST_CHARACTER)

    def fits(self, near: CTE) -> list[ColumnElement[bool]]:
        """Return the conditions for a row of ``near``, beside that for its address."""
        found = equals(
            (near.c.campaign_id, self.campaign_id),
            (near.c.result, self.result),
            (near.c.domain, self.at_domain),
            (near.c.code, self.code),
            (near.c.enhanced, self.enhanced),
        )
        if self.family:
            found.append(near.c.code.between(self.family * 100, self.family * 100 + 99))
        for word in map(small, self.words):
            said = (
                func.lower(column).contains(word, autoescape=True) for column in (near.c.reply, near.c.server)
            )
            found.append(or_(*said))
        return found

    @property
    def columns(self) -> Sequence[ColumnElement[Any]]:
        """The columns that ``fits`` looks at, and those of the key."""
        return (*_SOUGHT, attempts.c.reply, attempts.c.server) if self.words else _SOUGHT


@dataclass(frozen=True, slots=True)
class Walk:
    """A walk through the index whose first columns are ``fixed``, between two keys, upwards or downwards.

    The order names all columns of the index, and each fixed value stands twice, as PostgreSQL would leave
    out of the order what is equal to one: so no other index serves. A database that hopes to meet a
    campaign's rows soon by going through all of them by time may read the whole log.
    """

    fixed: tuple[tuple[ColumnElement[Any], Any], ...]
    refusals: bool
    low: Key
    high: Key
    up: bool

    def rows(self, columns: Sequence[ColumnElement[Any]], steps: int) -> Select[Any]:
        """Select columns of the first ``steps`` entries."""
        return self._select(*columns).limit(steps)

    def end(self, connection: Connection, steps: int) -> Key | None:
        """Return the key of the last of so many entries, if there are more behind it."""
        statement = self._select(attempts.c.ended_at, attempts.c.id).offset(steps - 1).limit(2)
        found = connection.execute(statement).all()
        return Key(*found[0]) if len(found) > 1 else None

    def _select(self, *columns: Any) -> Select[Any]:
        place = tuple_(attempts.c.ended_at, attempts.c.id)
        statement = select(*columns).where(
            *(column.in_((value, value)) for column, value in self.fixed),
            place > tuple_(*map(literal, self.low)),
            place < tuple_(*map(literal, self.high)),
        )
        if self.refusals:
            statement = statement.where(text("attempts.result <> 'sent'"))  # the words of the partial indexes
        names = [*(column for column, _ in self.fixed), attempts.c.ended_at, attempts.c.id]
        return statement.order_by(*names if self.up else [name.desc() for name in names])


def walks(search: Search, low: Key, high: Key, *, up: bool) -> list[Walk]:
    """Return a walk for each index that fits a search: through the whole log if none does."""
    fixed: list[tuple[ColumnElement[Any], Any, bool]] = []
    if search.refusals:
        if search.enhanced:
            fixed.append((attempts.c.enhanced, search.enhanced, True))
        if search.code is not None:
            fixed.append((attempts.c.code, search.code, True))
        if search.result is not None:
            fixed.append((attempts.c.result, search.result, True))
    if search.at_domain:
        fixed.append((attempts.c.domain, search.at_domain, False))
    if search.campaign_id is not None:
        fixed.append((attempts.c.campaign_id, search.campaign_id, search.refusals))
    if not fixed:
        return [Walk((), refusals=False, low=low, high=high, up=up)]
    return [
        Walk(((column, value),), refusals=refusals, low=low, high=high, up=up)
        for column, value, refusals in fixed
    ]


def equals(*pairs: tuple[ColumnElement[Any], Any]) -> list[ColumnElement[bool]]:
    """Return the conditions that columns have the values given, without those that are not."""
    return [column == value for column, value in pairs if value not in {None, ""}]
