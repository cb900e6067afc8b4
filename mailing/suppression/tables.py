"""The tables of suppressions and of people who are to be forgotten. Times are UTC in ms."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from mailing.core.clock import now_ms
from mailing.core.reasons import Reason
from mailing.core.tables import Bytewise, Id, metadata, one_of


class SuppressionReason(StrEnum):
    """Why somebody must not be mailed."""

    UNSUBSCRIBED = "unsubscribed"
    BOUNCED = "bounced"  # the mailbox does not exist, or refused too often
    COMPLAINED = "complained"  # called it spam
    MANUAL = "manual"
    IMPORTED = "imported"

    @property
    def told(self) -> Reason:
        """What stands where a server's reply would."""
        return Reason(f"suppressed.{self}")


forgettings = Table(
    "forgettings",
    metadata,
    Column("recipient_id", ForeignKey("recipients.id", ondelete="CASCADE"), primary_key=True),
    Column("since", BigInteger, nullable=False, default=now_ms),
)
"""People to be forgotten who were being sent to at that moment."""

suppressions = Table(
    "suppressions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("subject", Bytewise, nullable=False),  # as ``subjects`` writes it
    Column("scope", Bytewise, nullable=False, default="", server_default=""),  # a topic; empty: everything
    Column("reason", String(12), nullable=False),
    Column("source", Text, nullable=False, default=""),  # who or what said so, in a few words
    Column("created_at", BigInteger, nullable=False, default=now_ms),
    Column("expires_at", BigInteger),  # none: it stays until somebody lifts it
    # Each reason has a row of its own: to lift one must not lift another.
    UniqueConstraint("subject", "scope", "reason"),
    one_of("reason", SuppressionReason),
    CheckConstraint("expires_at IS NULL OR expires_at > created_at", name="expires_at"),
)
