"""Which Volley this is. Several may share one Redis server, whose channels know no database numbers.

So whatever one of them keeps, publishes or asks for in Redis carries its name. The name lives in the
database, because that is what all processes of one installation have in common, on whatever machines.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import select

from mailing.core.database import Database
from mailing.core.tables import installation

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
