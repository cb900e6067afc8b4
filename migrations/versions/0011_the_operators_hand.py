"""Senders, limits, lanes; when, how and in which versions a campaign is sent; dialogues, keys of receipts."""

import json

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
    op.create_index("ix_sender_usage_slot", "sender_usage", ["slot"])
    op.add_column("attempts", sa.Column("sender_id", sa.BigInteger(), nullable=True))
    op.add_column("campaigns", sa.Column("senders", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("campaigns", sa.Column("limits", sa.JSON(none_as_null=True), nullable=True))
    op.create_table(
        "dialogues",
        sa.Column("recipient_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("result", sa.String(length=10), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=False),
        sa.Column("lines", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["recipient_id"],
            ["recipients.id"],
            name=op.f("fk_dialogues_recipient_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("recipient_id", "number", "result", "ended_at", name=op.f("pk_dialogues")),
    )
    op.create_index("ix_dialogues_ended", "dialogues", ["ended_at"])
    op.create_table(
        "receipt_keys",
        sa.Column("number", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("private_key", sa.Text(), nullable=False),
        sa.Column("public_key", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_receipt_keys")),
    )

    op.create_table(
        "versions",
        sa.Column("campaign_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("preheader", sa.Text(), nullable=False),
        sa.Column("writing", sa.String(length=10), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("typed_text", sa.Text(), nullable=True),
        sa.Column("replaced_at", sa.BigInteger(), nullable=False),
        sa.Column("replaced_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_versions_campaign_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("campaign_id", "number", name=op.f("pk_versions")),
    )
    op.add_column("campaigns", sa.Column("breaker", sa.JSON(none_as_null=True), nullable=True))
    op.add_column(
        "campaigns", sa.Column("counted_after", sa.BigInteger(), server_default="0", nullable=False)
    )
    op.add_column("campaigns", sa.Column("canary", sa.Integer(), server_default="0", nullable=False))
    op.add_column("campaigns", sa.Column("canary_until", sa.BigInteger(), nullable=True))
    op.add_column("campaigns", sa.Column("version", sa.SmallInteger(), server_default="1", nullable=False))
    op.add_column("batches", sa.Column("canary", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("recipients", sa.Column("version", sa.SmallInteger(), nullable=True))
    op.add_column("attempts", sa.Column("version", sa.SmallInteger(), server_default="1", nullable=False))
    usual = '{"percent": 10, "of_last": 200, "at_least": 20}'
    op.execute(f"UPDATE campaigns SET breaker = '{usual}' WHERE state = 'draft' AND rehearses IS NULL")  # noqa: S608
    _lanes()

    op.add_column("campaigns", sa.Column("send_at", sa.BigInteger(), nullable=True))
    op.add_column("campaigns", sa.Column("time_zone", sa.Text(), server_default="", nullable=False))
    op.add_column("campaigns", sa.Column("hours", sa.String(length=11), server_default="", nullable=False))
    op.create_index("ix_campaigns_state", "campaigns", ["state", "send_at"])


def downgrade() -> None:
    op.drop_table("receipt_keys")
    op.drop_table("dialogues")
    _without_lanes()
    op.drop_index("ix_campaigns_state", "campaigns")
    op.drop_column("campaigns", "hours")
    op.drop_column("campaigns", "time_zone")
    op.drop_column("campaigns", "send_at")

    op.drop_column("attempts", "version")
    op.drop_column("recipients", "version")
    op.drop_column("batches", "canary")
    op.drop_column("campaigns", "version")
    op.drop_column("campaigns", "canary_until")
    op.drop_column("campaigns", "canary")
    op.drop_column("campaigns", "counted_after")
    op.drop_column("campaigns", "breaker")

    op.drop_table("versions")

    op.drop_column("attempts", "sender_id")
    op.drop_column("campaigns", "limits")
    op.drop_column("campaigns", "senders")
    op.drop_table("sender_usage")
    op.drop_table("senders")


def _lanes() -> None:
    bytewise = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "receivers",
        sa.Column("domain", bytewise, nullable=False),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("found", sa.String(length=4), nullable=False),
        sa.Column("looked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("domain", name=op.f("pk_receivers")),
    )
    op.create_index("ix_receivers_receiver", "receivers", ["receiver"])
    due = sa.text("looked_at IS NULL")
    op.create_index("ix_receivers_due", "receivers", ["domain"], sqlite_where=due, postgresql_where=due)
    op.create_table(
        "domain_tallies",
        sa.Column("campaign_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("domain", bytewise, nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("shard", sa.SmallInteger(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_domain_tallies_campaign_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("campaign_id", "domain", "state", "shard", name=op.f("pk_domain_tallies")),
    )
    op.add_column("batches", sa.Column("rests_until", sa.BigInteger(), nullable=True))
    with op.batch_alter_table("rests") as table:
        table.add_column(sa.Column("lane", sa.Text(), server_default="", nullable=False))
        table.add_column(sa.Column("width", sa.Integer(), server_default="0", nullable=False))
        table.add_column(sa.Column("good", sa.Integer(), server_default="0", nullable=False))
        table.add_column(sa.Column("looked_at", sa.BigInteger(), nullable=True))
        table.add_column(sa.Column("records", sa.String(length=64), nullable=True))
        table.drop_constraint("pk_rests", type_="primary")
        table.create_primary_key("pk_rests", ["sender", "lane"])
    _count_what_is_under_way()


def _count_what_is_under_way() -> None:
    """Note the domains of lists, and count those of campaigns that are not over."""
    connection = op.get_bind()
    surveys = sa.text(
        "SELECT surveys.domains FROM surveys JOIN campaigns ON campaigns.id = surveys.campaign_id "
        "WHERE surveys.domains IS NOT NULL AND campaigns.state IN ('draft', 'sending', 'paused')"
    )
    domains = set()
    for (found,) in connection.execute(surveys).all():
        read = json.loads(found) if isinstance(found, str) else found
        domains |= {domain for domain, _n in read["top"]}
    table = sa.table("receivers", sa.column("domain"), sa.column("receiver"), sa.column("found"))
    rows = [{"domain": domain, "receiver": domain, "found": ""} for domain in sorted(domains)]
    if rows:
        connection.execute(sa.insert(table), rows)
    connection.execute(
        sa.text(
            "INSERT INTO domain_tallies (campaign_id, domain, state, shard, n) "
            "SELECT r.campaign_id, coalesce(t.domain, ''), r.state, 0, count(*) FROM recipients AS r "
            "JOIN campaigns AS c ON c.id = r.campaign_id LEFT JOIN receivers AS t ON t.domain = r.domain "
            "WHERE c.state IN ('sending', 'paused') AND r.state NOT IN ('queued', 'sending') "
            "GROUP BY r.campaign_id, coalesce(t.domain, ''), r.state"
        )
    )


def _without_lanes() -> None:
    op.execute("DELETE FROM rests WHERE lane <> ''")
    with op.batch_alter_table("rests") as table:
        table.drop_constraint("pk_rests", type_="primary")
        table.create_primary_key("pk_rests", ["sender"])
        table.drop_column("records")
        table.drop_column("looked_at")
        table.drop_column("good")
        table.drop_column("width")
        table.drop_column("lane")
    op.drop_column("batches", "rests_until")
    op.drop_table("domain_tallies")
    op.drop_table("receivers")
