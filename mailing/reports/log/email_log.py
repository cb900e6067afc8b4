"""The email log: every attempt of every campaign, to search, to page through and to take away.

It is in the order of the times at which attempts ended, then of their ids: the key of a row. Whatever is
asked, the answer must not wait for the length of the log. So each question takes one of the ``walks``, a
short one if there is any, and at most ``LONGEST_WALK`` entries of it. Where that is not far enough for a
page, the page says how far it came, and the next one continues from there.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import func, literal, or_, select, tuple_

from mailing.core import reasons
from mailing.core.states import AttemptResult
from mailing.core.tables import attempts, campaigns, recipients, reply_groups, workers
from mailing.reports.log.walks import Key, Search, equals, walks

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy import CTE, Connection, Select

    from mailing.core.reasons import Words

LONGEST_WALK = 5_000
SHORT_WALK = 4  # times the rows wanted: far enough for most questions
MOST_PEOPLE = 2_000  # whose attempts are gathered person by person
EXPORT_CHUNK = 500


@dataclass(frozen=True, slots=True)
class LogRow:
    """One attempt: a line of the email log. No ``worker``: a person decided. Times in ms since 1970."""

    id: int
    campaign_id: int
    rehearses: int | None  # of a rehearsal: the campaign that it is one of
    recipient_id: int
    email: str
    number: int
    version: int  # of the message
    result: AttemptResult
    worker: str | None
    server: str
    connection: int | None
    tls: str
    connect_ms: int | None
    envelope_ms: int | None
    dot_ms: int | None
    started_at: int
    ended_at: int
    code: int | None
    enhanced: str
    reply: Words

    @property
    def key(self) -> Key:
        """Its place in the log."""
        return Key(self.ended_at, self.id)

    @property
    def took_ms(self) -> int:
        """How long the attempt took, the connection that was opened for it included: all its parts."""
        dialogue = max(self.ended_at - self.started_at, (self.envelope_ms or 0) + (self.dot_ms or 0))
        return (self.connect_ms or 0) + dialogue


@dataclass(frozen=True, slots=True)
class LogPage:
    """Some rows, the newest first, and the keys from which the pages beside it go on, None: there is none.

    ``searched_to`` is set where the search stopped before the page was full, and says when: ms since 1970.
    """

    rows: Sequence[LogRow]
    newer: Key | None = None
    older: Key | None = None
    searched_to: int | None = None


def page(
    connection: Connection,
    search: Search,
    *,
    before: Key | None = None,
    after: Key | None = None,
    limit: int = 50,
) -> LogPage:
    """Return the newest rows that match; those below ``before``, or the nearest above ``after``."""
    rows, end = _find(connection, search, start=after or before, up=after is not None, limit=limit + 1)
    more, rows = len(rows) > limit, rows[:limit]
    beyond = rows[-1].key if more else end
    stopped = end.ended_at if end and not more else None
    if after is not None:
        return LogPage(rows[::-1], beyond, rows[0].key if rows else after, stopped)
    return LogPage(rows, (rows[0].key if rows else before) if before else None, beyond, stopped)


def count(connection: Connection, search: Search) -> int | None:
    """Return how many rows match, where that number is kept; None where they would have to be counted."""
    kept = replace(search, campaign_id=None, result=None, code=None, enhanced="") == Search()
    if not kept or not search.refusals or search.result is AttemptResult.SENT:
        return None
    statement = select(func.coalesce(func.sum(reply_groups.c.n), 0)).where(
        *equals(
            (reply_groups.c.campaign_id, search.campaign_id),
            (reply_groups.c.result, search.result),
            (reply_groups.c.code, search.code),
            (reply_groups.c.enhanced, search.enhanced),
        )
    )
    return int(connection.execute(statement).scalar_one())


def export(
    connection: Connection, search: Search, after: Key | None = None, limit: int = EXPORT_CHUNK
) -> tuple[Sequence[LogRow], Key | None]:
    """Return rows from the oldest on, and the key to go on from; None: that was all.

    A call for each chunk, so that no transaction waits for whoever takes them.
    """
    rows, end = _find(connection, search, start=after, up=True, limit=limit)
    return rows, rows[-1].key if len(rows) == limit else end


def newest(connection: Connection) -> Key:
    """Return the place of the newest row of the log."""
    statement = select(attempts.c.ended_at, attempts.c.id).order_by(
        attempts.c.ended_at.desc(), attempts.c.id.desc()
    )
    found = connection.execute(statement.limit(1)).one_or_none()
    return Key(*found) if found else Key(0, 0)


class Name(NamedTuple):
    """What a campaign is called, and of which it is a rehearsal."""

    subject: str
    rehearses: int | None


def subjects(connection: Connection, ids: Collection[int], latest: int = 0) -> Mapping[int, Name]:
    """Return the subjects of campaigns by id, and of the ``latest`` that were started, the newest first."""
    last = select(campaigns.c.id).where(campaigns.c.started_at.is_not(None))
    last = last.order_by(campaigns.c.id.desc()).limit(latest)
    wanted = or_(campaigns.c.id.in_(ids), campaigns.c.id.in_(last.scalar_subquery()))
    named = select(campaigns.c.id, campaigns.c.subject, campaigns.c.rehearses).where(wanted)
    rows = connection.execute(named.order_by(campaigns.c.id.desc()))
    return {row.id: Name(row.subject, row.rehearses) for row in rows}


def of_recipient(connection: Connection, recipient_id: int, limit: int) -> Sequence[LogRow]:
    """Return the attempts of one recipient, the newest first."""
    statement = _rows().where(attempts.c.recipient_id == recipient_id)
    found = connection.execute(
        statement.order_by(attempts.c.ended_at.desc(), attempts.c.id.desc()).limit(limit)
    )
    return [_row(row) for row in found]


def _find(
    connection: Connection, search: Search, *, start: Key | None, up: bool, limit: int
) -> tuple[list[LogRow], Key | None]:
    """Return up to ``limit`` rows in the order of the search, and the key where it stopped, if it did."""
    if search.refusals and search.result is AttemptResult.SENT:
        return [], None
    low, high = search.range
    if start is not None:
        low, high = (max(low, start), high) if up else (low, min(high, start))
    if _few_people(connection, search):
        near = (
            _of_people(search, low, high).cte("near").prefix_with("MATERIALIZED")
        )  # nothing else goes first
        rest = replace(search, address="")
        return [_row(row) for row in _fetch(connection, near, rest, up=up, limit=limit)], None
    ways = walks(search, low, high, up=up)
    walk, short = ways[0], False
    if len(ways) > 1 and (
        found := next((it for it in ways if it.end(connection, LONGEST_WALK) is None), None)
    ):
        walk, short = found, True
    for steps in sorted({min(SHORT_WALK * limit, LONGEST_WALK), LONGEST_WALK}):
        near = walk.rows(search.columns, steps).cte("near")
        rows = [_row(row) for row in _fetch(connection, near, search, up=up, limit=limit)]
        over = len(rows) == limit or (short and steps == LONGEST_WALK)
        if over or (end := walk.end(connection, steps)) is None:
            return rows, None
    return rows, end


def _few_people(connection: Connection, search: Search) -> bool:
    """Return whether an address is looked for, and those that begin so are few."""
    if not search.start:
        return False
    some = select(literal(1)).select_from(recipients).where(search.starts()).limit(MOST_PEOPLE + 1).subquery()
    return connection.execute(select(func.count()).select_from(some)).scalar_one() <= MOST_PEOPLE


def _of_people(search: Search, low: Key, high: Key) -> Select[Any]:
    people = select(recipients.c.id).where(search.starts()).limit(MOST_PEOPLE).cte("people")
    place = tuple_(
        attempts.c.ended_at + 0, attempts.c.id
    )  # a sum, so that SQLite does not go by time instead
    return (
        select(*search.columns)
        .join_from(people.prefix_with("MATERIALIZED"), attempts, attempts.c.recipient_id == people.c.id)
        .where(place > tuple_(*map(literal, low)), place < tuple_(*map(literal, high)))
    )


def _fetch(connection: Connection, near: CTE, search: Search, *, up: bool, limit: int) -> Sequence[Any]:
    """Return the first rows of ``near`` that fit the search."""
    fitting = select(near.c.id, near.c.ended_at).where(*search.fits(near))
    if search.start:
        fitting = fitting.join(recipients, recipients.c.id == near.c.recipient_id).where(search.starts())
    order = (near.c.ended_at, near.c.id) if up else (near.c.ended_at.desc(), near.c.id.desc())
    found = fitting.order_by(*order).limit(limit).cte("found").prefix_with("MATERIALIZED")
    statement = _rows(found).order_by(
        *(attempts.c.ended_at, attempts.c.id) if up else (attempts.c.ended_at.desc(), attempts.c.id.desc())
    )
    return connection.execute(statement).all()


def _rows(found: Any = None) -> Select[Any]:
    source = attempts if found is None else found.join(attempts, attempts.c.id == found.c.id)
    return select(
        attempts.c.id,
        attempts.c.campaign_id,
        campaigns.c.rehearses,
        attempts.c.recipient_id,
        recipients.c.email,
        attempts.c.number,
        attempts.c.version,
        attempts.c.result,
        workers.c.name.label("worker"),
        attempts.c.server,
        attempts.c.connection,
        attempts.c.tls,
        attempts.c.connect_ms,
        attempts.c.envelope_ms,
        attempts.c.dot_ms,
        attempts.c.started_at,
        attempts.c.ended_at,
        attempts.c.code,
        attempts.c.enhanced,
        attempts.c.reply,
        attempts.c.reason_code,
    ).select_from(
        source.join(recipients, recipients.c.id == attempts.c.recipient_id)
        .join(campaigns, campaigns.c.id == attempts.c.campaign_id)
        .outerjoin(workers, workers.c.id == attempts.c.worker_id)
    )


def _row(row: Any) -> LogRow:
    *values, reason_code = row  # in the order of the fields: an export makes a million of them
    values[_RESULT] = AttemptResult(values[_RESULT])
    values[-1] = reasons.load(values[-1], reason_code)
    return LogRow(*values)


_RESULT = [field.name for field in fields(LogRow)].index("result")
