"""What DNS says of who may send for a domain: SPF, DKIM and DMARC, as large providers ask for them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from mailing.core.reasons import Reason
from mailing.internet import dmarc, spf
from mailing.internet.findings import Finding, Light
from mailing.internet.names import RESERVED, Dns, UnansweredError

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from mailing.internet.names import Names

PATIENCE_S = 4.0  # of all questions together


async def findings(domain: str, names: Names, dkim: Finding | None = None) -> tuple[Finding, ...]:
    """Return what is known of a From domain, within ``PATIENCE_S``; ``dkim`` is known where Volley signs."""
    known = isinstance(names, Dns) and names.named  # by a server that the operator named
    if "." not in domain or (domain.rpartition(".")[2] in RESERVED and not known):
        return (Finding(Light.AMBER, Reason("dns.reserved", domain=domain), Reason("dns.use-own")),)
    asked = await asyncio.gather(
        in_time("SPF", domain, spf.finding(domain, names)),
        in_time("DMARC", domain, dmarc.finding(domain, names)),
    )
    dkim = dkim or Finding(Light.UNKNOWN, Reason("dkim.selector"), Reason("dkim.look"))
    return (asked[0], dkim, asked[1])


async def in_time(record: str, domain: str, asking: Awaitable[Finding]) -> Finding:
    """Return what was found of a record, or that nobody answered within ``PATIENCE_S``."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await asking
    except (UnansweredError, TimeoutError):
        return Finding(Light.UNKNOWN, Reason("dns.unanswered", record=record, domain=domain))
