"""A person who wants to be forgotten leaves the campaigns that are over: their counts stay, the address goes.

In place of the address stands a label, made of the keyed hash by which the person is never mailed again.
Campaigns that are not over keep their recipients: the workers hold them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select, update

from mailing.addresses.address_search import small
from mailing.core.states import CampaignState
from mailing.core.tables import attempts, campaigns, recipients
from mailing.ledger.tables import dialogues
from mailing.suppression import subjects

if TYPE_CHECKING:
    from sqlalchemy import Connection

OVER = (CampaignState.FINISHED, CampaignState.CANCELED)
_DIGITS = 16  # of the hash, in a label


def label(key: str, email: str) -> str:
    """Return what stands in place of an address. The domain stays: campaigns count by it."""
    hashed = subjects.forgotten(key, email).removeprefix(subjects.FORGOTTEN)[:_DIGITS]
    return f"forgotten.{hashed}@{email.rpartition('@')[2]}"


def forget(connection: Connection, key: str, email: str) -> int:
    """Take an address, its name and its merge fields out of all campaigns that are over; return how many.

    It goes from the replies that quote it, and with the dialogues that name it.
    """
    found = connection.execute(
        select(recipients.c.id, recipients.c.email)
        .join(campaigns, campaigns.c.id == recipients.c.campaign_id)
        .where(func.lower(recipients.c.email) == small(email), campaigns.c.state.in_(OVER))
    ).all()
    for row in found:
        instead = label(key, row.email)
        connection.execute(
            update(recipients).where(recipients.c.id == row.id).values(email=instead, name="", fields=None)
        )
        reply = func.replace(func.replace(attempts.c.reply, row.email, instead), small(email), instead)
        connection.execute(update(attempts).where(attempts.c.recipient_id == row.id).values(reply=reply))
        connection.execute(delete(dialogues).where(dialogues.c.recipient_id == row.id))
    return len(found)
