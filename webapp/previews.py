"""A message as a recipient gets it: composed for real, then read back as a mail program would."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing import composing, foreign_mail, history
from mailing.composing import ComposeError, MergeError
from mailing.models import now_ms

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailing.campaigns import Campaign
    from mailing.foreign_mail import ForeignMail


def first(connection: Connection, campaign: Campaign) -> ForeignMail | None:
    """Return what the first recipient of a campaign gets; None if it cannot be composed yet."""
    rows = history.recipients_page(connection, campaign.id, limit=1).rows
    if not rows:
        return None
    try:
        prepared = composing.prepare(campaign.message, token=campaign.token, domain=None)
        # The row has no merge fields, so a message that needs them has no preview yet.
        filled = prepared.fill(rows[0].id, rows[0].email, rows[0].name, None, now_ms())
    except (ComposeError, MergeError):
        return None
    return foreign_mail.read(filled.data)


def fields(campaign: Campaign) -> frozenset[str]:
    """Return the merge fields that a campaign's message uses; none if it cannot be read."""
    try:
        return composing.fields_used(campaign.message)
    except ComposeError:
        return frozenset()
