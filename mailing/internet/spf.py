"""A domain's SPF record (RFC 7208): what it is worth, its look-ups, and what it says of an address."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from typing import TYPE_CHECKING

from mailing.core.reasons import Reason
from mailing.internet import spf_terms
from mailing.internet.findings import Finding, Light
from mailing.internet.spf_terms import Mail, TermError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailing.internet.names import Names, Servers
    from mailing.internet.spf_terms import Record, Term

LOOKUPS_MOST = 10  # section 4.6.4
VOIDS_MOST = 2  # look-ups that find nothing
HOSTS_MOST = 10  # exchangers, or names of an address, that are looked up
_IPV4 = 4


class Result(StrEnum):
    """What a record says of an address (section 2.6). Where nobody answers there is none."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    SOFTFAIL = "softfail"
    PERMERROR = "permerror"


_BY = {"+": Result.PASS, "-": Result.FAIL, "~": Result.SOFTFAIL, "?": Result.NEUTRAL}


class FaultyError(Exception):
    """The record, or one that it includes, cannot be used."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(slots=True)
class Counts:
    """The look-ups of a record and of all that it includes, and how many of them found nothing."""

    lookups: int = 0
    voids: int = 0

    def ask(self) -> None:
        """Count a look-up. Raises ``FaultyError`` for one too many."""
        self.lookups += 1
        if self.lookups > LOOKUPS_MOST:
            raise FaultyError(Reason("spf.too-many-lookups", most=LOOKUPS_MOST))

    def found(self, answers: Sequence[str], name: str) -> None:
        """Count a look-up that found nothing. Raises ``FaultyError`` for one too many."""
        self.voids += not answers
        if self.voids > VOIDS_MOST:
            raise FaultyError(Reason("spf.too-many-voids", most=VOIDS_MOST, name=name))


@dataclass(frozen=True, slots=True)
class Walked:
    """A record with all that it includes or redirects to, whoever connects."""

    lookups: int
    includes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What a record says of an address, after how many look-ups; of a ``permerror`` the fault."""

    result: Result
    counts: Counts
    fault: Reason | None = None

    def check(self) -> None:
        """Raise ``FaultyError`` for a fault."""
        if self.fault:
            raise FaultyError(self.fault)


async def finding(domain: str, names: Names) -> Finding:
    """Return what the SPF record of a domain is worth. Raises ``UnansweredError``."""
    found = await records(domain, names)
    if fault := at_first_sight(domain, found):
        return fault
    try:
        await walk(found[0], names)
    except FaultyError as fault_of_it:
        return Finding(Light.RED, fault_of_it.reason, Reason("spf.repair"))
    return Finding(Light.GREEN, Reason("spf.there", domain=domain), Reason("spf.compare"))


def at_first_sight(domain: str, found: Sequence[str]) -> Finding | None:
    """Return what is wrong with the records of a domain that can be seen without asking further."""
    if not found:
        return Finding(Light.AMBER, Reason("spf.none", domain=domain), Reason("spf.add"))
    if len(found) > 1:
        return Finding(Light.RED, Reason("spf.several", domain=domain, n=len(found)), Reason("spf.join"))
    try:
        terms = spf_terms.parse(found[0]).terms
    except TermError as term:
        said = Reason("spf.syntax", domain=domain, term=str(term)[:100])
        return Finding(Light.RED, said, Reason("spf.repair"))
    if terms and terms[-1].kind == "all" and terms[-1].qualifier == "+":
        return Finding(Light.RED, Reason("spf.everybody", domain=domain), Reason("spf.narrow"))
    return None


async def records(domain: str, names: Names) -> Sequence[str]:
    """Return the SPF records of a domain: there should be one. Raises ``UnansweredError``."""
    return [text for text in await names.texts(domain) if spf_terms.is_record(text)]


async def walk(record: str, names: Names) -> Walked:
    """Follow all that a record includes. Raises ``FaultyError`` and ``UnansweredError``."""
    counts, includes = Counts(), set[str]()
    waiting = [_parsed(record)]
    while waiting:
        it = waiting.pop(0)
        for term in it.terms:
            if term.asks:
                counts.ask()
            if term.kind == "include" and "%" not in term.spec:  # a macro means another name for each email
                includes.add(term.spec.lower().removesuffix("."))
                waiting.append(await _included(term.spec, names))
        if it.redirect:
            counts.ask()
            if "%" not in it.redirect:
                includes.add(it.redirect.lower().removesuffix("."))
                waiting.append(await _included(it.redirect, names))
    return Walked(counts.lookups, frozenset(includes))


async def evaluate(address: str, domain: str, servers: Servers, local: str = "postmaster") -> Evaluated:
    """Return what the record of a domain says of an address that connects. Raises ``UnansweredError``."""
    check = _Check(Mail(ip_address(address), local, domain, domain), servers)
    try:
        return Evaluated(await check.host(domain), check.counts)
    except FaultyError as fault:
        return Evaluated(Result.PERMERROR, check.counts, fault.reason)


def _parsed(record: str) -> Record:
    try:
        return spf_terms.parse(record)
    except TermError as term:
        raise FaultyError(Reason("spf.syntax-included", term=str(term)[:100])) from None


async def _included(target: str, names: Names) -> Record:
    found = await records(target, names)
    if len(found) != 1:
        raise FaultyError(Reason("spf.broken-include", domain=target))
    return _parsed(found[0])


@dataclass(slots=True)
class _Check:
    """``check_host`` (section 4): ends, as each record that it follows is a look-up."""

    mail: Mail
    servers: Servers
    counts: Counts = field(default_factory=Counts)

    async def host(self, domain: str, *, deeper: bool = False) -> Result:
        found = await records(domain, self.servers) if domain else []
        if deeper:
            self.counts.found(found, domain)
        if not found:
            return Result.NONE
        if len(found) > 1:
            raise FaultyError(Reason("spf.several", domain=domain, n=len(found)))
        record = _parsed(found[0])
        for term in record.terms:
            if await self._matches(term, domain):
                return _BY[term.qualifier]
        if not record.redirect:
            return Result.NEUTRAL
        self.counts.ask()
        target = self._name(record.redirect, domain)
        result = await self.host(target, deeper=True)
        if result is Result.NONE:
            raise FaultyError(Reason("spf.broken-include", domain=target))
        return result

    async def _matches(self, term: Term, domain: str) -> bool:
        if term.asks:
            self.counts.ask()
        if term.kind == "all":
            return True
        if term.network is not None:
            return spf_terms.covers(term.network, self.mail.address)
        name = self._name(term.spec, domain)
        match term.kind:
            case "include":
                matches = await self._includes(name)
            case "exists":
                matches = await self._exists(name)
            case "ptr":
                matches = await self._points(name)
            case "mx":
                hosts = await self._exchangers(name)
                matches = any([await self._is_at(host, term, counted=False) for host in hosts])
            case _:
                matches = await self._is_at(name, term, counted=True)
        return matches

    async def _includes(self, name: str) -> bool:
        result = await self.host(name, deeper=True)
        if result is Result.NONE:
            raise FaultyError(Reason("spf.broken-include", domain=name))
        return result is Result.PASS

    async def _exists(self, name: str) -> bool:
        found = [each for each in await self.servers.addresses(name) if ip_address(each).version == _IPV4]
        self.counts.found(found, name)
        return bool(found)

    async def _exchangers(self, name: str) -> Sequence[str]:
        hosts = [host for host in await self.servers.exchangers(name) if host]
        self.counts.found(hosts, name)
        if len(hosts) > HOSTS_MOST:
            raise FaultyError(Reason("spf.too-many-hosts", most=HOSTS_MOST, name=name))
        return hosts

    async def _is_at(self, host: str, term: Term, *, counted: bool) -> bool:
        version = self.mail.address.version
        found = [it for it in await self.servers.addresses(host) if ip_address(it).version == version]
        if counted:
            self.counts.found(found, host)
        return any(spf_terms.covers(spf_terms.around(it, term.prefixes), self.mail.address) for it in found)

    async def _points(self, name: str) -> bool:
        hosts = await self.servers.pointers(str(self.mail.address))
        self.counts.found(hosts, name)
        for host in hosts[:HOSTS_MOST]:
            below = host == name or host.endswith(f".{name}")
            if below and str(self.mail.address) in await self.servers.addresses(host):
                return True
        return False

    def _name(self, spec: str, domain: str) -> str:
        return spf_terms.expand(spec, self.mail, domain) if spec else domain
