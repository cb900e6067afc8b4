"""The table of webhooks. Times are UTC in ms."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, String, Table, Text

from mailing.core.clock import now_ms
from mailing.core.tables import Id, metadata, one_of
from mailing.feedback.providers import Provider

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Id, primary_key=True),
    Column("provider", String(10), nullable=False),
    Column("topic", Text, nullable=False, default=""),  # of Amazon SNS: no other is believed
    Column("secret", Text, nullable=False, default=""),  # sealed: a key or a password; empty: none yet
    Column("created_at", BigInteger, nullable=False, default=now_ms),
    Column("confirmed_at", BigInteger),  # when Amazon SNS was answered that the subscription is wanted
    Column("last_at", BigInteger),  # when a request came last that was proven
    Column("events", Integer, nullable=False, default=0),  # that were new
    one_of("provider", Provider),
    sqlite_autoincrement=True,  # an address that somebody still posts to is not another's
)
"""Where providers post what became of emails."""
