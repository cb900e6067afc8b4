"""The TXT records and the mail exchangers of a name, or that nobody could be asked."""

from __future__ import annotations

from typing import Protocol

import dns.asyncresolver
import dns.exception
import dns.resolver

PATIENCE_S = 2.0  # of one question
LONGEST = 4_000  # characters read of a record
MOST_EXCHANGERS = 20  # read of a domain


class UnansweredError(Exception):
    """No server of names could be asked, or none answered in time."""


class Names(Protocol):
    """Who knows the records of names."""

    async def texts(self, name: str) -> tuple[str, ...]:
        """Return the TXT records of a name, none where it has none. Raises ``UnansweredError``."""


class Dns:
    """The servers of names that this machine asks, or those of a ``resolver``."""

    def __init__(self, resolver: dns.asyncresolver.Resolver | None = None) -> None:
        self._knows_the_root = False
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
