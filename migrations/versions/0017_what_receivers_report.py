"""Aggregate reports of DMARC."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    bytewise = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "dmarc_reports",
        sa.Column("id", _ID, nullable=False),
        sa.Column("domain", bytewise, nullable=False),
        sa.Column("reporter", sa.Text(), nullable=False),
        sa.Column("report_id", sa.Text(), nullable=False),
        sa.Column("begin_at", sa.BigInteger(), nullable=False),
        sa.Column("end_at", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("policy", sa.String(length=10), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dmarc_reports")),
        sa.UniqueConstraint(
            "domain", "reporter", "report_id", name=op.f("uq_dmarc_reports_domain_reporter_report_id")
        ),
    )
    op.create_index("ix_dmarc_reports_received", "dmarc_reports", ["received_at"])
    op.create_table(
        "dmarc_sources",
        sa.Column("id", _ID, nullable=False),
        sa.Column("report_id", _ID, nullable=False),
        sa.Column("source", sa.String(length=45), nullable=False),
        sa.Column("header_from", bytewise, nullable=False),
        sa.Column("disposition", sa.String(length=10), nullable=False),
        sa.Column("spf", sa.Boolean(), nullable=False),
        sa.Column("dkim", sa.Boolean(), nullable=False),
        sa.Column("spf_domain", sa.Text(), nullable=False),
        sa.Column("dkim_domain", sa.Text(), nullable=False),
        sa.Column("selector", sa.Text(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["report_id"], ["dmarc_reports.id"], name=op.f("fk_dmarc_sources_report_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dmarc_sources")),
    )
    op.create_index(op.f("ix_dmarc_sources_report_id"), "dmarc_sources", ["report_id"])


def downgrade() -> None:
    op.drop_table("dmarc_sources")
    op.drop_table("dmarc_reports")
