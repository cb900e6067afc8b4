"""What a test send is made of: one message for any address, with the data of a recipient.

It is outside the ledger: neither the recipient nor their attempts know of it.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mailing.addresses import mailbox
from mailing.campaigns import queries as campaigns
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason, UnfitError
from mailing.domains import signers
from mailing.messages.compose import ComposeError, MergeError
from mailing.reports import preview
from mailing.reports.preview import NoMessageError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailing.reports.recipient_record import Person
    from mailing.smtp.account import Sender
    from mailing.smtp.envelope import Mail


@dataclass(frozen=True, slots=True)
class Trial:
    """A mail that may be sent, to whom, with whose data, and from which From line."""

    mail: Mail
    to: str
    person: Person
    sender_from: str


def compose(connection: Connection, campaign_id: int, to: str, like: int | str) -> Trial:
    """Compose a test for the address ``to`` with the data of whom ``preview.whose`` finds.

    Its Message-ID is of its own: mail programs show what comes with a known one only once. Raises
    ``NoMessageError``.
    """
    try:
        email = mailbox.judge(to)
    except UnfitError as error:
        raise NoMessageError(Reason("test-send.no-address", reason=error.reason), "to") from None
    campaign = campaigns.get(connection, campaign_id)
    if campaign is None:
        raise NoMessageError(Reason("campaign.not-found"))
    person = preview.whose(connection, campaign.id, like, email)
    try:
        message = campaigns.whole_message(connection, campaign)
        mail = preview.mail_for(message, person, to=email, token=secrets.token_hex(16))
    except (ComposeError, MergeError) as error:
        raise NoMessageError(error.reason) from None
    return Trial(mail, email, person, campaign.sender_from)


def signed(connection: Connection, trial: Trial, sender: Sender, secret_key: str) -> Trial:
    """Return a test as a campaign's email would leave by a sender. Raises ``NoMessageError``."""
    signer = signers.of(connection, trial.sender_from, secret_key) if sender.signs else None
    if isinstance(signer, Reason):
        raise NoMessageError(signer)
    if signer is None:
        return trial
    mail = trial.mail
    fields = signer.fields(mail.data, mail.tail, now_ms() // 1000)
    return replace(trial, mail=mail._replace(data=fields + mail.data))
