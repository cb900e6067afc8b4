"""The tables of people and keys. Of a secret that is only compared a hash is kept; times are UTC in ms."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Table,
    Text,
    text,
)

from mailing.accounts.roles import Role
from mailing.core.actors import ActorKind
from mailing.core.clock import now_ms
from mailing.core.tables import Id, metadata, one_of

users = Table(
    "users",
    metadata,
    Column("id", Id, primary_key=True),
    Column("email", Text, nullable=False),
    Column("role", String(10), nullable=False),
    Column("password_hash", Text),  # none: signs in with a passkey, or elsewhere
    Column("totp_secret", Text),  # sealed
    Column("totp_step", BigInteger),  # the last one used: no code counts twice (RFC 6238 section 5.2)
    Column("created_at", BigInteger, nullable=False, default=now_ms),
    Column("deactivated_at", BigInteger),
    Index("uq_users_email", text("lower(email)"), unique=True),
    one_of("role", Role),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", BigInteger, nullable=False, default=now_ms),
    Column("seen_at", BigInteger, nullable=False, default=now_ms),
    Column("confirmed_at", BigInteger, nullable=False, default=now_ms),  # with the password or a passkey
    Column("ended_at", BigInteger),
    Column("address", Text, nullable=False, default=""),  # from where it began
    Column("agent", Text, nullable=False, default=""),  # the browser, as it calls itself
)

invitations = Table(
    "invitations",
    metadata,
    Column("id", Id, primary_key=True),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("email", Text, nullable=False),
    Column("role", String(10), nullable=False),
    Column("created_at", BigInteger, nullable=False, default=now_ms),
    Column("expires_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),  # accepted or revoked
    one_of("role", Role),
)

passkeys = Table(
    "passkeys",
    metadata,
    Column("id", Id, primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("credential_id", LargeBinary, nullable=False, unique=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),  # 0 with those that are kept in a cloud
    Column("name", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False, default=now_ms),
    Column("used_at", BigInteger),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("code_hash", String(64), primary_key=True),
    Column("used_at", BigInteger),
)

identities = Table(
    "identities",
    metadata,
    Column("issuer", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", BigInteger, nullable=False, default=now_ms),
)
"""Accounts elsewhere (OpenID Connect) by which somebody signs in."""

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Id, primary_key=True),
    Column("prefix", String(16), nullable=False, unique=True),  # by which people tell keys apart
    Column("secret_hash", String(64), nullable=False),
    Column("name", Text, nullable=False),
    Column("scopes", JSON, nullable=False),  # permissions, sorted
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), index=True),  # none: made at a terminal
    Column("created_at", BigInteger, nullable=False, default=now_ms),
    Column("expires_at", BigInteger),
    Column("used_at", BigInteger),
    Column("revoked_at", BigInteger),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("id", String(16), primary_key=True),  # the token's kid
    Column("private_key", Text, nullable=False),  # sealed
    Column("public_key", JSON, nullable=False),  # as JWK (RFC 7517)
    Column("created_at", BigInteger, nullable=False, default=now_ms),
)

throttles = Table(
    "throttles",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("free_at", BigInteger, nullable=False),  # when all attempts are forgotten
)

audit = Table(
    "audit",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", BigInteger, nullable=False, default=now_ms),
    Column("actor_kind", String(10), nullable=False),
    Column("actor_id", BigInteger),  # of the person or the key; none: nobody is signed in, or Volley
    Column("actor_name", Text, nullable=False, default=""),
    Column("address", Text, nullable=False, default=""),  # from where
    Column("action", String(40), nullable=False),
    Column("subject", String(40), nullable=False, default=""),  # like campaign:12
    Column("details", JSON, nullable=False, default=dict),
    Index("ix_audit_actor", "actor_kind", "actor_id", "id"),
    Index("ix_audit_subject", "subject", "id"),
    Index("ix_audit_action", "action", "id"),
    one_of("actor_kind", ActorKind),
)
"""Triggers refuse every change of a row, but for the details of one that names a forgotten person."""

audit_redactions = Table(
    "audit_redactions",
    metadata,
    Column("audit_id", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
)
"""Of which rows of the audit log an address was taken out, because its person was forgotten."""
