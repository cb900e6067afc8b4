"""What DNS says of a domain that mail comes from: its keys, SPF, DMARC and MX, as it was looked at last.

To look takes a few seconds at most. Where nobody answers, nothing is known: that is never told as a fault.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite

from mailing.core import reasons
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason
from mailing.core.tables import campaigns
from mailing.domains import keys, names, records
from mailing.domains.tables import KeyState
from mailing.domains.tables import domain_looks as table
from mailing.internet import dmarc, spf
from mailing.internet.findings import ORDER, Finding, Light
from mailing.internet.names import Names
from mailing.internet.senders import in_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from mailing.domains.keys import DkimKey

HOUR_MS = 3_600_000
SOON_MS = 300_000  # while the record of a new key is waited for
MANY = 5_000  # recipients above which Gmail and Yahoo hold a sender to be one of bulk mail
MOST = 20  # domains that one look asks for


class Servers(Names, Protocol):
    """Who knows the TXT records of names, and their mail exchangers."""

    async def exchangers(self, name: str) -> tuple[str, ...]:
        """Return the mail exchangers of a name, the first first. Raises ``UnansweredError``."""


@dataclass(frozen=True, slots=True)
class Health:
    """What was found of a domain: by the kind of record, and of each key by its id.

    ``looked_at`` is in ms since 1970; None: nobody has looked yet.
    """

    domain: str
    looked_at: int | None
    records: Mapping[str, Finding]
    keys: Mapping[int, Finding]

    @property
    def light(self) -> Light:
        """The gravest of all; unknown where nobody has looked."""
        found = [*self.records.values(), *self.keys.values()]
        return min((it.light for it in found), key=ORDER.index, default=Light.UNKNOWN)


async def look(domain: str, its_keys: Sequence[DkimKey], servers: Servers) -> Health:
    """Ask for all records of a domain at once."""
    shown = [key for key in its_keys if key.needs_record]
    kinds = {
        "spf": in_time("SPF", domain, spf.finding(domain, servers)),
        "dmarc": in_time("DMARC", domain, dmarc.finding(domain, servers)),
        "mx": in_time("MX", domain, _exchangers(domain, servers)),
    }
    asked = await asyncio.gather(
        *kinds.values(), *(in_time("DKIM", domain, _key(key, servers)) for key in shown)
    )
    found = dict(zip(kinds, asked, strict=False))
    if not shown:
        found["dkim"] = Finding(Light.AMBER, Reason("dkim.none", domain=domain), Reason("dkim.make"))
    return Health(
        domain,
        now_ms(),
        found,
        {key.id: it for key, it in zip(shown, asked[len(kinds) :], strict=True)},
    )


async def _key(key: DkimKey, servers: Servers) -> Finding:
    """Return whether the record of a key is there; it is grave where mail is signed with it."""
    found = records.judge(await servers.texts(key.name), key.name, key.algorithm, key.public_key)
    signs = key.state is KeyState.ACTIVE
    return found if signs or found.light is not Light.RED else replace(found, light=Light.AMBER)


async def _exchangers(domain: str, servers: Servers) -> Finding:
    """Return whether replies and bounces to a domain arrive anywhere (RFC 5321 section 5.1, RFC 7505)."""
    found = [name for name in await servers.exchangers(domain) if name]
    if not found:
        return Finding(Light.AMBER, Reason("mx.none", domain=domain), Reason("mx.add", domain=domain))
    return Finding(Light.GREEN, Reason("mx.there", domain=domain, server=found[0]))


def unknown(domain: str, its_keys: Sequence[DkimKey]) -> Health:
    """Return that nobody can tell, of a name that is nobody's on the internet (RFC 2606)."""
    reserved = Finding(Light.UNKNOWN, Reason("dns.reserved", domain=domain))
    shown = {key.id: reserved for key in its_keys if key.needs_record}
    return Health(domain, now_ms(), dict.fromkeys(("spf", "dmarc", "mx"), reserved), shown)


def keep(connection: Connection, found: Health, secret_key: str) -> None:
    """Keep what was found, and have the keys of the domain follow it."""
    values = {"asked_at": found.looked_at, "looked_at": found.looked_at, "findings": _dump(found)}
    _insert(connection, found.domain, values)
    seen = {key_id: it.light for key_id, it in found.keys.items()}
    keys.settle(connection, found.domain, seen, secret_key)


def take_due(connection: Connection) -> Sequence[str]:
    """Return the domains that are to be looked at now; nobody else is told the same ones."""
    now = now_ms()
    wanted = dict.fromkeys(names.of_campaigns(connection), HOUR_MS)
    for key in keys.every(connection):
        if key.needs_record:
            wanted[key.domain] = SOON_MS if key.waits else wanted.get(key.domain, HOUR_MS)
    asked = {row.domain: row.asked_at for row in connection.execute(select(table.c.domain, table.c.asked_at))}
    due = [it for it, every_ms in wanted.items() if asked.get(it, 0) <= now - every_ms][:MOST]
    return [domain for domain in due if _take(connection, domain, asked.get(domain), now)]


def _take(connection: Connection, domain: str, before: int | None, now: int) -> bool:
    if before is None:
        _insert(connection, domain, {"asked_at": now})
        return True
    own = update(table).where(table.c.domain == domain, table.c.asked_at == before)
    return bool(connection.execute(own.values(asked_at=now)).rowcount)


def of(connection: Connection, domain: str) -> Health:
    """Return how a domain stands."""
    row = connection.execute(select(table).where(table.c.domain == domain)).first()
    return _load(domain, row)


def red(connection: Connection, campaign_id: int) -> str:
    """Return the From domain of a campaign to many, where it is red; empty if not, or if nobody can tell."""
    own = select(campaigns.c.sender_from, campaigns.c.total).where(campaigns.c.id == campaign_id)
    row = connection.execute(own).first()
    if row is None or row.total <= MANY:
        return ""
    domain = names.of(row.sender_from)
    return domain if of(connection, domain).light is Light.RED else ""


def every(connection: Connection) -> Mapping[str, Health]:
    """Return how each domain stands that was looked at."""
    return {row.domain: _load(row.domain, row) for row in connection.execute(select(table))}


def _insert(connection: Connection, domain: str, values: Mapping[str, Any]) -> None:
    statement = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)
    made = statement.values(domain=domain, **values)
    connection.execute(made.on_conflict_do_update(index_elements=["domain"], set_=dict(values)))


def _load(domain: str, row: Any) -> Health:
    kept = (row.findings if row else None) or {"records": {}, "keys": {}}
    return Health(
        domain,
        row.looked_at if row else None,
        {kind: _loaded(it) for kind, it in kept["records"].items()},
        {int(key_id): _loaded(it) for key_id, it in kept["keys"].items()},
    )


def _dump(found: Health) -> Mapping[str, Any]:
    return {
        "records": {kind: _dumped(it) for kind, it in found.records.items()},
        "keys": {str(key_id): _dumped(it) for key_id, it in found.keys.items()},
    }


def _dumped(it: Finding) -> Mapping[str, str | None]:
    return {
        "light": it.light,
        "said": reasons.dump(it.said),
        "todo": reasons.dump(it.todo) if it.todo else None,
    }


def _loaded(kept: Mapping[str, str | None]) -> Finding:
    """Return a finding as it was kept; one of another version, whose words are unknown here, is unknown."""
    said, todo = (reasons.load("", kept[name]) for name in ("said", "todo"))
    if not isinstance(said, Reason):
        return Finding(Light.UNKNOWN, Reason("dns.look-again"))
    return Finding(Light(str(kept["light"])), said, todo if isinstance(todo, Reason) else None)
