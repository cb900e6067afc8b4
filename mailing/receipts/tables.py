"""The table of the keys that sign receipts."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, String, Table, Text

from mailing.core.clock import now_ms
from mailing.core.tables import metadata

receipt_keys = Table(
    "receipt_keys",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),  # from 1; each is made once
    Column("private_key", Text, nullable=False),  # sealed
    Column("public_key", String(64), nullable=False),  # hexadecimal
    Column("created_at", BigInteger, nullable=False, default=now_ms),
)
"""One, as a rule; another one for each secret key. None is deleted: old receipts name it."""
