"""Records to publish, and that of a DKIM key (RFC 6376 section 3.6.1): whether it is there. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailing.core.reasons import Reason
from mailing.domains.dkim import Algorithm
from mailing.internet import dmarc
from mailing.internet.findings import Finding, Light

if TYPE_CHECKING:
    from collections.abc import Sequence

STRING_MOST = 255  # bytes of one string of a TXT record (RFC 1035 section 3.3.14)
_BLANK = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Record:
    """A record to publish, and ``why``. ``there`` is what it takes the place of; empty where nothing is."""

    type: str  # TXT or MX
    name: str
    value: str
    why: Reason
    there: str = ""

    @property
    def zone_line(self) -> str:
        """The record as it stands in a zone file."""
        return zone_line(self.name, self.value) if self.type == "TXT" else f"{self.name}. IN MX {self.value}"


def name(selector: str, domain: str) -> str:
    """Return where the record of a key is."""
    return f"{selector}._domainkey.{domain}"


def value(algorithm: Algorithm, public: str) -> str:
    """Return what the record of a key says; ``public`` is base64."""
    return f"v=DKIM1; k={algorithm}; p={public}"


def strings(text: str) -> tuple[str, ...]:
    """Return a record in as many strings as it takes. Web forms do so themselves, zone files do not."""
    return tuple(text[at : at + STRING_MOST] for at in range(0, len(text), STRING_MOST))


def zone_line(where: str, text: str) -> str:
    """Return a record as it stands in a zone file (RFC 1035 section 5.1)."""
    quoted = " ".join(f'"{each}"' for each in strings(text))
    return f"{where}. IN TXT {quoted}"


def judge(texts: Sequence[str], where: str, algorithm: Algorithm, public: str) -> Finding:
    """Return whether the TXT records at a name are the one of a key."""
    publish = Reason("dkim.publish", name=where)
    found = [dmarc.read(text) for text in texts]
    keys = [tags for tags in found if "p" in tags]
    if not keys:
        return Finding(Light.RED, Reason("dkim.no-record", name=where), publish)
    if len(keys) > 1:
        return Finding(Light.RED, Reason("dkim.several", name=where, n=len(keys)), Reason("dkim.keep-one"))
    published = _BLANK.sub("", keys[0]["p"])
    if published == public and keys[0].get("k", Algorithm.RSA) == algorithm:
        return Finding(Light.GREEN, Reason("dkim.there", name=where))
    if published and published != public and public.startswith(published):
        return Finding(Light.RED, Reason("dkim.cut", name=where), Reason("dkim.publish-whole", name=where))
    return Finding(Light.RED, Reason("dkim.other-key", name=where), publish)
