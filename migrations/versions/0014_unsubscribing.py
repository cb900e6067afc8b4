"""Topics, unsubscribe links and their key, and recipients as actors of the audit log."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

REFUSAL = "the audit log is append-only"


def upgrade() -> None:
    op.add_column("campaigns", sa.Column("topic", sa.Text(), server_default="", nullable=False))
    op.add_column(
        "campaigns", sa.Column("transactional", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.add_column("installation", sa.Column("leave_key", sa.String(length=64), nullable=True))
    op.add_column("installation", sa.Column("site", sa.Text(), server_default="", nullable=False))
    op.execute(sa.text("UPDATE installation SET leave_key = :key").bindparams(key=secrets.token_hex(32)))
    bytewise = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    with op.batch_alter_table("suppressions") as table:
        table.add_column(sa.Column("scope", bytewise, server_default="", nullable=False))
        table.drop_constraint("uq_suppressions_subject", type_="unique")
        table.create_unique_constraint("uq_suppressions_subject", ["subject", "scope", "reason"])
    _audit_takes("'person', 'api', 'cli', 'volley', 'recipient'")


def downgrade() -> None:
    _audit_takes("'person', 'api', 'cli', 'volley'")
    op.execute("DELETE FROM suppressions WHERE scope <> ''")
    op.execute(
        "DELETE FROM suppressions WHERE EXISTS (SELECT 1 FROM suppressions AS older "
        "WHERE older.subject = suppressions.subject AND older.id < suppressions.id)"
    )
    with op.batch_alter_table("suppressions") as table:
        table.drop_constraint("uq_suppressions_subject", type_="unique")
        table.drop_column("scope")
        table.create_unique_constraint("uq_suppressions_subject", ["subject"])
    for name in ("site", "leave_key"):
        op.drop_column("installation", name)
    for name in ("transactional", "topic"):
        op.drop_column("campaigns", name)


def _audit_takes(kinds: str) -> None:
    """Let the audit log have these kinds of actors. SQLite copies the table, so its triggers come anew."""
    name, condition = op.f("ck_audit_actor_kind"), f"actor_kind IN ({kinds})"
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint(name, "audit", type_="check")
        op.create_check_constraint(name, "audit", condition)
        return
    for verb in ("update", "delete"):
        op.execute(f"DROP TRIGGER audit_no_{verb}")
    with op.batch_alter_table("audit") as table:
        table.drop_constraint(name, type_="check")
        table.create_check_constraint(name, condition)
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER audit_no_{verb.lower()} BEFORE {verb} ON audit "
            f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
        )
