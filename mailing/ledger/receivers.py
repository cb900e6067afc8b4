"""The receivers of domains as they are kept: noted with a list, looked up later, read to steer lanes.

All functions take an open transaction. Who is asked stands in ``mailing.internet.receivers``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from mailing.core.clock import now_ms
from mailing.internet.receivers import known
from mailing.ledger.tables import receivers

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy import Connection

FRESH_MS = 7 * 86_400_000  # for so long an answer is good
SILENCE_MS = 3_600_000  # and for so long nobody is asked again who gave none
AT_ONCE = 100  # domains that are looked up in one go
_RULE, _MX = "rule", "mx"


def note(connection: Connection, domains: Collection[str]) -> None:
    """Have the receivers of these domains looked up, unless they are known well enough."""
    now, rows = now_ms(), []
    for domain in sorted(domains):
        found = known(domain)
        by, looked_at = (_RULE, now) if found else ("", None)
        rows.append({"domain": domain, "receiver": found or domain, "found": by, "looked_at": looked_at})
    if not rows:
        return
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    old = or_(
        receivers.c.looked_at < now - FRESH_MS,
        (receivers.c.looked_at < now - SILENCE_MS) & (receivers.c.found == ""),
    )
    statement = insert(receivers).on_conflict_do_update(
        index_elements=[receivers.c.domain],
        set_={"looked_at": None},
        where=old & (receivers.c.found != _RULE),
    )
    connection.execute(statement, rows)


def take_due(connection: Connection) -> Sequence[str]:
    """Return domains that are to be looked up; nobody else gets them."""
    due = select(receivers.c.domain).where(receivers.c.looked_at.is_(None)).limit(AT_ONCE)
    taken = update(receivers).where(receivers.c.domain.in_(due), receivers.c.looked_at.is_(None))
    statement = taken.values(looked_at=now_ms()).returning(receivers.c.domain)
    return sorted(connection.execute(statement).scalars())


def keep(connection: Connection, found: Mapping[str, str]) -> None:
    """Keep the receivers that were found."""
    for domain, receiver in sorted(found.items()):
        values = {"receiver": receiver, "found": _RULE if known(domain) else _MX, "looked_at": now_ms()}
        connection.execute(update(receivers).where(receivers.c.domain == domain).values(values))


def of(connection: Connection, domains: Collection[str]) -> Mapping[str, str]:
    """Return the receiver of each domain: itself where none is known."""
    statement = select(receivers.c.domain, receivers.c.receiver).where(receivers.c.domain.in_(domains))
    found: dict[str, str] = dict(connection.execute(statement).all())
    return {domain: found.get(domain, domain) for domain in domains}
