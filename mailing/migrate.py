"""Bring the database to this version's tables: ``python -m mailing.migrate``."""

from __future__ import annotations

import sys

from alembic import command
from alembic.config import Config
from sqlalchemy.exc import OperationalError

from mailing import settings


def upgrade(database_url: str) -> None:
    """Run every migration that the database lacks."""
    config = Config()
    config.set_main_option("script_location", str(settings.ROOT / "migrations"))
    config.attributes["database_url"] = database_url
    command.upgrade(config, "head")


def main() -> None:
    """Migrate the configured database; exit 1 with a sentence if that is impossible."""
    try:
        upgrade(settings.load().database_url)
    except settings.SettingsError as error:
        sys.exit(f"These settings cannot be used:\n{error}")
    except OperationalError as error:
        sys.exit(f"The database cannot be reached: {error.orig}\nCheck VOLLEY_DATABASE_URL.")


if __name__ == "__main__":
    main()
