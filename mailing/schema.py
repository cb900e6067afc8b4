"""Which tables the database has, against those that this program was written for.

Alembic makes them (``migrate``) and keeps their revision in a table of its own. Each process looks when it
starts, and does without Alembic, which takes a fifth of a second to load.
"""

from __future__ import annotations

import sys
import time
from functools import cache
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import column, inspect, select, table
from sqlalchemy.exc import SQLAlchemyError

from mailing.core import database_errors
from mailing.core.database import Database
from mailing.settings import ROOT

if TYPE_CHECKING:
    from sqlalchemy import Connection

LOOK_AGAIN_S = 2.0
_VERSION = table("alembic_version", column("version_num"))

log = structlog.get_logger(__name__)


def fault(connection: Connection) -> str:
    """Return what keeps this program from using the tables, and what to do; empty if nothing does."""
    found, name = _revision(connection), database_errors.name(connection.engine.url)
    if found is None:
        return f"The database {name} is empty. Run: make migrate"
    if found == newest():
        return ""
    older = f"The database {name} has older tables: revision {found}, not {newest()}. Run: make migrate"
    return newer(connection) or older


def newer(connection: Connection) -> str:
    """Return the same if a later Volley made the tables, so that no migration helps; else nothing."""
    found, name = _revision(connection), database_errors.name(connection.engine.url)
    if found is None or found in _known():
        return ""
    return (
        f"The database {name} has the tables of a newer Volley: revision {found}, and this one knows them up "
        f"to {newest()}. Start the newer Volley, or restore a backup from before its update."
    )


def newest() -> str:
    """Return the revision that this program was written for."""
    return _known()[0]


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_VERSION.name):
        return None
    return connection.execute(select(_VERSION.c.version_num)).scalar()


def require(database_url: str, *, patient: bool) -> None:
    """Let a process start only where it can work: else exit with a sentence.

    A database that only does not answer at the moment is waited for if ``patient``, and else let pass.
    """
    database = Database(database_url, pool_size=1)
    told = ""
    try:
        while True:
            try:
                with database.read() as connection:
                    wrong = fault(connection)
            except SQLAlchemyError as error:
                trouble = database_errors.explain(error, database.url)
                if trouble is None or not trouble.passing:
                    sys.exit(database_errors.sentence(error, database.url))
                if str(trouble.reason) != told:
                    log.warning("the database cannot be used yet", reason=str(trouble.reason))
                if not patient:
                    return
                told = str(trouble.reason)
                time.sleep(LOOK_AGAIN_S)
            else:
                if wrong:
                    sys.exit(wrong)
                return
    finally:
        database.close()


@cache
def _known() -> list[str]:
    """Return the revisions of this program, the newest first."""
    files = (ROOT / "migrations" / "versions").glob("[0-9]*_*.py")
    return sorted((file.name.partition("_")[0] for file in files), reverse=True)
