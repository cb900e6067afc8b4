"""A campaign in which everybody left has been tried, and waits to be tried again: until when, at the most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from mailing.core.states import RecipientState
from mailing.core.tables import recipients

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class Retry:
    """The next attempt is due ``at``; retries stop by ``given_up_at``. Both in ms since 1970.

    That is when they stop for the recipient whose first attempt came last; for the others it is earlier.
    """

    at: int
    given_up_at: int


def of(connection: Connection, campaigns: Mapping[int, int]) -> Mapping[int, Retry]:
    """Return by id what campaigns wait for; their values are after how many seconds they give up."""
    if not campaigns:
        return {}
    statement = (
        select(
            recipients.c.campaign_id,
            func.min(recipients.c.due_at),
            func.max(func.coalesce(recipients.c.first_tried_at, recipients.c.changed_at)),
        )
        .where(recipients.c.campaign_id.in_(campaigns), recipients.c.state == RecipientState.DEFERRED)
        .group_by(recipients.c.campaign_id)
    )
    return {
        id_: Retry(at, tried_at + campaigns[id_] * 1000)
        for id_, at, tried_at in connection.execute(statement)
    }


def only(counts: Mapping[RecipientState, int]) -> bool:
    """Whether nobody can be mailed before a next try is due."""
    return bool(counts[RecipientState.DEFERRED]) and not (
        counts[RecipientState.QUEUED] or counts[RecipientState.SENDING]
    )
