"""What became of sent emails, counted by day, sender and domain; who unsubscribed by the link of an email."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_HARD = "'no-mailbox', 'inactive', 'no-domain'"
_POLICY = "'too-large', 'policy'"
_BY_CLASS = (
    f"CASE WHEN r.bounced IN ({_HARD}) THEN 'hard' "
    f"WHEN r.bounced IN ({_POLICY}) THEN 'policy' ELSE 'soft' END"
)
_COUNT = """
    INSERT INTO received_tallies (campaign_id, day, sender_id, domain, what, shard, n)
    SELECT campaign_id, day, sender_id, domain, what, 0, count(*) FROM (
        SELECT r.campaign_id AS campaign_id, a.ended_at / 86400000 AS day,
               coalesce(a.sender_id, 0) AS sender_id, coalesce(known.domain, '') AS domain, {what} AS what
        FROM recipients r
        JOIN attempts a ON a.id = (
            SELECT max(id) FROM attempts WHERE recipient_id = r.id AND result = 'sent')
        LEFT JOIN receivers known ON known.domain = r.domain
        WHERE r.state = 'sent' AND {which}) AS each
    GROUP BY campaign_id, day, sender_id, domain, what
"""
_EARLY = """
    INSERT INTO received_tallies (campaign_id, day, sender_id, domain, what, shard, n)
    SELECT campaign_id, 0, 0, '', 'early', 0,
           sum(CASE WHEN bounced IS NULL THEN 0 ELSE 1 END
               + CASE WHEN complained_at IS NULL THEN 0 ELSE 1 END)
    FROM recipients
    WHERE state <> 'sent' AND (bounced IS NOT NULL OR complained_at IS NOT NULL)
    GROUP BY campaign_id
"""


_REFUSAL = "the audit log is append-only"
_SAME = ("id", "at", "actor_kind", "actor_id", "actor_name", "address", "action", "subject")
_REDACTED = "EXISTS (SELECT 1 FROM audit_redactions WHERE audit_id = OLD.id)"
_NO_UPDATE = "CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit"
_NO_CHANGE = (
    "CREATE TRIGGER audit_no_change BEFORE {verbs} ON audit FOR EACH STATEMENT EXECUTE FUNCTION {by}()"
)
_SQLITE_SAME = " AND ".join(f"NEW.{name} IS OLD.{name}" for name in _SAME)
_POSTGRES_SAME = " AND ".join(f"NEW.{name} IS NOT DISTINCT FROM OLD.{name}" for name in _SAME)
_ABORT = f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
_REDACT = (
    "CREATE FUNCTION audit_redact() RETURNS trigger LANGUAGE plpgsql AS "
    f"$$ BEGIN IF {_POSTGRES_SAME} AND {_REDACTED} THEN RETURN NEW; END IF; "
    f"RAISE EXCEPTION '{_REFUSAL}'; END $$"
)
_OPEN = {  # the details of a row may change once it is noted that an address was taken out of it
    "sqlite": (
        "DROP TRIGGER audit_no_update",
        f"{_NO_UPDATE} WHEN NOT ({_SQLITE_SAME} AND {_REDACTED}) {_ABORT}",
    ),
    "postgresql": (
        "DROP TRIGGER audit_no_change ON audit",
        _NO_CHANGE.format(verbs="DELETE OR TRUNCATE", by="audit_refuse"),
        _REDACT,
        f"{_NO_UPDATE} FOR EACH ROW EXECUTE FUNCTION audit_redact()",
    ),
}
_CLOSED = {
    "sqlite": ("DROP TRIGGER audit_no_update", f"{_NO_UPDATE} {_ABORT}"),
    "postgresql": (
        "DROP TRIGGER audit_no_update ON audit",
        "DROP FUNCTION audit_redact()",
        "DROP TRIGGER audit_no_change ON audit",
        _NO_CHANGE.format(verbs="UPDATE OR DELETE OR TRUNCATE", by="audit_refuse"),
    ),
}


def upgrade() -> None:
    bytewise = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "received_tallies",
        sa.Column("campaign_id", big, nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("sender_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("domain", bytewise, nullable=False),
        sa.Column("what", sa.String(length=12), nullable=False),
        sa.Column("shard", sa.SmallInteger(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaigns.id"],
            name=op.f("fk_received_tallies_campaign_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "campaign_id", "day", "sender_id", "domain", "what", "shard", name=op.f("pk_received_tallies")
        ),
    )
    op.create_index("ix_received_tallies_day", "received_tallies", ["day"])
    op.create_table(
        "forgettings",
        sa.Column("recipient_id", big, autoincrement=False, nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["recipient_id"], ["recipients.id"], name=op.f("fk_forgettings_recipient_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("recipient_id", name=op.f("pk_forgettings")),
    )
    op.create_table(
        "audit_redactions",
        sa.Column("audit_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("audit_id", name=op.f("pk_audit_redactions")),
    )
    for statement in _OPEN[op.get_bind().dialect.name]:
        op.execute(statement)
    op.add_column("recipients", sa.Column("left_at", sa.BigInteger(), nullable=True))
    op.execute(_COUNT.format(what="'sent'", which="1 = 1"))
    op.execute(_COUNT.format(what=_BY_CLASS, which="r.bounced IS NOT NULL"))
    op.execute(_COUNT.format(what="'complained'", which="r.complained_at IS NOT NULL"))
    op.execute(_EARLY)


def downgrade() -> None:
    for statement in _CLOSED[op.get_bind().dialect.name]:
        op.execute(statement)
    op.drop_table("audit_redactions")
    op.drop_table("forgettings")
    op.drop_column("recipients", "left_at")
    op.drop_table("received_tallies")
