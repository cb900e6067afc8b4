"""Suppressions, and why a recipient is suppressed."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "suppressions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("subject", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("reason", sa.String(length=12), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "reason IN ('unsubscribed', 'bounced', 'complained', 'manual', 'imported')",
            name=op.f("ck_suppressions_reason"),
        ),
        sa.CheckConstraint(
            "expires_at IS NULL OR expires_at > created_at", name=op.f("ck_suppressions_expires_at")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suppressions")),
        sa.UniqueConstraint("subject", name=op.f("uq_suppressions_subject")),
    )
    op.add_column("installation", sa.Column("forget_key", sa.String(length=64), nullable=True))
    op.add_column("recipients", sa.Column("suppressed", sa.String(length=12), nullable=True))


def downgrade() -> None:
    op.drop_column("recipients", "suppressed")
    op.drop_column("installation", "forget_key")
    op.drop_table("suppressions")
