"""All that was ever sent to an address, in whatever campaign: one recipient after another, and the counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import exists, func, select

from mailing.addresses.address_search import small
from mailing.core import reasons
from mailing.core.states import CampaignState, RecipientState
from mailing.core.tables import attempts, campaigns, recipients, storings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection

    from mailing.core.reasons import Words


@dataclass(frozen=True, slots=True)
class Sending:
    """What became of an address in a campaign: its state there, and the last reply. Times in ms."""

    id: int
    campaign_id: int
    subject: str
    state: RecipientState
    attempts: int
    changed_at: int
    ended_at: int | None
    code: int | None
    enhanced: str | None
    reply: Words | None


def read(
    connection: Connection, email: str, *, before: int | None = None, limit: int = 50
) -> Sequence[Sending]:
    """Return what was sent to an address, the newest first; what is ``before`` that recipient's id."""
    tries = attempts.alias()
    last = select(func.max(tries.c.id)).where(tries.c.recipient_id == recipients.c.id).scalar_subquery()
    mine, told = recipients.c, attempts.c
    statement = (
        select(
            *(mine.id, mine.campaign_id, campaigns.c.subject, mine.state, mine.attempts, mine.changed_at),
            *(told.ended_at, told.code, told.enhanced, told.reply, told.reason_code),
        )
        .join(campaigns, campaigns.c.id == mine.campaign_id)
        .outerjoin(attempts, told.id == last)
        .where(*_of(email))
        .order_by(mine.id.desc())
        .limit(limit)
    )
    if before is not None:
        statement = statement.where(mine.id < before)
    rows = [reasons.in_row(row._asdict(), "reply") for row in connection.execute(statement)]
    return [Sending(**(row | {"state": RecipientState(row["state"])})) for row in rows]


def counts(connection: Connection, email: str) -> Mapping[RecipientState, int]:
    """Return in how many campaigns an address has which state."""
    state = recipients.c.state
    joined = recipients.join(campaigns, campaigns.c.id == recipients.c.campaign_id)
    statement = select(state, func.count()).select_from(joined).where(*_of(email)).group_by(state)
    return Counter({RecipientState(name): int(n) for name, n in connection.execute(statement)})


def _of(email: str) -> tuple[ColumnElement[bool], ...]:
    """In a campaign that was sent, no rehearsal, and whose list is complete: the same address in any case."""
    incomplete = exists().where(storings.c.campaign_id == campaigns.c.id)
    return (
        func.lower(recipients.c.email) == small(email),
        campaigns.c.state.not_in((CampaignState.DRAFT, CampaignState.SCHEDULED)),
        campaigns.c.rehearses.is_(None),
        ~incomplete,
    )
