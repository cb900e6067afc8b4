"""A draft's list can be added to: where it ended before; what is remarked by kind; its domains counted."""

from collections import Counter

import sqlalchemy as sa
from alembic import op

from mailing.lists import domain_counts
from mailing.lists.domain_counts import DomainCounts

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("storings", sa.Column("keeps_recipients", sa.BigInteger(), nullable=True))
    op.add_column("storings", sa.Column("keeps_notes", sa.Integer(), nullable=True))
    op.add_column("surveys", sa.Column("domains", sa.JSON(), nullable=True))
    op.create_index("ix_list_notes_kind", "list_notes", ["campaign_id", "kind", "number"])
    _count_drafts(op.get_bind())


def _count_drafts(connection: sa.Connection) -> None:
    """Do for the drafts what storing a list does now; of a campaign that was sent nobody asks it."""
    for campaign_id in connection.execute(_DRAFTS).scalars().all():
        counts = Counter(
            {row.domain: row.n for row in connection.execute(_DOMAINS, {"campaign": campaign_id})}
        )
        domains = domain_counts.dump(DomainCounts().plus(counts, {}))
        connection.execute(_STORE, {"campaign": campaign_id, "domains": domains})


_DRAFTS = sa.text("SELECT id FROM campaigns WHERE state = 'draft'")
_DOMAINS = sa.text(
    "SELECT domain, count(*) AS n FROM recipients WHERE campaign_id = :campaign GROUP BY domain"
)
_STORE = sa.text("UPDATE surveys SET domains = :domains WHERE campaign_id = :campaign").bindparams(
    sa.bindparam("domains", type_=sa.JSON())
)


def downgrade() -> None:
    op.drop_index("ix_list_notes_kind", "list_notes")
    for table, column in (
        ("surveys", "domains"),
        ("storings", "keeps_notes"),
        ("storings", "keeps_recipients"),
    ):
        op.drop_column(table, column)
