"""What a list holds in sum, counted when it is stored; a draft's edits are counted, too."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from mailing.lists import shapes

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

CHUNK = 5_000
REMARKS = ("refused", "duplicate", "noted")  # in this order they were stored


def upgrade() -> None:
    op.add_column("campaigns", sa.Column("revision", sa.Integer(), nullable=False, server_default="0"))
    surveys = op.create_table(
        "surveys",
        sa.Column("campaign_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("shapes", sa.JSON(), nullable=False),
        sa.Column("remarks", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_surveys_campaign_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("campaign_id", name=op.f("pk_surveys")),
    )
    _count_drafts(op.get_bind(), surveys)


def _count_drafts(connection: sa.Connection, surveys: sa.Table) -> None:
    """Do for the drafts what storing a list does now; a campaign that was sent is not checked again."""
    for campaign_id in (
        connection.execute(sa.text("SELECT id FROM campaigns WHERE state = 'draft'")).scalars().all()
    ):
        counted = connection.execute(_REMARKS, {"campaign": campaign_id})
        counts = dict.fromkeys(REMARKS, 0) | {row.kind: row.n for row in counted}
        found = shapes.dump(shapes.survey(_people(connection, campaign_id)))
        values = {"campaign_id": campaign_id, "shapes": found, "remarks": counts}
        connection.execute(surveys.insert().values(values))


def _people(connection: sa.Connection, campaign_id: int) -> Iterator[tuple[str, str, dict[str, Any] | None]]:
    after = 0
    while rows := connection.execute(_PEOPLE, {"campaign": campaign_id, "after": after, "n": CHUNK}).all():
        after = rows[-1].id
        yield from ((row.email, row.name, row.fields) for row in rows)


_REMARKS = sa.text("SELECT kind, count(*) AS n FROM list_notes WHERE campaign_id = :campaign GROUP BY kind")
_PEOPLE = sa.text(
    "SELECT id, email, name, fields FROM recipients "
    "WHERE campaign_id = :campaign AND state = 'queued' AND id > :after ORDER BY id LIMIT :n"
).columns(fields=sa.JSON())


def downgrade() -> None:
    op.drop_table("surveys")
    op.drop_column("campaigns", "revision")  # a batch would copy the table, and drop what refers to the old
