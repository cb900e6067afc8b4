"""Where the DMARC policy of a domain stands, by the tree walk of RFC 9989 (section 4.10)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailing.core.reasons import Reason
from mailing.internet.findings import Finding, Light

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mailing.internet.names import Names

STEPS_MOST = 8  # names that are asked
POLICIES = ("none", "quarantine", "reject")
_VERSION = re.compile(r"v\s*=\s*DMARC1\s*(?:;|\Z)")
_LABEL = 1
_ORDER = ("p", "sp", "np", "adkim", "aspf", "psd", "t")  # in which tags are written; the others follow


@dataclass(frozen=True, slots=True)
class Policy:
    """The record that counts for a domain and ``where`` it is, an empty name where there is none.

    ``several`` are those at the domain itself, of which none counts.
    """

    where: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    several: int = 0


async def finding(domain: str, names: Names) -> Finding:
    """Return what the DMARC policy of a domain is worth. Raises ``UnansweredError``."""
    return judge(domain, await discover(domain, names))


async def discover(domain: str, names: Names) -> Policy:
    """Return the policy that counts for a domain. Raises ``UnansweredError``."""
    found: list[tuple[str, Mapping[str, str]]] = []
    for name in steps(domain):
        records = [text for text in await names.texts(f"_dmarc.{name}") if _VERSION.match(text)]
        if len(records) > 1 and name == domain:
            return Policy(several=len(records))
        if len(records) == 1:
            tags = read(records[0])
            found.append((name, tags))
            if tags.get("psd") == "n" or (tags.get("psd") == "y" and name != domain):
                break
    return Policy(*governing(domain, found))


def judge(domain: str, found: Policy) -> Finding:
    """Return what a policy is worth for a domain."""
    if found.several:
        several = Reason("dmarc.several", domain=domain, n=found.several)
        return Finding(Light.RED, several, Reason("dmarc.keep-one"))
    where, tags = found.where, found.tags
    if not where:
        return Finding(Light.AMBER, Reason("dmarc.none", domain=domain), Reason("dmarc.add", domain=domain))
    policy = tags.get("p", "") if where == domain else tags.get("sp") or tags.get("p", "")
    if policy.lower() not in POLICIES:
        return Finding(Light.AMBER, Reason("dmarc.no-policy", domain=where), Reason("dmarc.repair"))
    return Finding(Light.GREEN, Reason("dmarc.there", domain=where, policy=policy.lower()))


def steps(domain: str) -> Sequence[str]:
    """Return the names of which a record is asked for, the domain first and its last label at the end.

    Of a domain with very many labels those between the first and the seventh from the right are passed over.
    """
    labels = domain.split(".")
    below = labels[1:] if len(labels) < STEPS_MOST else labels[-(STEPS_MOST - 1) :]
    return [domain, *(".".join(below[place:]) for place in range(len(below)))]


def read(record: str) -> Mapping[str, str]:
    """Return the tags of a record; of one that is written twice the first."""
    pairs = (part.partition("=") for part in reversed(record.split(";")) if "=" in part)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def write(tags: Mapping[str, str]) -> str:
    """Return a record with these tags, the version first (RFC 9989 section 4.7)."""
    first = [name for name in _ORDER if name in tags]
    rest = sorted(tags.keys() - {"v", *first})
    return "; ".join(("v=DMARC1", *(f"{name}={tags[name]}" for name in (*first, *rest))))


def governing(domain: str, found: Sequence[tuple[str, Mapping[str, str]]]) -> tuple[str, Mapping[str, str]]:
    """Return the record that counts for a domain, and where it is; with an empty name where there is none.

    Its own counts before that of its organizational domain, and that before a public suffix's.
    """
    records = dict(found)
    if domain in records or not found:
        return domain if found else "", records.get(domain, {})
    above = organizational(domain, found)
    where = above if above in records else found[-1][0]
    return where, records[where]


def organizational(domain: str, found: Sequence[tuple[str, Mapping[str, str]]]) -> str:
    """Return the organizational domain by the records that the walk found (RFC 9989 section 4.10.2)."""
    for name, tags in found:
        if tags.get("psd") == "n":
            return name
        if tags.get("psd") == "y" and name != domain:
            labels = domain.split(".")
            return ".".join(labels[-(name.count(".") + 1 + _LABEL) :])
    return min((name for name, _tags in found), key=lambda name: name.count("."))
