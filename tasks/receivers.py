"""The receivers of domains are looked up beside all work: in a thread of the worker that sweeps."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import DBAPIError

from mailing.core import database_errors
from mailing.internet import receivers as internet
from mailing.internet.names import Dns
from mailing.ledger import receivers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailing.core.database import Database
    from mailing.internet.receivers import Exchangers

log = structlog.get_logger()
_asking = threading.Lock()


def give_out(database: Database) -> None:
    """Have those looked up that are due, unless this process looks some up already."""
    if not _asking.acquire(blocking=False):
        return
    due: Sequence[str] = ()
    try:
        with database.write() as connection:
            due = receivers.take_due(connection)
        if due:
            threading.Thread(target=_ask, args=(database, due), name="volley-receivers", daemon=True).start()
    finally:
        if not due:
            _asking.release()


def _ask(database: Database, due: Sequence[str]) -> None:
    try:
        look_up(database, due)
    except DBAPIError as error:
        reason = database_errors.sentence(error, database.url)
        log.warning("receivers were found but not kept; they are looked up later", reason=reason)
    finally:
        _asking.release()


def look_up(database: Database, due: Sequence[str], names: Exchangers | None = None) -> None:
    """Ask for the exchangers of domains, and keep what is found. Takes some seconds at most."""
    found = {domain: key for domain in due if (key := internet.known(domain))}
    asked = [domain for domain in due if domain not in found]
    if asked:
        found |= asyncio.run(internet.look_up(asked, names or Dns()))
    with database.write() as connection:
        receivers.keep(connection, found)
