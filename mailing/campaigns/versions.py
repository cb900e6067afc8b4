"""The versions of a campaign's message: it is corrected while the campaign is paused, and each is kept whole.

A claim names the version that it is for, and so does the log. Whoever is claimed after the correction gets
the new one; an email that a worker had in hand before stays what it was.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy import insert, select, update

from mailing.campaigns import queries as campaigns
from mailing.campaigns import readiness
from mailing.campaigns.lifecycle import NotAllowed, may, refusal
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason
from mailing.core.states import CampaignAction
from mailing.core.tables import campaigns as table
from mailing.core.tables import versions
from mailing.library import files
from mailing.lists import surveys
from mailing.messages.compose import ComposeError, Message
from mailing.writing import written as writing
from mailing.writing.written import Writing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from mailing.campaigns.queries import Campaign
    from mailing.writing.written import Written

MOST = 100  # of one campaign
_OWN = ("subject", "preheader", "writing", "text", "html", "body", "typed_text")
"""What a version has of its own. The sender, the files and the list stay those of the campaign."""


@dataclass(frozen=True, slots=True)
class Version:
    """A message of a campaign by its number, from 1, and until when it was sent: ms since 1970.

    Of the one that is sent now, nobody has replaced it.
    """

    number: int
    subject: str
    replaced_at: int | None = None
    replaced_by: str = ""


def columns(written: Written) -> dict[str, object]:
    """Return what is stored of what was written: that, and what it became."""
    try:
        made = writing.compile_message(written)
    except ComposeError:  # it is a draft: what is wrong with it is told where it is read
        html = written.html if written.writing is Writing.SOURCE else ""
        made = Message(written.sender_from, written.subject, written.text, html)
    return {
        "subject": written.subject,
        "preheader": written.preheader,
        "writing": written.writing,
        "text": made.text,
        "html": made.html,
        "body": None if made.html == written.html else written.html,
        "typed_text": None if made.text == written.text else written.text,
    }


def faults(connection: Connection, campaign: Campaign, written: Written) -> tuple[Reason, ...]:
    """Return why a campaign cannot go on with this message, each with what to do; nothing if it can."""
    try:
        message = writing.compile_message(written)
    except ComposeError as error:
        return (error.reason,)
    shapes = surveys.load(connection, campaign.id).shapes
    encoded = files.encoded_size(files.listed(connection, campaign.id))
    return readiness.faults(message, campaign.total, shapes, encoded, campaign.purpose)


def correct(connection: Connection, campaign_id: int, written: Written, *, seen: int, by: str) -> int:
    """Give a paused campaign the next version of its message, found free of ``faults``; return its number.

    Raises ``NotAllowed`` once it is not paused, or was changed since the revision that was ``seen``.
    """
    mine = (*may(campaign_id, CampaignAction.CORRECT), table.c.revision == seen)
    own = select(table.c.version, *(table.c[name] for name in _OWN)).where(*mine)
    row = connection.execute(own.with_for_update(key_share=True)).one_or_none()
    if row is None:
        raise refusal(connection, campaign_id, CampaignAction.CORRECT)
    if row.version >= MOST:
        raise NotAllowed(Reason("campaign.too-many-versions", most=MOST))
    was = row._asdict()
    number = was.pop("version")
    replaced = {"replaced_at": now_ms(), "replaced_by": by}
    connection.execute(insert(versions).values(campaign_id=campaign_id, number=number, **was, **replaced))
    now = {"version": number + 1, "revision": table.c.revision + 1}
    connection.execute(update(table).where(table.c.id == campaign_id).values(**columns(written), **now))
    return int(number) + 1


def at(connection: Connection, campaign: Campaign, number: int | None) -> Campaign:
    """Return a campaign as it was with this version of its message; as it is, where none is named."""
    if number in {None, campaign.version}:
        return campaign
    wanted = versions.c.campaign_id == campaign.id, versions.c.number == number
    row = connection.execute(select(*(versions.c[name] for name in _OWN)).where(*wanted)).one_or_none()
    if row is None:  # it is newer than what was read of the campaign
        return campaigns.get(connection, campaign.id) or campaign
    return replace(campaign, **(row._asdict() | {"writing": Writing(row.writing), "version": number}))


def listed(connection: Connection, campaign: Campaign) -> Sequence[Version]:
    """Return the versions of a campaign's message, the newest first."""
    names = "number", "subject", "replaced_at", "replaced_by"
    statement = select(*(versions.c[name] for name in names)).where(versions.c.campaign_id == campaign.id)
    rows = connection.execute(statement.order_by(versions.c.number.desc()))
    return [Version(campaign.version, campaign.subject), *(Version(*row) for row in rows)]
