"""Saved lists with their imports, files and templates, and how a message is written."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "files",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_files")),
        sa.UniqueConstraint("sha256", "type", name=op.f("uq_files_sha256_type")),
    )
    op.create_table(
        "lists",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("active", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("active BETWEEN 0 AND total", name=op.f("ck_lists_active")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lists")),
    )
    op.create_table(
        "templates",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("version > 0", name=op.f("ck_templates_version")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_templates")),
    )
    op.create_table(
        "campaign_files",
        sa.Column("campaign_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("file_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("cid", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_campaign_files_campaign_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["file_id"], ["files.id"], name=op.f("fk_campaign_files_file_id")),
        sa.PrimaryKeyConstraint("campaign_id", "position", name=op.f("pk_campaign_files")),
    )
    op.create_index("ix_campaign_files_file", "campaign_files", ["file_id"])

    op.create_table(
        "imports",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("list_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("plan", sa.JSON(), nullable=False),
        sa.Column("read", sa.BigInteger(), nullable=False),
        sa.Column("expected", sa.BigInteger(), nullable=True),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.Column("duplicates", sa.Integer(), nullable=False),
        sa.Column("updated", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("noted", sa.Integer(), nullable=False),
        sa.Column("set_aside", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("reason_code", sa.Text(), nullable=True),
        sa.Column("holder", sa.String(length=32), nullable=False),
        sa.Column("touched_at", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.SmallInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "list_id IS NOT NULL OR state IN ('uploaded', 'canceled', 'failed')", name=op.f("ck_imports_list")
        ),
        sa.CheckConstraint(
            "state IN ('uploaded', 'waiting', 'reading', 'done', 'failed', 'canceled')",
            name=op.f("ck_imports_state"),
        ),
        sa.ForeignKeyConstraint(
            ["list_id"], ["lists.id"], name=op.f("fk_imports_list_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
    )
    op.create_index("ix_imports_list", "imports", ["list_id", "id"])

    op.create_table(
        "template_versions",
        sa.Column("template_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("preheader", sa.Text(), nullable=False),
        sa.Column("writing", sa.String(length=10), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "writing IN ('plain', 'visual', 'markdown', 'source', 'mjml')",
            name=op.f("ck_template_versions_writing"),
        ),
        sa.ForeignKeyConstraint(
            ["template_id"],
            ["templates.id"],
            name=op.f("fk_template_versions_template_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("template_id", "number", name=op.f("pk_template_versions")),
    )
    op.create_table(
        "contacts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("list_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("email", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("domain", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("fields", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("standing", sa.String(length=12), nullable=False),
        sa.Column("standing_reason", sa.Text(), nullable=False),
        sa.Column("import_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "standing IN ('active', 'unsubscribed', 'bounced', 'blocked')", name=op.f("ck_contacts_standing")
        ),
        sa.ForeignKeyConstraint(
            ["import_id"], ["imports.id"], name=op.f("fk_contacts_import_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["list_id"], ["lists.id"], name=op.f("fk_contacts_list_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contacts")),
    )
    op.create_index("ix_contacts_domain", "contacts", ["list_id", "domain", "id"])
    op.create_index("ix_contacts_import", "contacts", ["import_id"])
    op.create_index("ix_contacts_list", "contacts", ["list_id", "id"])

    op.create_table(
        "import_notes",
        sa.Column("import_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("reason_code", sa.Text(), nullable=True),
        sa.Column("suggestion", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["import_id"], ["imports.id"], name=op.f("fk_import_notes_import_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("import_id", "number", name=op.f("pk_import_notes")),
    )
    op.create_index("ix_import_notes_kind", "import_notes", ["import_id", "kind", "number"])

    op.create_table(
        "upload_pieces",
        sa.Column("import_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["import_id"], ["imports.id"], name=op.f("fk_upload_pieces_import_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("import_id", "number", name=op.f("pk_upload_pieces")),
    )
    op.add_column("campaigns", sa.Column("preheader", sa.Text(), server_default="", nullable=False))
    op.add_column(
        "campaigns", sa.Column("writing", sa.String(length=10), server_default="source", nullable=False)
    )
    op.add_column("campaigns", sa.Column("body", sa.Text(), nullable=True))
    op.add_column("campaigns", sa.Column("typed_text", sa.Text(), nullable=True))
    op.add_column("campaigns", sa.Column("audience", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("campaigns", sa.Column("rehearses", sa.BigInteger(), nullable=True))
    op.add_column("campaigns", sa.Column("recipe", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("campaigns", sa.Column("edited_by", sa.Text(), server_default="", nullable=False))
    op.add_column("campaigns", sa.Column("edited_at", sa.BigInteger(), nullable=True))

    there = sa.text("deleted_at IS NULL")
    op.create_index(
        "uq_lists_name",
        "lists",
        [sa.text("lower(name)")],
        unique=True,
        sqlite_where=there,
        postgresql_where=there,
    )
    op.create_index("uq_templates_name", "templates", [sa.text("lower(name)")], unique=True)
    op.create_index("uq_contacts_list_email", "contacts", ["list_id", sa.text("lower(email)")], unique=True)
    op.execute("UPDATE campaigns SET writing = 'plain' WHERE html = ''")


def downgrade() -> None:
    op.drop_column("campaigns", "edited_at")
    op.drop_column("campaigns", "edited_by")
    op.drop_column("campaigns", "recipe")
    op.drop_column("campaigns", "rehearses")
    op.drop_column("campaigns", "audience")
    op.drop_column("campaigns", "typed_text")
    op.drop_column("campaigns", "body")
    op.drop_column("campaigns", "writing")
    op.drop_column("campaigns", "preheader")

    op.drop_table("upload_pieces")

    op.drop_table("import_notes")

    op.drop_table("contacts")
    op.drop_table("template_versions")

    op.drop_table("imports")

    op.drop_table("campaign_files")
    op.drop_table("templates")
    op.drop_table("lists")
    op.drop_table("files")
