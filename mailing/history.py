"""Everything that happened, to read: recipients with their last attempt, and the email log.

Pages are cut by key, so the millionth costs what the first does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sqlalchemy import func, or_, select

from mailing.models import attempts, recipients, workers
from mailing.states import AttemptResult, RecipientState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import ColumnElement, Connection, Select

T = TypeVar("T")
EXPORT_CHUNK = 2_000


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows, and the key that the next page begins after (None: this is the last one)."""

    rows: Sequence[T]
    next: int | None


@dataclass(frozen=True, slots=True)
class RecipientRow:
    """A recipient with its last attempt, if it had one. Times in ms since 1970."""

    id: int
    campaign_id: int
    email: str
    name: str
    state: RecipientState
    attempts: int
    due_at: int | None
    changed_at: int
    worker: str | None
    server: str | None
    started_at: int | None
    ended_at: int | None
    code: int | None
    enhanced: str | None
    reply: str | None


@dataclass(frozen=True, slots=True)
class LogRow:
    """One attempt: a line of the email log. No ``worker``: a person decided. Times in ms since 1970."""

    id: int
    campaign_id: int
    recipient_id: int
    email: str
    number: int
    result: AttemptResult
    worker: str | None
    server: str
    started_at: int
    ended_at: int
    code: int | None
    enhanced: str
    reply: str


def recipients_page(
    connection: Connection,
    campaign_id: int,
    *,
    state: RecipientState | None = None,
    q: str = "",
    after: int = 0,
    limit: int = 50,
) -> Page[RecipientRow]:
    """Return recipients of a campaign in the order of its list, those with an id above ``after``.

    ``q`` finds part of the address or of the name, whatever the case.
    """
    chosen = (
        select(recipients.c.id)
        .where(recipients.c.campaign_id == campaign_id, recipients.c.id > after)
        .order_by(recipients.c.id)
        .limit(limit + 1)
    )
    if state is not None:
        chosen = chosen.where(recipients.c.state == state)
    if q:
        chosen = chosen.where(matches(q))
    ids = list(connection.execute(chosen).scalars())
    rows = recipients_by_id(connection, ids[:limit])
    return Page(rows, rows[-1].id if len(ids) > limit else None)


def recipients_by_id(connection: Connection, ids: Sequence[int]) -> Sequence[RecipientRow]:
    """Return these recipients, in the order of their ids."""
    if not ids:
        return []
    last = (
        select(attempts.c.recipient_id, func.max(attempts.c.id).label("id"))
        .where(attempts.c.recipient_id.in_(ids))
        .group_by(attempts.c.recipient_id)
        .subquery()
    )
    statement = (
        select(
            recipients.c.id,
            recipients.c.campaign_id,
            recipients.c.email,
            recipients.c.name,
            recipients.c.state,
            recipients.c.attempts,
            recipients.c.due_at,
            recipients.c.changed_at,
            func.coalesce(_holder.c.name, workers.c.name).label("worker"),
            attempts.c.server,
            attempts.c.started_at,
            attempts.c.ended_at,
            attempts.c.code,
            attempts.c.enhanced,
            attempts.c.reply,
        )
        .outerjoin(last, last.c.recipient_id == recipients.c.id)
        .outerjoin(attempts, attempts.c.id == last.c.id)
        .outerjoin(workers, workers.c.id == attempts.c.worker_id)
        .outerjoin(_holder, _holder.c.id == recipients.c.worker_id)
        .where(recipients.c.id.in_(ids))
        .order_by(recipients.c.id)
    )
    return [_recipient(row) for row in connection.execute(statement)]


def log_page(
    connection: Connection,
    *,
    campaign_id: int | None = None,
    result: AttemptResult | None = None,
    q: str = "",
    before: int | None = None,
    limit: int = 50,
) -> Page[LogRow]:
    """Return the email log, the newest first, from the rows with an id below ``before``."""
    statement = _log(campaign_id, result, q).order_by(attempts.c.id.desc()).limit(limit + 1)
    if before is not None:
        statement = statement.where(attempts.c.id < before)
    rows = [_log_row(row) for row in connection.execute(statement)]
    return Page(rows[:limit], rows[limit - 1].id if len(rows) > limit else None)


def log_export(
    connection: Connection,
    *,
    campaign_id: int | None = None,
    result: AttemptResult | None = None,
    q: str = "",
) -> Iterator[Sequence[LogRow]]:
    """Yield the same rows from the oldest on, in chunks, so that memory stays flat."""
    after = 0
    while True:
        statement = (
            _log(campaign_id, result, q)
            .where(attempts.c.id > after)
            .order_by(attempts.c.id)
            .limit(EXPORT_CHUNK)
        )
        rows = [_log_row(row) for row in connection.execute(statement)]
        if not rows:
            return
        yield rows
        after = rows[-1].id


_holder = workers.alias("holder")


def _log(campaign_id: int | None, result: AttemptResult | None, q: str) -> Select[Any]:
    statement = (
        select(
            attempts.c.id,
            attempts.c.campaign_id,
            attempts.c.recipient_id,
            recipients.c.email,
            attempts.c.number,
            attempts.c.result,
            workers.c.name.label("worker"),
            attempts.c.server,
            attempts.c.started_at,
            attempts.c.ended_at,
            attempts.c.code,
            attempts.c.enhanced,
            attempts.c.reply,
        )
        .join(recipients, recipients.c.id == attempts.c.recipient_id)
        .outerjoin(workers, workers.c.id == attempts.c.worker_id)
    )
    if campaign_id is not None:
        statement = statement.where(attempts.c.campaign_id == campaign_id)
    if result is not None:
        statement = statement.where(attempts.c.result == result)
    if q:
        statement = statement.where(_contains(q, recipients.c.email))
    return statement


def matches(q: str) -> ColumnElement[bool]:
    """Return the condition that ``q`` is part of a recipient's address or name, whatever the case."""
    return _contains(q, recipients.c.email, recipients.c.name)


def _contains(q: str, *columns: Any) -> ColumnElement[bool]:
    escaped = q.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return or_(*(func.lower(column).like(f"%{escaped}%", escape="\\") for column in columns))


def _recipient(row: Any) -> RecipientRow:
    values = row._asdict()
    return RecipientRow(**(values | {"state": RecipientState(values["state"])}))


def _log_row(row: Any) -> LogRow:
    values = row._asdict()
    return LogRow(**(values | {"result": AttemptResult(values["result"])}))
