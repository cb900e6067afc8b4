"""The tables of lanes and of dialogues. Those of the ledger itself are in ``core``."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
    text,
)

from mailing.core.tables import Bytewise, metadata

receivers = Table(
    "receivers",
    metadata,
    Column("domain", Bytewise, primary_key=True),
    Column("receiver", Text, nullable=False),  # a key of ``mailing.internet.receivers``
    Column("found", String(4), nullable=False, default=""),  # by what: rule, mx; empty: it stands for itself
    Column("looked_at", BigInteger),  # none: its exchangers are to be asked for
    Index("ix_receivers_receiver", "receiver"),
    Index(
        "ix_receivers_due",
        "domain",
        sqlite_where=text("looked_at IS NULL"),
        postgresql_where=text("looked_at IS NULL"),
    ),
)
"""The receivers of the most frequent domains. A domain that is not here stands for itself."""

domain_tallies = Table(
    "domain_tallies",
    metadata,
    Column("campaign_id", ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True),
    Column("domain", Bytewise, primary_key=True),  # one of ``receivers``; empty: all others
    Column("state", String(10), primary_key=True),
    Column("shard", SmallInteger, primary_key=True),
    Column("n", Integer, nullable=False),
)
"""How many recipients of a domain are in each state, but queued and sending, which the rest of them are.

Moved with the recipients, as ``tallies`` are. By domain, so that they stay true when a receiver is found.
"""

dialogues = Table(
    "dialogues",
    metadata,
    Column("recipient_id", ForeignKey("recipients.id", ondelete="CASCADE"), primary_key=True),
    Column("number", SmallInteger, primary_key=True),  # of the attempt, as its result and its end
    Column("result", String(10), primary_key=True),
    Column("ended_at", BigInteger, primary_key=True),
    Column("lines", Text, nullable=False),  # JSON, as ``dialogues`` writes it
    Index("ix_dialogues_ended", "ended_at"),
)
"""What was said with the server in each attempt that did not send, for some days."""
