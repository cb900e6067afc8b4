"""The records of names: TXT, MX, A, AAAA and PTR, or that nobody could be asked."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Protocol

import dns.asyncresolver
import dns.exception
import dns.resolver
import dns.reversename

PATIENCE_S = 2.0  # of one question
LONGEST = 4_000  # characters read of a record
MOST_EXCHANGERS = 20  # read of a domain
MOST_ADDRESSES = 20  # read of a name
RESERVED = frozenset({"localhost", "local", "test", "example", "invalid", "internal", "onion", "arpa"})
"""Names that are nobody's on the internet (RFC 2606, RFC 6761)."""


class UnansweredError(Exception):
    """No server of names could be asked, or none answered in time."""


class Names(Protocol):
    """Who knows the records of names."""

    async def texts(self, name: str) -> tuple[str, ...]:
        """Return the TXT records of a name, none where it has none. Raises ``UnansweredError``."""


class Servers(Names, Protocol):
    """Who knows all records that the health of a domain is about."""

    async def exchangers(self, name: str) -> tuple[str, ...]:
        """Return the mail exchangers of a name, the first first. Raises ``UnansweredError``."""

    async def addresses(self, name: str) -> tuple[str, ...]:
        """Return the IPv4 and IPv6 addresses of a name. Raises ``UnansweredError``."""

    async def pointers(self, address: str) -> tuple[str, ...]:
        """Return the names of an address (PTR). Raises ``UnansweredError``."""


def asked(servers: Names, domain: str) -> bool:
    """Whether servers of names are asked for a domain.

    Those of the internet are not asked for what is nobody's: that only tells strangers of a typing error.
    """
    own = isinstance(servers, Dns) and servers.named
    return own or not isinstance(servers, Dns) or domain.rpartition(".")[2] not in RESERVED


class Dns:
    """The servers of names that this machine asks, those of a ``resolver``, or the one that is named ``at``.

    One that an operator names may know names that are nobody's on the internet.
    """

    def __init__(
        self, resolver: dns.asyncresolver.Resolver | None = None, at: tuple[str, int] | None = None
    ) -> None:
        self.named = at is not None
        self._knows_the_root = self.named  # such a one may know its own names only
        if at:
            self._resolver = dns.asyncresolver.Resolver(configure=False)
            self._resolver.nameservers, self._resolver.port = [at[0]], at[1]
            return
        try:
            self._resolver = resolver or dns.asyncresolver.Resolver()
        except dns.exception.DNSException:
            self._resolver = dns.asyncresolver.Resolver(configure=False)  # whoever is asked there is nobody

    async def texts(self, name: str) -> tuple[str, ...]:
        """Return the TXT records of a name, each joined from its strings (RFC 7208 section 3.3)."""
        answer = await self._ask(name, "TXT")
        if answer is None:
            await self._look_at_the_root()
            return ()
        return tuple(b"".join(record.strings).decode("utf-8", "replace")[:LONGEST] for record in answer)

    async def exchangers(self, name: str) -> tuple[str, ...]:
        """Return the names of a domain's mail exchangers by their preference (RFC 5321 section 5.1)."""
        answer = await self._ask(name, "MX")
        if answer is None:
            await self._look_at_the_root()
            return ()
        records = sorted(answer, key=lambda record: (record.preference, str(record.exchange)))
        return tuple(str(record.exchange).rstrip(".").lower() for record in records[:MOST_EXCHANGERS])

    async def addresses(self, name: str) -> tuple[str, ...]:
        """Return the IPv4 and IPv6 addresses of a name; none where it has none."""
        answers = [await self._ask(name, kind) for kind in ("A", "AAAA")]
        if not any(answers):
            await self._look_at_the_root()
        found = (record.address for answer in answers for record in answer or ())
        return tuple(str(ip_address(each)) for each in found)[:MOST_ADDRESSES]

    async def pointers(self, address: str) -> tuple[str, ...]:
        """Return the names of an address; none where it has none."""
        answer = await self._ask(str(dns.reversename.from_address(address)).rstrip("."), "PTR")
        if answer is None:
            await self._look_at_the_root()
            return ()
        return tuple(str(record.target).rstrip(".").lower() for record in answer)[:MOST_ADDRESSES]

    async def _look_at_the_root(self) -> None:
        """Make sure that a server which knows no such name knows any: on closed networks some deny all."""
        if not self._knows_the_root and await self._ask("", "NS") is None:
            raise UnansweredError
        self._knows_the_root = True

    async def _ask(self, name: str, kind: str) -> dns.resolver.Answer | None:
        try:
            return await self._resolver.resolve(f"{name}.", kind, lifetime=PATIENCE_S, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return None
        except (dns.exception.DNSException, OSError, ValueError) as error:
            raise UnansweredError from error
