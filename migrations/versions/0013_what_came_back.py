"""Bounces and complaints, beside the state of a recipient, and what follows from them."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "reports",
        sa.Column("id", _ID, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.String(length=10), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("campaign_id", _ID, nullable=True),
        sa.Column("recipient_id", _ID, nullable=True),
        sa.Column("matched_by", sa.String(length=10), nullable=False),
        sa.Column("cause", sa.String(length=12), nullable=True),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("diagnostic", sa.Text(), nullable=False),
        sa.Column("named", sa.Text(), nullable=False),
        sa.Column("reporter", sa.Text(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('bounced', 'delayed', 'complained', 'auto-reply', 'other')",
            name=op.f("ck_reports_kind"),
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_reports_campaign_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["recipient_id"], ["recipients.id"], name=op.f("fk_reports_recipient_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reports")),
        sa.UniqueConstraint("digest", name=op.f("uq_reports_digest")),
    )
    op.create_index(op.f("ix_reports_campaign_id"), "reports", ["campaign_id"])
    op.create_index(op.f("ix_reports_recipient_id"), "reports", ["recipient_id"])
    op.create_index("ix_reports_received", "reports", ["received_at", "id"])
    op.create_table(
        "report_texts",
        sa.Column("report_id", _ID, autoincrement=False, nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["report_id"], ["reports.id"], name=op.f("fk_report_texts_report_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("report_id", name=op.f("pk_report_texts")),
    )
    op.create_index(op.f("ix_report_texts_received_at"), "report_texts", ["received_at"])
    op.create_table(
        "bounce_tallies",
        sa.Column("campaign_id", _ID, nullable=False),
        sa.Column("what", sa.String(length=10), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_bounce_tallies_campaign_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("campaign_id", "what", name=op.f("pk_bounce_tallies")),
    )
    op.create_table(
        "bounce_rules",
        sa.Column("what", sa.String(length=10), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.CheckConstraint("times >= 0 AND days > 0", name=op.f("ck_bounce_rules_bounds")),
        sa.PrimaryKeyConstraint("what", name=op.f("pk_bounce_rules")),
    )
    op.add_column("installation", sa.Column("bounce_key", sa.String(length=64), nullable=True))
    key = sa.table("installation", sa.column("bounce_key", sa.String()))
    op.execute(key.update().values(bounce_key=secrets.token_hex(32)))
    op.add_column("recipients", sa.Column("bounced", sa.String(length=12), nullable=True))
    op.add_column("recipients", sa.Column("bounced_at", sa.BigInteger(), nullable=True))
    op.add_column("recipients", sa.Column("complained_at", sa.BigInteger(), nullable=True))
    op.add_column(
        "campaigns", sa.Column("complaints_after", sa.Integer(), nullable=False, server_default="0")
    )


def downgrade() -> None:
    op.drop_column("campaigns", "complaints_after")
    op.drop_column("recipients", "complained_at")
    op.drop_column("recipients", "bounced_at")
    op.drop_column("recipients", "bounced")
    op.drop_column("installation", "bounce_key")
    for name in ("bounce_rules", "bounce_tallies", "report_texts", "reports"):
        op.drop_table(name)
