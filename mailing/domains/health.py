"""What DNS says of a domain that mail comes from, as it was looked at last, and the records to publish.

To look takes a few seconds at most. Where nobody answers, nothing is known: that is never told as a fault.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite

from mailing.core import reasons
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason
from mailing.core.tables import campaigns
from mailing.domains import keys, looks, names, records, relays, ways
from mailing.domains.looks import Seen
from mailing.domains.records import Record
from mailing.domains.tables import KeyState
from mailing.domains.tables import domain_looks as table
from mailing.internet.findings import ORDER, Finding, Light
from mailing.internet.names import UnansweredError
from mailing.internet.senders import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping, Sequence

    from sqlalchemy import Connection

    from mailing.domains.keys import DkimKey
    from mailing.domains.ways import Ways
    from mailing.internet.names import Servers

HOUR_MS = 3_600_000
SOON_MS = 300_000  # while the record of a new key is waited for
MANY = 5_000  # recipients above which Gmail and Yahoo hold a sender to be one of bulk mail
MOST = 20  # domains that one look asks for


RECORDS: Mapping[str, str] = {
    "spf": "SPF",
    "dkim": "DKIM",
    "dmarc": "DMARC",
    "mx": "MX",
    "bounce-spf": "SPF",
    "bounce-mx": "MX",
    "ptr": "PTR",
    "dnsbl": "DNSBL",
    "tls": "TLS",
}
"""The kinds of what is looked at, and how each is called where nobody answers."""


@dataclass(frozen=True, slots=True)
class Health:
    """What was found of a domain: by the kind of record, and of each key by its id.

    ``looked_at`` is in ms since 1970; None: nobody has looked yet. ``publish`` are records as they should be,
    by their kind. ``addresses`` are those from which our own mail server sends.
    """

    domain: str
    looked_at: int | None
    records: Mapping[str, Finding]
    keys: Mapping[int, Finding]
    publish: Mapping[str, Sequence[Record]] = field(default_factory=dict)
    addresses: Sequence[str] = ()

    @property
    def light(self) -> Light:
        """The gravest of all; unknown where nobody has looked."""
        found = [*self.records.values(), *self.keys.values()]
        return min((it.light for it in found), key=ORDER.index, default=Light.UNKNOWN)


async def look(domain: str, its_keys: Sequence[DkimKey], servers: Servers, how: Ways = ways.NONE) -> Health:
    """Ask for all records of a domain at once, and those of what its mail leaves by."""
    shown = [key for key in its_keys if key.needs_record]
    try:
        async with asyncio.timeout(PATIENCE_S):
            own = await ways.addresses(how, servers)
    except TimeoutError:
        own = ()
    asking: dict[str, Awaitable[Seen]] = {
        kind: _in_time(kind, domain, it) for kind, it in _questions(domain, how, own, servers).items()
    }
    asked = await asyncio.gather(
        *asking.values(), *(_in_time("dkim", domain, _key(key, servers)) for key in shown)
    )
    found = dict(zip(asking, asked, strict=False))
    if not shown:
        found["dkim"] = Seen(_unsigned(domain, how.signer))
    return Health(
        domain,
        now_ms(),
        {kind: found[kind].finding for kind in RECORDS if kind in found},
        {key.id: it.finding for key, it in zip(shown, asked[len(asking) :], strict=True)},
        {kind: it.publish for kind, it in found.items() if it.publish},
        own,
    )


def _questions(
    domain: str, how: Ways, own: Sequence[str], servers: Servers
) -> dict[str, Awaitable[Seen | Finding]]:
    """Return what is asked, by kind. Where bounces have a domain, its SPF record is the one that counts."""
    ours, spf = how.ours, looks.sender_policy(domain, how.includes, own, servers)
    found: dict[str, Awaitable[Seen | Finding]] = {
        "spf": _softened(spf) if ours.bounce_domain else spf,
        "dmarc": looks.dmarc_policy(domain, ours, servers),
        "mx": looks.exchangers(domain, servers),
    }
    if ours.bounce_domain:
        found["bounce-mx"] = looks.bounce_exchangers(ours, servers)
        found["bounce-spf"] = looks.bounce_policy(domain, ours, how.includes, own, servers)
    if own:
        found["ptr"] = relays.pointers(own, servers)
        if ours.blocklists:
            found["dnsbl"] = relays.listings(own, ours.blocklists, servers)
    if how.relays:
        found["tls"] = relays.lines(how.relays)
    return found


async def _softened(asking: Awaitable[Seen]) -> Seen:
    """Return what was found, none of it grave: of this record receivers ask little."""
    found = await asking
    light = Light.AMBER if found.finding.light is Light.RED else found.finding.light
    return found._replace(finding=replace(found.finding, light=light))


async def _in_time(kind: str, domain: str, asking: Awaitable[Seen | Finding]) -> Seen:
    """Return what was found of a record, or that nobody answered in time: that is no fault."""
    patience_s = relays.PATIENCE_S if kind == "tls" else PATIENCE_S
    try:
        async with asyncio.timeout(patience_s + 1):
            found = await asking
    except (UnansweredError, TimeoutError):
        return Seen(Finding(Light.UNKNOWN, Reason("dns.unanswered", record=RECORDS[kind], domain=domain)))
    return found if isinstance(found, Seen) else Seen(found)


def _unsigned(domain: str, signer: str) -> Finding:
    """Return what it means that a domain has no keys of its own."""
    if signer:
        return Finding(Light.GREEN, Reason("dkim.by-parent", domain=domain, signer=signer))
    return Finding(Light.AMBER, Reason("dkim.none", domain=domain), Reason("dkim.make"))


async def _key(key: DkimKey, servers: Servers) -> Finding:
    """Return whether the record of a key is there; it is grave where mail is signed with it."""
    found = records.judge(await servers.texts(key.name), key.name, key.algorithm, key.public_key)
    signs = key.state is KeyState.ACTIVE
    return found if signs or found.light is not Light.RED else replace(found, light=Light.AMBER)


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
        {kind: tuple(map(_record, its)) for kind, its in kept.get("publish", {}).items()},
        tuple(kept.get("addresses", ())),
    )


def _dump(found: Health) -> Mapping[str, Any]:
    return {
        "records": {kind: _dumped(it) for kind, it in found.records.items()},
        "keys": {str(key_id): _dumped(it) for key_id, it in found.keys.items()},
        "publish": {
            kind: [{**asdict(it), "why": reasons.dump(it.why)} for it in its]
            for kind, its in found.publish.items()
        },
        "addresses": [*found.addresses],
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


def _record(kept: Mapping[str, Any]) -> Record:
    why = reasons.load("", kept["why"])
    return Record(**{**kept, "why": why if isinstance(why, Reason) else Reason("dns.look-again")})
