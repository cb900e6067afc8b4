"""The tables of senders: by whom mail leaves, and how much each was given. Times are UTC in ms."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
    text,
    true,
)

from mailing.core.clock import now_ms
from mailing.core.tables import Id, metadata

_THERE = text("deleted_at IS NULL")
_OF_SETTINGS = text("from_settings")

senders = Table(
    "senders",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("position", Integer, nullable=False),  # their order, from 1
    Column("preset", String(20), nullable=False, default=""),  # of presets.PRESETS, from which it was made
    Column("host", Text, nullable=False),
    Column("port", Integer, nullable=False),
    Column("tls", String(13), nullable=False),  # smtp.account.TlsMode
    Column("verify", Boolean, nullable=False, default=True),  # whether the certificate must be trusted
    Column("ca", Text, nullable=False, default=""),  # PEM; empty: the authorities that the system trusts
    Column("username", Text, nullable=False, default=""),
    Column("auth", String(10), nullable=False, default=""),  # smtp.account.AuthWay; empty: the best offered
    Column("password", Text, nullable=False, default=""),  # sealed
    Column("provider", String(10), nullable=False, default=""),  # of OAuth; empty: signs in with a password
    Column("tenant", Text, nullable=False, default=""),
    Column("client_id", Text, nullable=False, default=""),
    Column("client_secret", Text, nullable=False, default=""),  # sealed
    Column("refresh_token", Text, nullable=False, default=""),  # sealed
    Column(
        "signs", Boolean, nullable=False, default=True, server_default=true()
    ),  # with DKIM; else its server
    Column("connections", SmallInteger),  # of one worker process; none: the setting
    Column("limits", JSON(none_as_null=True)),  # limits.dump
    Column("receiver_limits", JSON(none_as_null=True)),  # by receiver, and "*" for all others
    Column("warmup", JSON(none_as_null=True)),
    Column("trouble", Text, nullable=False, default=""),  # what keeps it from sending now
    Column("reason_code", Text),
    Column("trouble_at", BigInteger),
    Column("from_settings", Boolean, nullable=False, default=False),  # the one of VOLLEY_SMTP_URL
    Column("revision", Integer, nullable=False, default=1),  # counts up at each change by a person
    Column("created_at", BigInteger, nullable=False, default=now_ms),
    Column("changed_at", BigInteger, nullable=False, default=now_ms),
    Column("deleted_at", BigInteger),
    Index(
        "uq_senders_name",
        text("lower(name)"),
        unique=True,
        sqlite_where=_THERE,
        postgresql_where=_THERE,
    ),
    Index(
        "uq_senders_from_settings",
        "from_settings",
        unique=True,
        sqlite_where=_OF_SETTINGS,
        postgresql_where=_OF_SETTINGS,
    ),
    CheckConstraint("tls IN ('none', 'opportunistic', 'starttls', 'tls')", name="tls"),
    CheckConstraint("auth IN ('', 'plain', 'login', 'cram-md5', 'xoauth2')", name="auth"),
    CheckConstraint("provider IN ('', 'google', 'microsoft')", name="provider"),
)
"""Of the sender of the settings the credentials are not here: they stay in the settings."""

sender_usage = Table(
    "sender_usage",
    metadata,
    Column("sender_id", ForeignKey("senders.id"), primary_key=True),
    Column("slot", Integer, primary_key=True),  # minutes since 1970
    Column("shard", SmallInteger, primary_key=True),  # worker id modulo: workers never wait for each other
    Column("n", Integer, nullable=False),
    Index("ix_sender_usage_slot", "slot"),
)
"""How many emails each sender was given in each minute: the sum over the shards."""
