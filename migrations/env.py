"""Alembic's entry: the tables of ``mailing.core.tables`` on the database that the caller names."""

from alembic import context

from mailing import settings
from mailing.core.database import Database
from mailing.core.tables import metadata

database_url = context.config.attributes.get("database_url") or settings.load().database_url
database = Database(database_url)
with database.write() as connection:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=database.sqlite,
        transaction_per_migration=False,
    )
    context.run_migrations()
database.close()
