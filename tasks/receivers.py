"""DNS is asked beside all work, in a thread of the worker that sweeps.

For the receivers of domains, for the records of ours that held lanes wait for, and for how the domains stand
that mail comes from.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import DBAPIError

from mailing.core import clock, database_errors
from mailing.domains import health
from mailing.internet import receivers as internet
from mailing.internet import records
from mailing.internet.names import Dns, asked
from mailing.ledger import batches, evidence, receivers
from tasks import processes
from tasks.commands import dkim

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from mailing.core.database import Database
    from mailing.internet.names import Names
    from mailing.internet.receivers import Exchangers
    from mailing.internet.records import Look
    from mailing.ledger.evidence import Held

log = structlog.get_logger()
DOMAINS_S = 30.0  # between two looks at which domains are due
_asking = threading.Lock()
_looked = [-DOMAINS_S]  # when this process did so, steady s


def give_out(database: Database) -> None:
    """Have what is due looked up, unless this process looks something up already."""
    if not _asking.acquire(blocking=False):
        return
    started = False
    try:
        with database.write() as connection:
            due, held = receivers.take_due(connection), evidence.take_due(connection)
            ours = _our_domains(connection)
        if due or held or ours:
            asking = threading.Thread(
                target=_ask, args=(database, due, held, ours), name="volley-receivers", daemon=True
            )
            asking.start()
            started = True
    finally:
        if not started:
            _asking.release()


def _our_domains(connection: Connection) -> Sequence[str]:
    if clock.steady_s() < _looked[0] + DOMAINS_S:
        return ()
    _looked[0] = clock.steady_s()
    return health.take_due(connection)


def _ask(database: Database, due: Sequence[str], held: Sequence[Held], ours: Sequence[str]) -> None:
    servers = Dns(at=processes.ours().dns)
    try:
        for domain in ours:
            dkim.check(database, domain, processes.secret_key(), servers, processes.ours())
        if due:
            look_up(database, due, servers)
        if held:
            look_at(database, held, servers)
    except DBAPIError as error:
        reason = database_errors.sentence(error, database.url)
        log.warning("what DNS says was not kept; it is looked up later", reason=reason)
    finally:
        _asking.release()


def look_up(database: Database, due: Sequence[str], names: Exchangers | None = None) -> None:
    """Ask for the exchangers of domains, and keep what is found. Takes some seconds at most."""
    found = {domain: key for domain in due if (key := internet.known(domain))}
    unknown = [domain for domain in due if domain not in found]
    if unknown:
        found |= asyncio.run(internet.look_up(unknown, names or Dns()))
    with database.write() as connection:
        receivers.keep(connection, found)


def look_at(database: Database, held: Sequence[Held], names: Names | None = None) -> None:
    """Look at the records that held lanes wait for, and keep what is found. Takes some seconds at most."""
    found = asyncio.run(_look_at(held, names))
    for lane, look in zip(held, found, strict=True):
        with database.write() as connection:
            tried = evidence.looked(connection, lane, look)
        if tried:  # not in the same transaction: whoever sends locks batches first, and lanes behind them
            with database.write() as connection:
                batches.end_rests(connection)
        said = {"receiver": lane.lane, "found": str(look.finding.said)}
        log.info("the records that a lane waits for were looked at", **said, tried=tried)


async def _look_at(held: Sequence[Held], names: Names | None) -> Sequence[Look]:
    """Look at all at once. Of the internet's servers nobody asks for names that are nobody's."""
    servers = names or Dns()

    async def look(check: str, domain: str, key: str) -> Look:
        if not asked(servers, domain):
            return records.unknown(domain)
        return await records.look(check, domain, key, servers)

    return await asyncio.gather(*(look(*it.asked) for it in held))
