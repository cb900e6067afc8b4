"""The tables of mailboxes from which reports are fetched. Times are UTC in ms."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    text,
)

from mailing.core.clock import now_ms
from mailing.core.tables import Id, metadata

mailboxes = Table(
    "mailboxes",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("protocol", String(4), nullable=False),
    Column("host", Text, nullable=False),
    Column("port", Integer, nullable=False),
    Column("tls", String(13), nullable=False),  # smtp.account.TlsMode
    Column("verify", Boolean, nullable=False, default=True),  # whether the certificate must be trusted
    Column("ca", Text, nullable=False, default=""),  # PEM; empty: the authorities that the system trusts
    Column("username", Text, nullable=False),
    Column("password", Text, nullable=False, default=""),  # sealed
    Column("provider", String(10), nullable=False, default=""),  # of OAuth; empty: signs in with a password
    Column("tenant", Text, nullable=False, default=""),
    Column("client_id", Text, nullable=False, default=""),
    Column("client_secret", Text, nullable=False, default=""),  # sealed
    Column("refresh_token", Text, nullable=False, default=""),  # sealed
    Column("folder", Text, nullable=False, default="INBOX"),  # of IMAP
    Column("removes", Boolean, nullable=False, default=False),  # there, what is recorded here
    Column("uidvalidity", BigInteger, nullable=False, default=0),  # of IMAP, with the UID up to which
    Column("uid", BigInteger, nullable=False, default=0),  # all is recorded; 0: nothing yet
    Column("fetched", Integer, nullable=False, default=0),  # messages, ever
    Column("fetched_at", BigInteger),  # the last one
    Column("looked_at", BigInteger),  # when it was found to work last
    Column("trouble", Text, nullable=False, default=""),  # what keeps it from being looked at now
    Column("reason_code", Text),
    Column("trouble_at", BigInteger),
    Column("revision", Integer, nullable=False, default=1),  # counts up at each change by a person
    Column("created_at", BigInteger, nullable=False, default=now_ms),
    Column("changed_at", BigInteger, nullable=False, default=now_ms),
    Index("uq_mailboxes_name", text("lower(name)"), unique=True),
    CheckConstraint("protocol IN ('imap', 'pop3')", name="protocol"),
    CheckConstraint("tls IN ('none', 'opportunistic', 'starttls', 'tls')", name="tls"),
    CheckConstraint("provider IN ('', 'google', 'microsoft')", name="provider"),
)

mailbox_marks = Table(
    "mailbox_marks",
    metadata,
    Column(
        "mailbox_id", ForeignKey("mailboxes.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    ),
    Column("uidl", String(200), primary_key=True),
)
"""Of POP3: the unique ids of what is recorded and still there (RFC 1939 section 7)."""

mailbox_watch = Table(
    "mailbox_watch",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # the one row is 1
    Column("holder", String(32), nullable=False, default=""),
    Column("until_at", BigInteger, nullable=False, default=0),
)
"""Which process watches the mailboxes, and until when nobody else may."""
