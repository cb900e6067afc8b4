"""Bring the database to this version's tables: ``python -m mailing.migrate``."""

from __future__ import annotations

import sys

from alembic import command
from alembic.config import Config
from sqlalchemy.exc import SQLAlchemyError

from mailing import schema, settings
from mailing.core import database_errors
from mailing.core.database import Database


def upgrade(database_url: str) -> None:
    """Run every migration that the database lacks."""
    config = Config()
    config.set_main_option("script_location", str(settings.ROOT / "migrations"))
    config.attributes["database_url"] = database_url
    command.upgrade(config, "head")


def main() -> None:
    """Migrate the configured database; exit 1 with a sentence if that is impossible."""
    url = settings.load_or_exit().database_url
    database = Database(url, pool_size=1)
    try:
        with database.read() as connection:
            newer = schema.newer(connection)
        if newer:
            sys.exit(newer)
        upgrade(url)
    except SQLAlchemyError as error:
        sys.exit(database_errors.sentence(error, database.url))
    finally:
        database.close()


if __name__ == "__main__":
    main()
