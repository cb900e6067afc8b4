"""Domains of an import that receive no email, found out after it: in the background, and within limits.

A domain is asked for its mail exchanger, and where it has none for an address (RFC 5321 section 5.1); one
that says so receives nothing (RFC 7505). Where nobody answers, nothing is said.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeAlias

import dns.asyncresolver
import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver
from sqlalchemy import func, select, update

from mailing.contacts import notes
from mailing.contacts.notes import Note, NoteKind
from mailing.contacts.tables import contacts, imports
from mailing.contacts.worth_a_look import KNOWN
from mailing.core.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from mailing.core.database import Database

DOMAINS_MAX = 1_000  # the most frequent ones of an import
AT_ONCE = 20
EACH_S = 5.0
ALL_S = 60.0
SILENT_MAX = 20  # unanswered ones before the first answer: DNS cannot be asked from here

NO_DOMAIN, NO_EXCHANGER = "import.no-such-domain", "import.no-mail-exchanger"


Asks: TypeAlias = "Callable[[str], Awaitable[str | None]]"
"""Asks about a domain: empty if it receives email, a reason's code if not, None if nobody knows."""


def note(database: Database, import_id: int, ask: Asks | None = None) -> None:
    """Ask about the domains that an import brought, and note those that receive no email."""
    count = func.count()
    brought = select(contacts.c.domain, count).where(contacts.c.import_id == import_id)
    brought = brought.group_by(contacts.c.domain).order_by(count.desc()).limit(DOMAINS_MAX + len(KNOWN))
    with database.read() as connection:
        counts = {domain: int(n) for domain, n in connection.execute(brought) if domain not in KNOWN}
    wanted = [*counts][:DOMAINS_MAX]
    if not wanted or not (ask := ask or resolver()):
        return
    found = asyncio.run(judge(wanted, ask))
    told = [Note(NoteKind.NOTED, 0, domain, Reason(code, n=counts[domain])) for domain, code in found.items()]
    with database.write() as connection:
        own = update(imports).where(imports.c.id == import_id)
        if connection.execute(own.values(noted=imports.c.noted + len(told))).rowcount:
            notes.store(connection, import_id, told, notes.next_number(connection, import_id))


async def judge(domains: Iterable[str], ask: Asks) -> Mapping[str, str]:
    """Return the domains that receive no email, each with a reason's code; at most for ``ALL_S``."""
    found: dict[str, str] = {}
    waiting, answers, silent = iter(domains), 0, 0

    async def go_on() -> None:
        nonlocal answers, silent
        for domain in waiting:
            if not answers and silent >= SILENT_MAX:
                return
            code = await ask(domain)
            answers, silent = answers + (code is not None), silent + (code is None)
            if code:
                found[domain] = code

    try:
        async with asyncio.timeout(ALL_S):
            await asyncio.gather(*(go_on() for _ in range(AT_ONCE)))
    except TimeoutError:
        pass
    return found


def resolver() -> Asks | None:
    """Return a resolver that asks the DNS servers of this machine; None if there are none."""
    try:
        asked = dns.asyncresolver.Resolver()
    except (dns.exception.DNSException, OSError):
        return None
    asked.lifetime = EACH_S

    async def ask(domain: str) -> str | None:
        try:
            name = dns.name.from_text(domain)
            answer = await asked.resolve(name, dns.rdatatype.MX)
            return "" if any(str(record.exchange) != "." for record in answer) else NO_EXCHANGER
        except dns.resolver.NXDOMAIN:
            return NO_DOMAIN
        except dns.resolver.NoAnswer:
            return await _has_address(asked, name)
        except (dns.exception.DNSException, OSError):
            return None

    return ask


async def _has_address(asked: dns.asyncresolver.Resolver, name: dns.name.Name) -> str | None:
    for kind in (dns.rdatatype.A, dns.rdatatype.AAAA):
        try:
            await asked.resolve(name, kind)
        except dns.resolver.NoAnswer:
            continue
        except (dns.exception.DNSException, OSError):
            return None
        return ""
    return NO_EXCHANGER
