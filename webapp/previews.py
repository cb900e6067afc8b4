"""A message as a recipient gets it: composed for real, then read back as a mail program would."""

from __future__ import annotations

import email
import email.policy
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailing import composing, history
from mailing.composing import ComposeError, MergeError
from mailing.models import now_ms

if TYPE_CHECKING:
    from email.message import EmailMessage

    from sqlalchemy import Connection

    from mailing.campaigns import Campaign


@dataclass(frozen=True, slots=True)
class Preview:
    """The parts of one message that people read. ``html`` is empty where there is none."""

    sender: str
    to: str
    subject: str
    date: str
    message_id: str
    text: str
    html: str


def read(data: bytes) -> Preview:
    """Read a message as it goes over the line (RFC 5322)."""
    message: EmailMessage = email.message_from_bytes(data, policy=email.policy.default)
    return Preview(
        _header(message, "From"),
        _header(message, "To"),
        _header(message, "Subject"),
        _header(message, "Date"),
        _header(message, "Message-ID"),
        _body(message, "plain"),
        _body(message, "html"),
    )


def first(connection: Connection, campaign: Campaign) -> Preview | None:
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
    return read(filled.data)


def fields(campaign: Campaign) -> frozenset[str]:
    """Return the merge fields that a campaign's message uses; none if it cannot be read."""
    try:
        return composing.fields_used(campaign.message)
    except ComposeError:
        return frozenset()


def _header(message: EmailMessage, name: str) -> str:
    return str(message[name] or "")


def _body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    if part is None:
        return ""
    content = part.get_content()
    return content if isinstance(content, str) else ""
