"""Commands about the keys that sign. Each writes into the audit log in its transaction; all block.

What may not be done raises ``DkimError`` with the reason.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from mailing.accounts import audit
from mailing.domains import health, keys, ways
from mailing.domains.dkim import Algorithm
from mailing.domains.tables import KeyState
from mailing.internet.names import Dns, asked

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from mailing.core.actors import Actor
    from mailing.core.database import Database
    from mailing.domains.health import Health
    from mailing.domains.keys import DkimKey
    from mailing.domains.ways import Ours
    from mailing.internet.names import Servers
    from tasks.commands.backend import Backend


def create(
    backend: Backend, actor: Actor, domain: str, algorithms: Collection[Algorithm], secret_key: str
) -> Sequence[DkimKey]:
    """Make keys for a domain, beside those that sign; return them. Their records are to be published."""
    generated = keys.generate(algorithms)
    with backend.db.write() as connection:
        made = keys.keep(connection, domain, generated, secret_key)
        named = " ".join(key.selector for key in made)
        audit.record(connection, actor, "make dkim keys", "", domain=domain, selectors=named)
    return made


def rotate(backend: Backend, actor: Actor, domain: str, secret_key: str) -> Sequence[DkimKey]:
    """Make a successor for each key of a domain that signs, or one of each kind where none does."""
    with backend.db.read() as connection:
        signing = [it.algorithm for it in keys.of(connection, domain) if it.state is KeyState.ACTIVE]
    return create(backend, actor, domain, dict.fromkeys(signing) or [*Algorithm], secret_key)


def retire(backend: Backend, actor: Actor, domain: str, selector: str) -> DkimKey:
    """Have a key sign no more; return it as it was."""
    with backend.db.write() as connection:
        retired = keys.retire(connection, domain, selector)
        audit.record(connection, actor, "retire dkim key", "", domain=domain, selector=selector)
    return retired


def check(
    db: Database, domain: str, secret_key: str, servers: Servers | None = None, ours: Ours = ways.NONE.ours
) -> Health:
    """Ask DNS about a domain, and have its keys follow; return how it stands. It takes seconds at most.

    That is no person's change, and not in the audit log. Of the internet's servers nobody asks for names that
    are nobody's.
    """
    servers = servers or Dns(at=ours.dns)
    with db.read() as connection:
        its, how = keys.of(connection, domain), ways.of(connection, domain, ours)
    if asked(servers, domain):
        found = asyncio.run(health.look(domain, its, servers, how))
    else:
        found = health.unknown(domain, its)
    with db.write() as connection:
        health.keep(connection, found, secret_key)
    return found
