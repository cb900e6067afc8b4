"""What a test send is made of: one message for any address, with the data of a recipient.

It is outside the ledger: neither the recipient nor their attempts know of it.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailing.addresses import mailbox
from mailing.campaigns import queries as campaigns
from mailing.core.reasons import Reason, ReasonError, UnfitError
from mailing.messages.compose import ComposeError, MergeError
from mailing.reports import preview

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailing.campaigns.queries import Campaign
    from mailing.reports.recipient_record import Person
    from mailing.smtp.envelope import Mail


@dataclass(frozen=True, slots=True)
class Trial:
    """A mail that may be sent, to whom, and with whose data."""

    mail: Mail
    to: str
    person: Person


class NoTestError(ReasonError):
    """No test can be sent. ``field`` says what of the form is in the way, empty where nothing of it is."""

    def __init__(self, reason: Reason, field: str = "") -> None:
        super().__init__(reason)
        self.field = field


def compose(connection: Connection, campaign_id: int, to: str, like: str) -> Trial:
    """Compose a test for the address ``to`` with the data of the recipient ``like``; empty: of the first.

    Its Message-ID is of its own: mail programs show what comes with a known one only once. Raises
    ``NoTestError``.
    """
    try:
        email = mailbox.judge(to)
    except UnfitError as error:
        raise NoTestError(Reason("test-send.no-address", reason=error.reason), "to") from None
    campaign = campaigns.get(connection, campaign_id)
    if campaign is None:
        raise NoTestError(Reason("campaign.not-found"))
    person = _person(connection, campaign, like)
    try:
        message = campaigns.whole_message(connection, campaign)
        mail = preview.mail_for(message, person, to=email, token=secrets.token_hex(16))
    except (ComposeError, MergeError) as error:
        raise NoTestError(error.reason) from None
    return Trial(mail, email, person)


def _person(connection: Connection, campaign: Campaign, like: str) -> Person:
    found: int | None = None
    if like:
        try:
            found = preview.find(connection, campaign.id, mailbox.judge(like))
        except UnfitError:
            found = None
        if found is None:
            raise NoTestError(Reason("test-send.nobody", address=like[:254]), "like")
    person = preview.somebody(connection, campaign.id, found)
    if person is None:
        raise NoTestError(Reason("test-send.no-list"), "like")
    return person
