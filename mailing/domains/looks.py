"""What DNS says of each kind of record of a domain, and what to publish: the record as it should be.

Pure but for the servers that are asked. Each may raise ``UnansweredError``: then nothing is known.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from mailing.core.reasons import Reason
from mailing.domains.records import Record
from mailing.internet import dmarc, spf, spf_terms
from mailing.internet.findings import Finding, Light
from mailing.internet.receivers import organisation
from mailing.internet.spf import FaultyError, Result

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mailing.domains.ways import Ours
    from mailing.internet.dmarc import Policy
    from mailing.internet.names import Servers

REPORTS = "dmarc"  # the mailbox of the bounce domain that takes aggregate reports
_NEXT = {"none": "quarantine", "quarantine": "reject"}


class Seen(NamedTuple):
    """What was found, and the records that are to be published."""

    finding: Finding
    publish: tuple[Record, ...] = ()


async def sender_policy(
    domain: str, includes: Sequence[str], addresses: Sequence[str], servers: Servers
) -> Seen:
    """Return whether the SPF record of a domain lets those send that do, and what it should say.

    Of a provider its include must be there; an address of ours must pass.
    """
    found = await spf.records(domain, servers)
    first = spf.at_first_sight(domain, found)
    if first:
        if first.said.code == "spf.syntax":
            return Seen(first)
        known = bool(includes or addresses or found)
        code = "spf.publish-new" if not found else "spf.publish-changed"
        return Seen(first, (_policy(domain, found, includes, addresses, code),) if known else ())
    try:
        walked = await spf.walk(found[0], servers)
        results = [await spf.evaluate(each, domain, servers) for each in addresses]
        for it in results:
            it.check()
    except FaultyError as fault:
        return Seen(Finding(Light.RED, fault.reason, Reason("spf.repair")))
    absent = [each for each in includes if each not in walked.includes]
    refused = [each for each, it in zip(addresses, results, strict=True) if it.result is not Result.PASS]
    if absent or refused:
        rejects = any(it.result is Result.FAIL for it in results)
        missing = Reason("spf.misses", domain=domain, missing=(*absent, *refused))
        record = _policy(domain, found, absent, refused, "spf.publish-changed")
        return Seen(Finding(Light.RED if rejects else Light.AMBER, missing, Reason("spf.publish")), (record,))
    if includes or addresses:
        passes = Reason("spf.passes", domain=domain, n=walked.lookups, most=spf.LOOKUPS_MOST)
        return Seen(Finding(Light.GREEN, passes))
    return Seen(Finding(Light.GREEN, Reason("spf.there", domain=domain), Reason("spf.compare")))


def _policy(
    domain: str, found: Sequence[str], includes: Sequence[str], addresses: Sequence[str], code: str
) -> Record:
    value = spf_terms.merged(found, includes, addresses)
    return Record("TXT", domain, value, Reason(code), "\n".join(found))


async def dmarc_policy(domain: str, ours: Ours, servers: Servers) -> Seen:
    """Return what the DMARC policy of a domain is worth, and the next step of it."""
    policy = await dmarc.discover(domain, servers)
    finding = dmarc.judge(domain, policy)
    record = _step(domain, policy, ours)
    if record is None:
        return Seen(finding)
    todo = finding.todo or record.why
    publish = [record]
    told = _reports_to(record.value)
    if told and organisation(told) != organisation(domain):
        name = f"{policy.where or domain}._report._dmarc.{told}"
        if not any(text.startswith("v=DMARC1") for text in await servers.texts(name)):
            publish.append(Record("TXT", name, "v=DMARC1;", Reason("dmarc.let-report", domain=told)))
    return Seen(replace(finding, todo=todo), tuple(publish))


def _step(domain: str, policy: Policy, ours: Ours) -> Record | None:
    """Return the DMARC record to publish next: none while one says no, at last to reject all else."""
    to = f"mailto:{REPORTS}@{ours.bounce_domain or domain}"
    if policy.several:
        return None
    if not policy.where:
        value = dmarc.write({"p": "none", "rua": to})
        return Record("TXT", f"_dmarc.{domain}", value, Reason("dmarc.first-step"))
    name, tags = f"_dmarc.{policy.where}", policy.tags
    there = dmarc.write(tags)
    asked = tags.get("p", "").lower()
    if asked not in dmarc.POLICIES:
        changed: Mapping[str, str] = {"p": "none", **tags, **({} if "rua" in tags else {"rua": to})}
        return Record("TXT", name, dmarc.write({**changed, "p": "none"}), Reason("dmarc.repair"), there)
    if "rua" not in tags:
        return Record("TXT", name, dmarc.write({**tags, "rua": to}), Reason("dmarc.no-reports"), there)
    if asked in _NEXT:
        value = dmarc.write({**tags, "p": _NEXT[asked]})
        return Record("TXT", name, value, Reason("dmarc.next-step", policy=_NEXT[asked]), there)
    return None


def _reports_to(value: str) -> str:
    """Return the domain of the first address that is sent reports; empty if there is none."""
    to = dmarc.read(value).get("rua", "").split(",")[0].strip()
    address = to[len("mailto:") :] if to.lower().startswith("mailto:") else ""
    return address.partition("!")[0].rpartition("@")[2].lower()


async def exchangers(domain: str, servers: Servers) -> Seen:
    """Return whether replies to a domain arrive anywhere (RFC 5321 section 5.1, RFC 7505)."""
    found = await servers.exchangers(domain)
    named = [name for name in found if name]
    if named:
        return Seen(Finding(Light.GREEN, Reason("mx.there", domain=domain, server=named[0])))
    record = Record("MX", domain, f"10 mail.{domain}.", Reason("mx.name-yours"))
    if found:
        said = Reason("mx.refuses", domain=domain)
        record = replace(record, there="0 .")
        return Seen(Finding(Light.AMBER, said, Reason("mx.add", domain=domain)), (record,))
    if await servers.addresses(domain):
        return Seen(Finding(Light.GREEN, Reason("mx.by-address", domain=domain)))
    said = Reason("mx.none", domain=domain)
    return Seen(Finding(Light.AMBER, said, Reason("mx.add", domain=domain)), (record,))


async def bounce_exchangers(ours: Ours, servers: Servers) -> Seen:
    """Return whether bounces arrive anywhere."""
    domain = ours.bounce_domain
    named = [name for name in await servers.exchangers(domain) if name]
    if named:
        return Seen(Finding(Light.GREEN, Reason("mx.there", domain=domain, server=named[0])))
    if await servers.addresses(domain):
        return Seen(Finding(Light.GREEN, Reason("mx.by-address", domain=domain)))
    if ours.host:
        record = Record("MX", domain, f"10 {ours.host}.", Reason("mx.this-machine"))
    else:
        record = Record("MX", domain, f"10 mail.{domain}.", Reason("mx.name-yours"))
    said = Reason("mx.no-bounces", domain=domain)
    return Seen(Finding(Light.RED, said, Reason("mx.add", domain=domain)), (record,))


async def bounce_policy(
    domain: str, ours: Ours, includes: Sequence[str], addresses: Sequence[str], servers: Servers
) -> Seen:
    """Return what SPF is worth for the bounce domain, and so for the From domain.

    For DMARC it counts only where both are of one organization (RFC 9989 section 4.4.2).
    """
    seen = await sender_policy(ours.bounce_domain, includes, addresses, servers)
    if seen.finding.light is not Light.GREEN or organisation(domain) == organisation(ours.bounce_domain):
        return seen
    apart = Reason("spf.not-aligned", bounces=ours.bounce_domain, domain=domain)
    return seen._replace(finding=Finding(Light.AMBER, apart, Reason("spf.align", domain=domain)))
