"""A message as a recipient gets it: composed for real, then read back as a mail program would."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailing import composing, finding, foreign_mail, recorder
from mailing.clock import now_ms
from mailing.composing import ComposeError, MergeError
from mailing.finding import EVERYBODY, Sort

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailing.campaigns import Campaign
    from mailing.foreign_mail import ForeignMail


@dataclass(frozen=True, slots=True)
class First:
    """What the first recipient of a campaign gets, if that can be composed, and which fields it uses."""

    fields: frozenset[str] = frozenset()
    recipient: int = 0
    mail: ForeignMail | None = None


def first(connection: Connection, campaign: Campaign) -> First:
    """Compose the message of a campaign for its first recipient."""
    try:
        prepared = composing.prepare(campaign.message, token=campaign.token, domain=None)
    except ComposeError:
        return First()
    found = finding.find(connection, campaign.id, EVERYBODY, Sort.LIST, after=None, before=None, limit=1).rows
    person = recorder.person(connection, campaign.id, found[0]) if found else None
    if person is None:
        return First(prepared.fields)
    try:
        filled = prepared.fill(person.id, person.email, person.name, person.fields, now_ms())
    except MergeError:
        return First(prepared.fields)
    return First(prepared.fields, person.id, foreign_mail.read(filled.data))
