"""A message as a recipient gets it: composed for real, then read back as a mail program would."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing import composing, finding, foreign_mail, recorder
from mailing.composing import ComposeError, MergeError
from mailing.finding import EVERYBODY, Sort
from mailing.models import now_ms

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailing.campaigns import Campaign
    from mailing.foreign_mail import ForeignMail


def first(connection: Connection, campaign: Campaign) -> tuple[frozenset[str], ForeignMail | None]:
    """Return the merge fields of a campaign, and what its first recipient gets, if that can be composed."""
    try:
        prepared = composing.prepare(campaign.message, token=campaign.token, domain=None)
    except ComposeError:
        return frozenset(), None
    found = finding.find(connection, campaign.id, EVERYBODY, Sort.LIST, after=None, before=None, limit=1).rows
    person = recorder.person(connection, campaign.id, found[0]) if found else None
    if person is None:
        return prepared.fields, None
    try:
        filled = prepared.fill(person.id, person.email, person.name, person.fields, now_ms())
    except MergeError:
        return prepared.fields, None
    return prepared.fields, foreign_mail.read(filled.data)
