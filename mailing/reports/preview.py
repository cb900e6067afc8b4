"""A message as one recipient gets it: composed for real, then read back as a mail program would.

An address that is not in the list may be shown it too, with the values of somebody who is: as the person who
is asked to look at it would get it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from mailing.addresses import mailbox
from mailing.campaigns import queries as campaigns
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason, ReasonError, UnfitError
from mailing.core.tables import recipients
from mailing.foreign import headers
from mailing.foreign import mail as foreign_mail
from mailing.messages import compose
from mailing.messages.compose import ComposeError, MergeError
from mailing.messages.headers import write_address
from mailing.reports import recipient_record
from mailing.smtp.envelope import Mail

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailing.campaigns.queries import Campaign
    from mailing.foreign.mail import ForeignMail
    from mailing.messages.compose import Message
    from mailing.reports.recipient_record import Person


_HEAD_END = b"\r\n\r\n"
_UNFOLDED = re.compile(rb"\r\n(?![ \t])")


class NoMessageError(ReasonError):
    """There is no message for somebody. ``field`` says what of the request is in the way.

    It is ``to`` or ``like``, and empty where the campaign itself is.
    """

    def __init__(self, reason: Reason, field: str = "") -> None:
        super().__init__(reason)
        self.field = field


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

    @property
    def head(self) -> bytes:
        """The header as it goes over the line."""
        return self.data.partition(_HEAD_END)[0]

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The fields of the header in their order, each on one line and decoded (RFC 2047)."""
        lines = (line.partition(b":") for line in _UNFOLDED.split(self.head) if line)
        named = ((name.decode("ascii", "replace"), value) for name, _, value in lines)
        return [(name, headers.text(value, lambda _fault: None, name)) for name, value in named]


def asked_for(connection: Connection, campaign: Campaign, like: int | str = "", to: str = "") -> Preview:
    """Return the message that ``whose`` finds; with an address ``to``, as that would get it.

    Raises ``NoMessageError`` where there is none.
    """
    try:
        email = mailbox.judge(to) if to else ""
    except UnfitError as error:
        raise NoMessageError(error.reason, "to") from None
    person = whose(connection, campaign.id, like, email)
    shown = of(connection, campaign, person.id, guest=email if email != person.email else "")
    if shown.fault:
        raise NoMessageError(shown.fault)
    return shown


def whose(connection: Connection, campaign_id: int, like: int | str = "", to: str = "") -> Person:
    """Return the recipient with whose data a message is filled, named ``like`` by id or address.

    With neither it is whoever has the address ``to``, or else the first. Raises ``NoMessageError``.
    """
    if like:
        if named := _like(connection, campaign_id, like):
            return named
        if isinstance(like, int):
            raise NoMessageError(Reason("test-send.no-recipient", id=str(like)), "like")
        raise NoMessageError(Reason("test-send.nobody", address=like[:254]), "like")
    found = somebody(connection, campaign_id, find(connection, campaign_id, to) if to else None)
    if found is None:
        raise NoMessageError(Reason("list-fault.no-addresses"))
    return found


def _like(connection: Connection, campaign_id: int, like: int | str) -> Person | None:
    if isinstance(like, str):
        try:
            like = find(connection, campaign_id, mailbox.judge(like)) or 0
        except UnfitError:
            return None
    return recipient_record.person(connection, campaign_id, like)


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

    ``token`` makes its Message-ID. Nobody can unsubscribe by its link. Raises ``ComposeError`` or
    ``MergeError``.
    """
    if message.list_fields:
        message = replace(message, list_fields=replace(message.list_fields, rehearsal=True))
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
