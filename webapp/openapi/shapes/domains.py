"""The shapes of answers about domains and the keys that sign, as those in ``shapes``."""

from typing import Annotated, TypedDict

from mailing.domains.dkim import Algorithm
from mailing.domains.tables import KeyState
from mailing.internet.findings import Light
from webapp.openapi.shapes.common import Time


class DomainFinding(TypedDict):
    """What DNS said of one record."""

    light: Light
    said: str
    code: str
    todo: Annotated[str, "What to do; empty if there is nothing."]


class DomainRecord(TypedDict):
    """A record to publish."""

    record: Annotated[str, "Of which of the `records` it is."]
    type: Annotated[str, "`TXT` or `MX`."]
    name: str
    value: str
    zone_line: Annotated[str, "The record as in a zone file."]
    instead_of: Annotated[str, "What it replaces, one record per line; empty if nothing is there."]
    why: str


class DkimKey(TypedDict):
    """A key that signs, or will, or did. Its private half is never shown."""

    selector: str
    algorithm: Algorithm
    state: Annotated[
        KeyState,
        "`created` until its record is in DNS, then `published`; `active` while it signs. The record of one "
        "that is `retiring` must stay until `removable_at`.",
    ]
    name: Annotated[str, "Where its TXT record has to be."]
    value: Annotated[str, "What the record says."]
    zone_line: Annotated[str, "The record as in a zone file, in strings of at most 255 bytes."]
    found: Annotated[DomainFinding | None, "Null: nobody has looked yet, or its record is not needed."]
    created_at: Time
    published_at: Time | None
    activated_at: Time | None
    retiring_at: Time | None
    retired_at: Time | None
    removable_at: Time | None


class Domain(TypedDict):
    """A domain that mail comes from."""

    domain: str
    signs: Annotated[bool, "Whether Volley signs its mail."]
    light: Annotated[Light, "The gravest finding; `unknown` if nobody has looked."]
    looked_at: Time | None
    records: Annotated[
        dict[str, DomainFinding],
        "By `spf`, `dkim`, `dmarc`, `mx`; `bounce-spf` and `bounce-mx` if bounces have a domain; `ptr`, "
        "`dnsbl` and `tls` of a mail server of your own.",
    ]
    publish: Annotated[list[DomainRecord], "Records to publish, beside those of the keys."]
    sends_from: Annotated[list[str], "From which addresses your own mail server sends, as far as is known."]
    keys: list[DkimKey]


class DomainList(TypedDict):
    """The domains that campaigns come from, or that have keys."""

    domains: list[Domain]


class DmarcSource(TypedDict):
    """What one address sent with the domain in From, as receivers reported."""

    source: Annotated[str, "An IP address; empty for all others together."]
    ours: Annotated[bool, "It is your own mail server's address, or it signs with a key of Volley."]
    emails: int
    spf_aligned: Annotated[int, "For how many SPF passed, for the From domain."]
    dkim_aligned: Annotated[int, "For how many DKIM passed, for the From domain."]
    passed: Annotated[int, "How many passed by either of them."]
    quarantined: int
    rejected: int
    spf_domain: Annotated[str, "A domain for which SPF passed, or empty."]
    dkim_domain: Annotated[str, "A domain for which DKIM passed, or empty."]


class DmarcSummary(TypedDict):
    """DMARC aggregate reports of the last 30 days."""

    reports: int
    reporters: list[str]
    until: Annotated[Time | None, "The end of the latest period; null if there is no report."]
    sources: list[DmarcSource]


class MadeKeys(TypedDict):
    """Keys that were made: publish their records."""

    keys: list[DkimKey]
