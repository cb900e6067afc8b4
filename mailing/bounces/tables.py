"""The tables of bounces and complaints. What is known of a recipient stands in its own row. UTC in ms."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from mailing.bounces.reading import Kind
from mailing.core.clock import now_ms
from mailing.core.tables import Bytewise, Id, metadata, one_of

reports = Table(
    "reports",
    metadata,
    Column("id", Id, primary_key=True),
    Column("digest", String(64), nullable=False),  # of what it says, without the way that it came
    Column("received_at", BigInteger, nullable=False, default=now_ms),
    Column("source", String(10), nullable=False),  # by which door it came
    Column("kind", String(12), nullable=False),
    Column("campaign_id", ForeignKey("campaigns.id", ondelete="CASCADE"), index=True),
    Column(
        "recipient_id", ForeignKey("recipients.id", ondelete="CASCADE"), index=True
    ),  # none: nobody of ours
    Column("matched_by", String(10), nullable=False, default=""),  # token, message-id, address
    Column("cause", String(12)),  # of a bounce
    Column("status", String(12), nullable=False, default=""),  # RFC 3463
    Column("diagnostic", Text, nullable=False, default=""),  # the server's words
    Column("named", Text, nullable=False, default=""),  # the recipient as the report names it
    Column("reporter", Text, nullable=False, default=""),  # the server that reports
    Column("sender", Text, nullable=False, default=""),  # From of the report
    Column("subject", Text, nullable=False, default=""),
    UniqueConstraint("digest"),
    Index("ix_reports_received", "received_at", "id"),
    one_of("kind", Kind),
)
"""What came back, each once, and about whom."""

report_texts = Table(
    "report_texts",
    metadata,
    Column("report_id", ForeignKey("reports.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("received_at", BigInteger, nullable=False, index=True),
    Column("size", Integer, nullable=False),  # bytes as it came; of a long one the beginning is kept
    Column("raw", LargeBinary, nullable=False),
)
"""The reports as they came, for some days."""

bounce_tallies = Table(
    "bounce_tallies",
    metadata,
    Column("campaign_id", ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True),
    Column("what", String(10), primary_key=True),  # hard, soft, policy, complained
    Column("n", Integer, nullable=False),
)
"""How many recipients of each campaign bounced and complained, moved in the transaction that notes it."""

received_tallies = Table(
    "received_tallies",
    metadata,
    Column("campaign_id", ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True),
    Column("day", Integer, primary_key=True),  # on which it was sent, counted in UTC since 1970
    Column("sender_id", BigInteger, primary_key=True, autoincrement=False),  # 0: the demo inbox, or by hand
    Column("domain", Bytewise, primary_key=True),  # one of ``receivers``; empty: all others
    Column("what", String(12), primary_key=True),  # received.SENT, a class of bounces, complained, left
    Column("shard", SmallInteger, primary_key=True),
    Column("n", Integer, nullable=False),
    Index("ix_received_tallies_day", "day"),
)
"""What became of the emails that were sent, by the day, the sender and the domain that they were sent to.

Moved in the transaction that notes it. So what came back is never more than what was sent there.
"""

bounce_rules = Table(
    "bounce_rules",
    metadata,
    Column("what", String(10), primary_key=True),  # as in ``bounce_tallies``
    Column(
        "times", Integer, nullable=False
    ),  # in so many campaigns it happens until nobody mails it; 0: never
    Column("days", Integer, nullable=False),  # within so many
    CheckConstraint("times >= 0 AND days > 0", name="bounds"),
)
"""What follows for an address. A row that is missing says what is usual (``following``)."""
