"""Senders and their limits."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "senders",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("preset", sa.String(length=20), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("tls", sa.String(length=13), nullable=False),
        sa.Column("verify", sa.Boolean(), nullable=False),
        sa.Column("ca", sa.Text(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("auth", sa.String(length=10), nullable=False),
        sa.Column("password", sa.Text(), nullable=False),
        sa.Column("provider", sa.String(length=10), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("client_secret", sa.Text(), nullable=False),
        sa.Column("refresh_token", sa.Text(), nullable=False),
        sa.Column("connections", sa.SmallInteger(), nullable=True),
        sa.Column("limits", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("receiver_limits", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("warmup", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("trouble", sa.Text(), nullable=False),
        sa.Column("reason_code", sa.Text(), nullable=True),
        sa.Column("trouble_at", sa.BigInteger(), nullable=True),
        sa.Column("from_settings", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "auth IN ('', 'plain', 'login', 'cram-md5', 'xoauth2')", name=op.f("ck_senders_auth")
        ),
        sa.CheckConstraint("provider IN ('', 'google', 'microsoft')", name=op.f("ck_senders_provider")),
        sa.CheckConstraint(
            "tls IN ('none', 'opportunistic', 'starttls', 'tls')", name=op.f("ck_senders_tls")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_senders")),
    )
    there, of_settings = sa.text("deleted_at IS NULL"), sa.text("from_settings")
    op.create_index(
        "uq_senders_name",
        "senders",
        [sa.text("lower(name)")],
        unique=True,
        sqlite_where=there,
        postgresql_where=there,
    )
    op.create_index(
        "uq_senders_from_settings",
        "senders",
        ["from_settings"],
        unique=True,
        sqlite_where=of_settings,
        postgresql_where=of_settings,
    )
    op.create_table(
        "sender_usage",
        sa.Column("sender_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("shard", sa.SmallInteger(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["sender_id"], ["senders.id"], name=op.f("fk_sender_usage_sender_id")),
        sa.PrimaryKeyConstraint("sender_id", "slot", "shard", name=op.f("pk_sender_usage")),
    )
    op.add_column("campaigns", sa.Column("senders", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("campaigns", sa.Column("limits", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    op.drop_column("campaigns", "limits")
    op.drop_column("campaigns", "senders")
    op.drop_table("sender_usage")
    op.drop_table("senders")
