"""What Volley says as a code with values, beside its text: none of a server's words, or of older rows."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TABLES = ("attempts", "campaigns", "list_notes", "reply_groups", "rests", "workers")


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("reason_code", sa.Text(), nullable=True))


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_column(table, "reason_code")
