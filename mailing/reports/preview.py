"""A message as one recipient gets it: composed for real, then read back as a mail program would."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from mailing.core.clock import now_ms
from mailing.core.tables import recipients
from mailing.foreign import mail as foreign_mail
from mailing.messages import compose
from mailing.messages.compose import ComposeError, MergeError
from mailing.reports import recipient_record

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailing.campaigns.queries import Campaign
    from mailing.core.reasons import Reason
    from mailing.foreign.mail import ForeignMail
    from mailing.reports.recipient_record import Person


@dataclass(frozen=True, slots=True)
class Preview:
    """What a person gets, or the ``fault`` that is in the way. The others are beside them in the list."""

    person: Person | None = None
    mail: ForeignMail | None = None
    fault: Reason | None = None
    previous: int | None = None
    next: int | None = None


def of(connection: Connection, campaign: Campaign, recipient_id: int | None) -> Preview:
    """Compose the message of a campaign for one recipient, or else for its first."""
    person = recipient_record.person(connection, campaign.id, recipient_id) if recipient_id else None
    if person is None:
        first = recipient_record.beside(connection, campaign.id, after=0)
        person = recipient_record.person(connection, campaign.id, first) if first else None
    if person is None:
        return Preview()
    mail, fault = None, None
    try:
        prepared = compose.prepare(campaign.message, token=campaign.token, domain=None)
        filled = prepared.fill(person.id, person.email, person.name, person.fields, now_ms())
        mail = foreign_mail.read(filled.data)
    except (ComposeError, MergeError) as error:
        fault = error.reason
    return Preview(
        person,
        mail,
        fault,
        recipient_record.beside(connection, campaign.id, before=person.id),
        recipient_record.beside(connection, campaign.id, after=person.id),
    )


def find(connection: Connection, campaign_id: int, email: str) -> int | None:
    """Return the recipient of a campaign with exactly this address."""
    mine = (
        recipients.c.campaign_id == campaign_id,
        func.lower(recipients.c.email) == email.encode().lower().decode(),
    )
    return connection.execute(select(recipients.c.id).where(*mine, recipients.c.email == email)).scalar()
