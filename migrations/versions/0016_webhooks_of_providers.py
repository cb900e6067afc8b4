"""Webhooks of providers, and what they tell that no report by mail does: that somebody unsubscribed."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_TEXTS = ("diagnostic", "named", "reporter", "sender", "subject")
_KINDS = "'bounced', 'delayed', 'complained', 'auto-reply', 'other'"


def upgrade() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("provider", sa.String(length=10), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("confirmed_at", sa.BigInteger(), nullable=True),
        sa.Column("last_at", sa.BigInteger(), nullable=True),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "provider IN ('ses', 'sendgrid', 'mailgun', 'postmark', 'brevo', 'sparkpost')",
            name=op.f("ck_webhooks_provider"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
        sqlite_autoincrement=True,
    )
    _kinds(f"{_KINDS}, 'unsubscribed'", 12)


def downgrade() -> None:
    op.execute("DELETE FROM reports WHERE kind = 'unsubscribed'")
    _kinds(_KINDS, 10)
    op.drop_table("webhooks")


def _kinds(kinds: str, length: int) -> None:
    """Let reports have these kinds. SQLite copies the table, and would lose the texts that belong to it."""
    name, condition = op.f("ck_reports_kind"), f"kind IN ({kinds})"
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint(name, "reports", type_="check")
        op.alter_column("reports", "kind", type_=sa.String(length=length))
        op.create_check_constraint(name, "reports", condition)
        return
    op.execute("CREATE TABLE report_texts_meanwhile AS SELECT * FROM report_texts")
    op.create_table(
        "reports_anew",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.String(length=10), nullable=False),
        sa.Column("kind", sa.String(length=length), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=True),
        sa.Column("recipient_id", sa.Integer(), nullable=True),
        sa.Column("matched_by", sa.String(length=10), nullable=False),
        sa.Column("cause", sa.String(length=12), nullable=True),
        sa.Column("status", sa.String(length=12), nullable=False),
        *(sa.Column(text, sa.Text(), nullable=False) for text in _TEXTS),
        sa.CheckConstraint(condition, name=name),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_reports_campaign_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["recipient_id"], ["recipients.id"], name=op.f("fk_reports_recipient_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reports")),
        sa.UniqueConstraint("digest", name=op.f("uq_reports_digest")),
    )
    op.execute("INSERT INTO reports_anew SELECT * FROM reports")
    op.drop_table("reports")
    op.rename_table("reports_anew", "reports")
    for column in ("campaign_id", "recipient_id"):
        op.create_index(op.f(f"ix_reports_{column}"), "reports", [column])
    op.create_index("ix_reports_received", "reports", ["received_at", "id"])
    op.execute("INSERT OR IGNORE INTO report_texts SELECT * FROM report_texts_meanwhile")
    op.execute("DROP TABLE report_texts_meanwhile")
