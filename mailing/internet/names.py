"""The TXT records of a name, or that nobody could be asked."""

from __future__ import annotations

from typing import Protocol

import dns.asyncresolver
import dns.exception
import dns.resolver

PATIENCE_S = 2.0  # of one question
LONGEST = 4_000  # characters read of a record


class UnansweredError(Exception):
    """No server of names could be asked, or none answered in time."""


class Names(Protocol):
    """Who knows the records of names."""

    async def texts(self, name: str) -> tuple[str, ...]:
        """Return the TXT records of a name, none where it has none. Raises ``UnansweredError``."""


class Dns:
    """The servers of names that this machine asks."""

    def __init__(self) -> None:
        try:
            self._resolver: dns.asyncresolver.Resolver | None = dns.asyncresolver.Resolver()
        except dns.exception.DNSException:
            self._resolver = None

    async def texts(self, name: str) -> tuple[str, ...]:
        """Return the TXT records of a name, each joined from its strings (RFC 7208 section 3.3)."""
        if self._resolver is None:
            raise UnansweredError
        try:
            answer = await self._resolver.resolve(f"{name}.", "TXT", lifetime=PATIENCE_S, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return ()
        except (dns.exception.DNSException, OSError, ValueError) as error:
            raise UnansweredError from error
        return tuple(b"".join(record.strings).decode("utf-8", "replace")[:LONGEST] for record in answer)
