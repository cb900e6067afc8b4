"""What DNS says of a machine that sends, by its address: its name (PTR), and the blocklists that it is on."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from mailing.core.reasons import Reason
from mailing.internet.findings import ORDER, Finding, Light

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mailing.internet.names import Servers

_ANSWERS = ip_network("127.0.0.0/8")  # RFC 5782 section 2.3: all else is no answer of a blocklist
_ERRORS = ip_network("127.255.255.0/24")  # Spamhaus: the question was not allowed, and says nothing
_TEST, _NO_TEST = "127.0.0.2", "127.0.0.1"  # always listed, never listed (RFC 5782 section 5)
_KEY = 20  # a first label as long as this is the key of who pays for the blocklist
_HOSTS_MOST = 5


async def pointer(address: str, servers: Servers) -> Finding:
    """Return whether an address has a name that leads back to it. Raises ``UnansweredError``.

    Large receivers refuse mail of one that has none.
    """
    found = await servers.pointers(address)
    todo = Reason("ptr.add", address=address)
    if not found:
        return Finding(Light.RED, Reason("ptr.none", address=address), todo)
    for host in found[:_HOSTS_MOST]:
        if address in await servers.addresses(host):
            return Finding(Light.GREEN, Reason("ptr.there", address=address, name=host))
    return Finding(
        Light.RED,
        Reason("ptr.elsewhere", address=address, name=found[0]),
        Reason("ptr.lead-back", address=address, name=found[0]),
    )


async def listed(address: str, zone: str, servers: Servers) -> Finding:
    """Return whether a blocklist has an address. Raises ``UnansweredError``.

    Many blocklists answer no public resolver, or tell it that nothing is listed. So their test entries are
    asked for first: unless these are as they must be, nothing is known.
    """
    name = _name(zone)
    unknown = Finding(Light.UNKNOWN, Reason("dnsbl.no-answer", zone=name), Reason("dnsbl.own-resolver"))
    if not _is_listed(await servers.addresses(question(_TEST, zone))):
        return unknown
    if await servers.addresses(question(_NO_TEST, zone)):
        return unknown
    found = await servers.addresses(question(address, zone))
    if _is_listed(found):
        codes = tuple(each for each in found if _counts(each))
        said = Reason("dnsbl.listed", address=address, zone=name, codes=codes)
        return Finding(Light.RED, said, Reason("dnsbl.ask-removal", zone=name))
    if found:
        return unknown
    return Finding(Light.GREEN, Reason("dnsbl.not-listed", address=address, zone=name))


def question(address: str, zone: str) -> str:
    """Return the name by which a blocklist is asked for an address (RFC 5782 sections 2.1 and 2.4)."""
    it = ip_address(address)
    parts = str(it).split(".") if it.version == 4 else [*it.exploded.replace(":", "")]  # noqa: PLR2004
    return ".".join((*reversed(parts), zone))


def gravest(found: Iterable[Finding]) -> Finding:
    """Return the gravest finding of at least one."""
    return min(found, key=lambda it: ORDER.index(it.light))


def _is_listed(found: Iterable[str]) -> bool:
    return any(map(_counts, found))


def _counts(answer: str) -> bool:
    it = ip_address(answer)
    return it in _ANSWERS and it not in _ERRORS


def _name(zone: str) -> str:
    first, _, rest = zone.partition(".")
    return rest if len(first) >= _KEY else zone
