"""A message as one recipient gets it: composed for real, then read back as a mail program would."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from mailing import composing, foreign_mail, recorder
from mailing.clock import now_ms
from mailing.composing import ComposeError, MergeError
from mailing.models import recipients

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailing.campaigns import Campaign
    from mailing.foreign_mail import ForeignMail
    from mailing.reasons import Reason
    from mailing.recorder import Person


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
    person = recorder.person(connection, campaign.id, recipient_id) if recipient_id else None
    if person is None:
        first = recorder.beside(connection, campaign.id, after=0)
        person = recorder.person(connection, campaign.id, first) if first else None
    if person is None:
        return Preview()
    mail, fault = None, None
    try:
        prepared = composing.prepare(campaign.message, token=campaign.token, domain=None)
        filled = prepared.fill(person.id, person.email, person.name, person.fields, now_ms())
        mail = foreign_mail.read(filled.data)
    except (ComposeError, MergeError) as error:
        fault = error.reason
    return Preview(
        person,
        mail,
        fault,
        recorder.beside(connection, campaign.id, before=person.id),
        recorder.beside(connection, campaign.id, after=person.id),
    )


def find(connection: Connection, campaign_id: int, email: str) -> int | None:
    """Return the recipient of a campaign with exactly this address."""
    mine = (
        recipients.c.campaign_id == campaign_id,
        func.lower(recipients.c.email) == email.encode().lower().decode(),
    )
    return connection.execute(select(recipients.c.id).where(*mine, recipients.c.email == email)).scalar()
