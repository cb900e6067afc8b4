"""The tables of what is kept for messages: files and templates. Times are UTC in ms."""

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
    text,
)

from mailing.core.clock import now_ms
from mailing.core.tables import Id, metadata, one_of
from mailing.writing.written import Writing

files = Table(
    "files",
    metadata,
    Column("id", Id, primary_key=True),
    Column("sha256", String(64), nullable=False),
    Column("type", Text, nullable=False),  # media type, found by looking at the content
    Column("size", BigInteger, nullable=False),  # bytes
    Column("data", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False, default=now_ms),
    UniqueConstraint("sha256", "type"),
)
"""Attachments and images: each content is stored once, whoever uses it."""

campaign_files = Table(
    "campaign_files",
    metadata,
    Column("campaign_id", ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True),
    Column("position", SmallInteger, primary_key=True),
    Column("file_id", ForeignKey("files.id"), nullable=False),
    Column("name", Text, nullable=False),  # as the recipient sees it
    Column("cid", String(64), nullable=False, default=""),  # an image within the HTML; empty: an attachment
    Index("ix_campaign_files_file", "file_id"),
)

templates = Table(
    "templates",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False, default=1),  # the newest
    Column("created_at", BigInteger, nullable=False, default=now_ms),
    Column("changed_at", BigInteger, nullable=False, default=now_ms),
    Index("uq_templates_name", text("lower(name)"), unique=True),
    CheckConstraint("version > 0", name="version"),
)

template_versions = Table(
    "template_versions",
    metadata,
    Column("template_id", ForeignKey("templates.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("preheader", Text, nullable=False, default=""),
    Column("writing", String(10), nullable=False),
    Column("body", Text, nullable=False, default=""),
    Column("text", Text, nullable=False, default=""),
    Column("created_by", Text, nullable=False, default=""),
    Column("created_at", BigInteger, nullable=False, default=now_ms),
    one_of("writing", Writing),
)
"""Saved messages. A version is never changed; saving makes the next one."""
