"""Which Volley this is. Several may share one Redis server, whose channels know no database numbers.

So whatever one of them keeps, publishes or asks for in Redis carries its name. The name lives in the
database, because that is what all processes of one installation have in common, on whatever machines.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import make_url, select
from sqlalchemy.exc import SQLAlchemyError

from mailing import database_errors
from mailing.database import Database
from mailing.foreground import say
from mailing.models import installation
from mailing.settings import load_or_exit

if TYPE_CHECKING:
    from sqlalchemy import Connection


def name(connection: Connection) -> str:
    """Return the name that the migration gave this database."""
    return str(connection.execute(select(installation.c.name)).scalar_one())


@cache  # for the life of the process; a failure is not kept
def prefix(database_url: str) -> str:
    """Return what begins every name in Redis that belongs to the installation of this database. Blocking.

    Raises what the database raises.
    """
    database = Database(database_url, pool_size=1)
    try:
        with database.read() as connection:
            return f"volley:{name(connection)}:"
    finally:
        database.close()


def main() -> None:
    """Print the prefix: Flower wants it, and so does a Redis that gives each user rights to some names."""
    url = load_or_exit().database_url
    try:
        say(prefix(url))
    except SQLAlchemyError as error:
        sys.exit(database_errors.sentence(error, make_url(url)))


if __name__ == "__main__":
    main()
