"""A message as one recipient gets it: composed for real, then read back as a mail program would.

An address that is not in the list may be shown it too, with the values of somebody who is: as the person who
is asked to look at it would get it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from mailing.campaigns import queries as campaigns
from mailing.core.clock import now_ms
from mailing.core.tables import recipients
from mailing.foreign import mail as foreign_mail
from mailing.messages import compose
from mailing.messages.compose import ComposeError, MergeError
from mailing.messages.headers import write_address
from mailing.reports import recipient_record
from mailing.smtp.envelope import Mail

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailing.campaigns.queries import Campaign
    from mailing.core.reasons import Reason
    from mailing.foreign.mail import ForeignMail
    from mailing.messages.compose import Message
    from mailing.reports.recipient_record import Person


@dataclass(frozen=True, slots=True)
class Preview:
    """What a person gets, or the ``fault`` that is in the way. The others are beside them in the list.

    ``data`` is what goes over the line. ``guest`` is the address that gets it instead of theirs; empty: none.
    """

    person: Person | None = None
    mail: ForeignMail | None = None
    fault: Reason | None = None
    previous: int | None = None
    next: int | None = None
    data: bytes = b""
    guest: str = ""


def of(connection: Connection, campaign: Campaign, recipient_id: int | None, guest: str = "") -> Preview:
    """Compose the message of a campaign for one recipient, or else for its first."""
    person = somebody(connection, campaign.id, recipient_id)
    if person is None:
        return Preview(guest=guest)
    shown = Preview(
        person,
        previous=recipient_record.beside(connection, campaign.id, before=person.id),
        next=recipient_record.beside(connection, campaign.id, after=person.id),
        guest=guest,
    )
    try:
        message = campaigns.whole_message(connection, campaign)
        data = mail_for(message, person, to=guest or person.email, token=campaign.token).data
    except (ComposeError, MergeError) as error:
        return replace(shown, fault=error.reason)
    return replace(shown, data=data, mail=foreign_mail.read(data))


def somebody(connection: Connection, campaign_id: int, recipient_id: int | None) -> Person | None:
    """Return a recipient of a campaign, or else its first; None where it has none."""
    person = recipient_record.person(connection, campaign_id, recipient_id) if recipient_id else None
    if person is None:
        first = recipient_record.beside(connection, campaign_id, after=0)
        person = recipient_record.person(connection, campaign_id, first) if first else None
    return person


def mail_for(message: Message, person: Person, *, to: str, token: str) -> Mail:
    """Compose a whole message for ``to`` with the values of a person.

    ``token`` makes its Message-ID. Raises ``ComposeError`` or ``MergeError``.
    """
    prepared = compose.prepare(message, token=token, domain=None)
    filled = prepared.fill(person.id, to, person.name, person.fields, now_ms())
    return Mail(prepared.envelope_from, write_address(to), filled.data, filled.needs_smtputf8, clean=True)


def find(connection: Connection, campaign_id: int, email: str) -> int | None:
    """Return the recipient of a campaign with this address; one that differs in case where none is exact."""
    mine = (
        recipients.c.campaign_id == campaign_id,
        func.lower(recipients.c.email) == email.encode().lower().decode(),
    )
    exactly = (recipients.c.email == email).desc()
    return connection.execute(select(recipients.c.id).where(*mine).order_by(exactly).limit(1)).scalar()
