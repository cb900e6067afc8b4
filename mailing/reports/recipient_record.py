"""The flight recorder: all that is known about one recipient of a campaign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from mailing.bounces import store as bounces
from mailing.bounces.causes import Cause
from mailing.campaigns import queries as campaigns
from mailing.core.states import RecipientState
from mailing.core.tables import recipients, workers
from mailing.ledger import dialogues
from mailing.ledger.dialogues import Attempt
from mailing.recipients import search
from mailing.recipients.search import Choice, Sort
from mailing.reports.log import email_log
from mailing.suppression.tables import SuppressionReason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from mailing.bounces.store import Kept
    from mailing.campaigns.queries import Campaign
    from mailing.core.reasons import Reason
    from mailing.messages.values import Value
    from mailing.reports.log.email_log import LogRow
    from mailing.smtp.dialogue import Line

MOST_ATTEMPTS = 200


@dataclass(frozen=True, slots=True)
class Person:
    """A recipient as stored. ``holder`` is the worker that sends it now. Times in ms since 1970."""

    id: int
    email: str
    name: str
    fields: Mapping[str, Value] | None
    state: RecipientState
    attempts: int
    holder: str | None
    due_at: int | None
    first_tried_at: int | None
    changed_at: int
    suppressed: Reason | None  # why it is not mailed
    bounced: Cause | None  # why it came back after it was sent
    bounced_at: int | None
    complained_at: int | None


@dataclass(frozen=True, slots=True)
class Record:
    """A recipient, its last attempts, the newest first, what was said in those that did not send.

    ``reports`` are what came back. ``previous`` and ``next`` are the ids of those beside it in the list.
    """

    campaign: Campaign
    person: Person
    attempts: Sequence[LogRow]
    dialogues: Mapping[Attempt, Sequence[Line]]
    reports: Sequence[Kept]
    previous: int | None
    next: int | None

    def dialogue(self, row: LogRow) -> Sequence[Line]:
        """Return what was said in one of the attempts, if it was not sent and that is still kept."""
        return self.dialogues.get(Attempt(row.number, row.result, row.ended_at), ())


def load(
    connection: Connection, campaign_id: int, recipient_id: int, state: RecipientState | None = None
) -> Record | None:
    """Read the record of one recipient; None if the campaign has none such.

    With a ``state`` those beside it are the next ones in that state.
    """
    campaign, found = campaigns.get(connection, campaign_id), person(connection, campaign_id, recipient_id)
    if campaign is None or found is None:
        return None
    return Record(
        campaign,
        found,
        email_log.of_recipient(connection, recipient_id, MOST_ATTEMPTS),
        dialogues.of_recipient(connection, recipient_id, MOST_ATTEMPTS),
        bounces.of_recipient(connection, recipient_id),
        beside(connection, campaign_id, state, before=recipient_id),
        beside(connection, campaign_id, state, after=recipient_id),
    )


def person(connection: Connection, campaign_id: int, recipient_id: int) -> Person | None:
    """Read one recipient of a campaign; None if it has none such."""
    row = connection.execute(
        select(
            recipients.c.id,
            recipients.c.email,
            recipients.c.name,
            recipients.c.fields,
            recipients.c.state,
            recipients.c.attempts,
            workers.c.name.label("holder"),
            recipients.c.due_at,
            recipients.c.first_tried_at,
            recipients.c.changed_at,
            recipients.c.suppressed,
            recipients.c.bounced,
            recipients.c.bounced_at,
            recipients.c.complained_at,
        )
        .outerjoin(workers, workers.c.id == recipients.c.worker_id)
        .where(recipients.c.id == recipient_id, recipients.c.campaign_id == campaign_id)
    ).one_or_none()
    if row is None:
        return None
    why = SuppressionReason(row.suppressed).told if row.suppressed else None
    bounced = Cause(row.bounced) if row.bounced else None
    read = {"state": RecipientState(row.state), "suppressed": why, "bounced": bounced}
    return Person(**(row._asdict() | read))


def beside(
    connection: Connection,
    campaign_id: int,
    state: RecipientState | None = None,
    *,
    before: int | None = None,
    after: int | None = None,
) -> int | None:
    """Return the recipient in a state, or any, before or after one in the list, if there is one."""
    page = search.find(connection, campaign_id, Choice(state), Sort.LIST, after=after, before=before, limit=1)
    return page.rows[0] if page.rows else None
