"""The tables of DKIM keys, of what DNS said of domains, and of reports about them. Times are UTC in ms."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from mailing.core.clock import now_ms
from mailing.core.tables import Bytewise, Id, metadata, one_of
from mailing.domains.dkim import Algorithm

if TYPE_CHECKING:
    from collections.abc import Mapping


class KeyState(StrEnum):
    """How far a key is."""

    CREATED = "created"  # its record is not in DNS yet
    PUBLISHED = "published"  # it is; the key before it signs until others have forgotten that it was not
    ACTIVE = "active"  # it signs
    RETIRING = "retiring"  # it signs no more; mail that it signed is still on its way
    RETIRED = "retired"  # its record can be removed; its private half is gone


NEXT: Mapping[KeyState, frozenset[KeyState]] = {
    KeyState.CREATED: frozenset({KeyState.PUBLISHED, KeyState.RETIRED}),
    KeyState.PUBLISHED: frozenset({KeyState.CREATED, KeyState.ACTIVE, KeyState.RETIRED}),
    KeyState.ACTIVE: frozenset({KeyState.RETIRING}),
    KeyState.RETIRING: frozenset({KeyState.RETIRED}),
    KeyState.RETIRED: frozenset(),
}
"""What may follow each state. A key whose record is gone before it ever signed is as if it were new."""

dkim_keys = Table(
    "dkim_keys",
    metadata,
    Column("id", Id, primary_key=True),
    Column("domain", Bytewise, nullable=False),  # as ``names`` writes it
    Column("selector", String(63), nullable=False),
    Column("algorithm", String(7), nullable=False),
    Column("private_key", Text, nullable=False),  # PKCS #8, sealed; empty once it is retired
    Column("public_key", Text, nullable=False),  # as its record holds it: base64
    Column("state", String(9), nullable=False, default=KeyState.CREATED),
    Column("created_at", BigInteger, nullable=False, default=now_ms),
    Column("published_at", BigInteger),
    Column("activated_at", BigInteger),
    Column("retiring_at", BigInteger),
    Column("retired_at", BigInteger),
    Column("changed_at", BigInteger, nullable=False, default=now_ms),  # when its state last changed
    UniqueConstraint("domain", "selector"),
    one_of("algorithm", Algorithm),
    one_of("state", KeyState),
)
"""None is deleted: a selector is never used for a second key."""

domain_looks = Table(
    "domain_looks",
    metadata,
    Column("domain", Bytewise, primary_key=True),
    Column("asked_at", BigInteger, nullable=False),  # when somebody last set out to ask
    Column("looked_at", BigInteger),  # of what was found; none: nothing yet
    Column("findings", JSON(none_as_null=True)),  # health.dump
)
"""What DNS said of each domain that mail comes from, when it was last asked."""

dmarc_reports = Table(
    "dmarc_reports",
    metadata,
    Column("id", Id, primary_key=True),
    Column("domain", Bytewise, nullable=False),  # whose policy it is about
    Column("reporter", Text, nullable=False),
    Column("report_id", Text, nullable=False),  # as the reporter calls it
    Column("begin_at", BigInteger, nullable=False),
    Column("end_at", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False, default=now_ms),
    Column("policy", String(10), nullable=False, default=""),
    UniqueConstraint("domain", "reporter", "report_id"),
    Index("ix_dmarc_reports_received", "received_at"),
)
"""Aggregate reports of DMARC, each once."""

dmarc_sources = Table(
    "dmarc_sources",
    metadata,
    Column("id", Id, primary_key=True),
    Column("report_id", ForeignKey("dmarc_reports.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("source", String(45), nullable=False),  # an IP address; empty: all others
    Column("header_from", Bytewise, nullable=False),
    Column("disposition", String(10), nullable=False),  # of aggregates.DISPOSITIONS, or empty
    Column("spf", Boolean, nullable=False),  # it passes and is aligned
    Column("dkim", Boolean, nullable=False),
    Column("spf_domain", Text, nullable=False),  # that passed; empty: none
    Column("dkim_domain", Text, nullable=False),
    Column("selector", Text, nullable=False),
    Column("n", BigInteger, nullable=False),  # emails
)
"""What each machine sent, as a report says."""
