"""What became of everybody, to read: recipients, each with its last attempt.

Pages are cut by key, so the millionth costs what the first does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from mailing.bounces.causes import Cause
from mailing.core import reasons
from mailing.core.states import RecipientState
from mailing.core.tables import attempts, recipients, workers
from mailing.recipients import search
from mailing.recipients.search import EVERYBODY, Choice, Page, Sort
from mailing.suppression.tables import SuppressionReason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from mailing.core.reasons import Words

EXPORT_CHUNK = 2_000


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
    bounced: Cause | None  # why it came back after it was sent
    bounced_at: int | None
    complained_at: int | None
    worker: str | None
    server: str | None
    started_at: int | None
    ended_at: int | None
    code: int | None
    enhanced: str | None
    reply: Words | None


def recipients_page(
    connection: Connection,
    campaign_id: int,
    wanted: Choice = EVERYBODY,
    *,
    sort: Sort = Sort.LIST,
    after: int | None = None,
    before: int | None = None,
    limit: int = 50,
) -> Page[RecipientRow]:
    """Return recipients of a campaign, as ``search`` finds and orders them."""
    page = search.find(connection, campaign_id, wanted, sort, after=after, before=before, limit=limit)
    return Page(recipients_by_id(connection, page.rows), page.next, page.previous)


def newest(connection: Connection, campaign_id: int, limit: int) -> Page[RecipientRow]:
    """Return the recipients whose attempts ended last, and behind them, where they are few, who is next."""
    page = recipients_page(connection, campaign_id, sort=Sort.LATEST, limit=limit)
    if len(page.rows) == limit:
        return page
    queued = Choice(RecipientState.QUEUED)
    waiting = recipients_page(connection, campaign_id, queued, limit=limit - len(page.rows))
    seen = {row.id for row in page.rows}  # one that was tried may be queued again
    return Page([*page.rows, *(row for row in waiting.rows if row.id not in seen)], None)


def recipients_by_id(connection: Connection, ids: Sequence[int]) -> Sequence[RecipientRow]:
    """Return these recipients, in this order."""
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
            recipients.c.suppressed,
            recipients.c.bounced,
            recipients.c.bounced_at,
            recipients.c.complained_at,
            func.coalesce(_holder.c.name, workers.c.name).label("worker"),
            attempts.c.server,
            attempts.c.started_at,
            attempts.c.ended_at,
            attempts.c.code,
            attempts.c.enhanced,
            attempts.c.reply,
            attempts.c.reason_code,
        )
        .outerjoin(last, last.c.recipient_id == recipients.c.id)
        .outerjoin(attempts, attempts.c.id == last.c.id)
        .outerjoin(workers, workers.c.id == attempts.c.worker_id)
        .outerjoin(_holder, _holder.c.id == recipients.c.worker_id)
        .where(recipients.c.id.in_(ids))
    )
    rows = {row.id: _recipient(row) for row in connection.execute(statement)}
    return [rows[id_] for id_ in ids if id_ in rows]


_holder = workers.alias("holder")


def _recipient(row: Any) -> RecipientRow:
    values = reasons.in_row(row._asdict(), "reply")
    if suppressed := values.pop("suppressed"):
        values |= {"code": None, "enhanced": None, "reply": SuppressionReason(suppressed).told}
    bounced = Cause(values["bounced"]) if values["bounced"] else None
    return RecipientRow(**(values | {"state": RecipientState(values["state"]), "bounced": bounced}))
