"""The records of a From domain that a refusal is about: where each stands, and whether it is there by now.

Pure but for the names that are asked. Which records a check of ``smtp/rulebook.toml`` is about is data.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from typing import TYPE_CHECKING, NamedTuple

from mailing.core.reasons import FIELDS, Reason
from mailing.internet import dmarc, spf
from mailing.internet.findings import ORDER, Finding, Light
from mailing.internet.names import UnansweredError
from mailing.internet.senders import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mailing.internet.names import Names

KINDS: Mapping[str, Sequence[str]] = {
    "spf": ("spf",),
    "dkim": ("dkim",),
    "spf-dkim": ("spf", "dkim"),
    "spf-dkim-dmarc": ("spf", "dkim", "dmarc"),
    "dmarc-aligned": ("dmarc", "dkim"),
    "dmarc-message": ("dmarc",),
    "from-domain": (),
}
"""The records that each check is about. Of ``from-domain`` none is looked for: any might be missing."""

INCLUDES: Mapping[str, str] = {
    "gmail.com": "_spf.google.com",
    "google.com": "_spf.google.com",
    "office365.com": "spf.protection.outlook.com",
    "outlook.com": "spf.protection.outlook.com",
    "amazonaws.com": "amazonses.com",
    "sendgrid.net": "sendgrid.net",
    "mailgun.org": "mailgun.org",
    "postmarkapp.com": "spf.mtasv.net",
    "brevo.com": "spf.brevo.com",
}
"""What the SPF record of a domain includes that sends by a server of these; as the providers say, 2026-11."""

_SELECTOR = re.compile(r"\b([a-z0-9][a-z0-9-]{0,60})\._domainkey\b|\bselector[ =:'\"]+([a-z0-9][\w-]{0,60})")
_KEY = re.compile(r"\bp\s*=\s*[A-Za-z0-9+/]")
_OTHER = "YOUR-PROVIDER"


class Look(NamedTuple):
    """What a look at the records found: the gravest finding, and a print of all that was read.

    The print is empty where nothing could be read.
    """

    finding: Finding
    print: str

    @property
    def missing(self) -> bool:
        """Whether a record is certainly missing or wrong."""
        return self.finding.light in {Light.RED, Light.AMBER}


def advice(check: str, domain: str, server: str, words: str) -> Reason | None:
    """Return which record to publish for a check; None where it is about no record of the From domain.

    ``server`` is that of the sender (``host:port``), and ``words`` the reply, which may name a selector.
    """
    if check not in KINDS or not domain:
        return None
    include = include_of(server.rpartition(":")[0]) or _OTHER
    values = {"domain": domain, "include": include, "selector": selector(words) or "SELECTOR"}
    code = f"record.{check}"
    return Reason(code, **{name: values[name] for name in FIELDS[code]})


def include_of(host: str) -> str:
    """Return what SPF records include for a provider's server; empty where the host is of none."""
    host = host.lower()
    return next((it for end, it in INCLUDES.items() if host == end or host.endswith(f".{end}")), "")


def selector(words: str) -> str:
    """Return the DKIM selector that a reply names; empty if none."""
    found = _SELECTOR.search(words.lower())
    return (found[1] or found[2]) if found else ""


async def look(check: str, domain: str, key: str, names: Names) -> Look:
    """Look at the records of a domain that a check is about; ``key`` is the selector, where it is known.

    Takes ``PATIENCE_S`` at most.
    """
    unseen = unknown(domain)
    places = {"spf": domain, "dmarc": f"_dmarc.{domain}"}
    if key and key != "SELECTOR":
        places["dkim"] = f"{key}._domainkey.{domain}"
    found, read = [unseen.finding], []
    try:
        async with asyncio.timeout(PATIENCE_S):
            for kind in KINDS.get(check, ()):
                if kind in places:
                    read += [kind, *sorted(await names.texts(places[kind]))]
                    found.append(await _finding(kind, domain, places[kind], names))
    except (UnansweredError, TimeoutError):
        return unseen
    printed = hashlib.sha256("\n".join(read).encode()).hexdigest() if read else ""
    told = found[1:] or found
    return Look(min(told, key=lambda it: ORDER.index(it.light)), printed)


def unknown(domain: str) -> Look:
    """Return that nobody can tell."""
    return Look(Finding(Light.UNKNOWN, Reason("record.not-seen", domain=domain)), "")


async def _finding(kind: str, domain: str, place: str, names: Names) -> Finding:
    if kind == "spf":
        return await spf.finding(domain, names)
    if kind == "dmarc":
        return await dmarc.finding(domain, names)
    there = any(_KEY.search(text) for text in await names.texts(place))
    said = Reason("record.key-there" if there else "record.no-key", name=place)
    return Finding(Light.GREEN if there else Light.RED, said)
