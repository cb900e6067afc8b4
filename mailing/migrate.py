"""Bring the database to this version's tables: ``python -m mailing.migrate``."""

from __future__ import annotations

import sys

from alembic import command
from alembic.config import Config
from sqlalchemy import make_url
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
    url = settings.load_or_exit().database_url
    try:
        upgrade(url)
    except OperationalError as error:
        name = make_url(url).render_as_string()  # without the password
        fix = "Check VOLLEY_DATABASE_URL, and that this database is there and yours to write."
        sys.exit(f"{name} cannot be used: {error.orig}\n{fix}")


if __name__ == "__main__":
    main()
