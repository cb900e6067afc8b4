"""By which ways the mail of a domain leaves: through providers, or by a mail server of our own.

What a provider's server is, its name says. A server is ours if it has a private name or address, if it is
in the domain itself, or if somebody said so by the preset.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

from sqlalchemy import select

from mailing.core.tables import campaigns
from mailing.domains import names, signers
from mailing.internet import records
from mailing.internet.names import RESERVED, UnansweredError
from mailing.internet.receivers import organisation
from mailing.senders import presets, store
from mailing.smtp.account import Sender

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from mailing.internet.names import Servers
    from mailing.senders.store import Account
    from mailing.settings import Settings

RECENT = 200  # campaigns


@dataclass(frozen=True, slots=True)
class Ours:
    """What the settings say: ``host`` is the public name of this machine, empty if it has none.

    ``addresses`` are those from which our own mail server sends; none: those of its name.
    """

    bounce_domain: str = ""
    host: str = ""
    addresses: tuple[str, ...] = ()
    blocklists: tuple[str, ...] = ()
    dns: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Ways:
    """How the mail of a domain leaves. ``signer`` is the domain above, if its keys sign for this one."""

    ours: Ours = Ours()
    includes: tuple[str, ...] = ()
    relays: tuple[Sender, ...] = ()
    signer: str = ""


NONE = Ways()


def ours(chosen: Settings) -> Ours:
    """Return what the settings say."""
    host = chosen.site.host.name
    return Ours(
        chosen.bounce_domain,
        "" if is_private(host) or not host[-1].isalpha() else host,
        chosen.relay_addresses,
        chosen.dnsbl,
        chosen.dns,
    )


def of(connection: Connection, domain: str, ours: Ours) -> Ways:
    """Return by which ways the latest campaigns of a domain leave: without any, as the settings say."""
    columns = campaigns.c.sender_from, campaigns.c.senders
    latest = select(*columns).order_by(campaigns.c.id.desc()).limit(RECENT)
    used = [row.senders for row in connection.execute(latest) if names.of(row.sender_from) == domain]
    accounts = store.every(connection)
    found: dict[int, Account] = {}
    for ids in used or [None]:
        found |= {it.id: it for it in store.chosen(accounts, ids)}
    includes = dict.fromkeys(records.include_of(it.host) for it in found.values())
    relays = [it for it in found.values() if not records.include_of(it.host) and is_ours(it, domain)]
    return Ways(
        ours,
        tuple(filter(None, includes)),
        tuple(Sender(it.host, it.port, it.tls, verify=it.verify, ca=it.ca) for it in relays),
        signers.above(connection, domain),
    )


def is_ours(account: Account, domain: str) -> bool:
    """Whether a server is one of our own."""
    return (
        account.preset == presets.OWN
        or is_private(account.host)
        or organisation(account.host) == organisation(domain)
    )


def is_private(host: str) -> bool:
    """Whether a host is known to nobody on the internet."""
    try:
        return not ip_address(host).is_global
    except ValueError:
        return "." not in host or host.rpartition(".")[2].lower() in RESERVED


async def addresses(ways: Ways, servers: Servers) -> Sequence[str]:
    """Return from which addresses our own servers send, as far as that is known."""
    if not ways.relays:
        return ()
    found: dict[str, None] = dict.fromkeys(ways.ours.addresses)
    for relay in ways.relays if not found else ():
        if is_private(relay.host):
            continue
        try:
            found[str(ip_address(relay.host))] = None
        except ValueError:
            try:
                known = await servers.addresses(relay.host)
            except UnansweredError:
                known = ()
            found |= {each: None for each in known if ip_address(each).is_global}
    return tuple(found)
