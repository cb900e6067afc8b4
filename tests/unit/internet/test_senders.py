"""What DNS says of who may send for a domain, by records that this test makes up."""

from __future__ import annotations

import pytest

from mailing.core import reasons
from mailing.internet import dmarc, senders, spf
from mailing.internet.findings import Light
from mailing.internet.names import UnansweredError

RED, AMBER, GREEN, UNKNOWN = Light.RED, Light.AMBER, Light.GREEN, Light.UNKNOWN
SPF = "v=spf1 include:mail.net ~all"
MANY = "v=spf1 a mx/24 ptr exists:x.net "
DMARC = "v=DMARC1; p=reject"


class Zone:
    """Names with their TXT records; what was asked is kept."""

    def __init__(self, records: dict[str, str | list[str]] | None = None, *, silent: bool = False) -> None:
        self.records = records or {}
        self.silent = silent
        self.asked: list[str] = []

    async def texts(self, name: str) -> tuple[str, ...]:
        self.asked.append(name)
        if self.silent:
            raise UnansweredError
        found = self.records.get(name, [])
        return (found,) if isinstance(found, str) else tuple(found)


def seen(finding) -> tuple[Light, str]:
    return finding.light, reasons.code(finding.said)


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ({}, (AMBER, "spf.none")),
        ({"a.net": ["v=spf10 all", "google-site-verification=x"]}, (AMBER, "spf.none")),
        ({"a.net": [SPF, "V=SPF1 -all"]}, (RED, "spf.several")),
        ({"a.net": "v=spf1 +all"}, (RED, "spf.everybody")),
        ({"a.net": "v=spf1 mx all"}, (RED, "spf.everybody")),
        ({"a.net": "v=spf1"}, (GREEN, "spf.there")),
        ({"a.net": SPF, "mail.net": "v=spf1 ip4:192.0.2.0/24 -all"}, (GREEN, "spf.there")),
        ({"a.net": SPF}, (RED, "spf.broken-include")),
        ({"a.net": SPF, "mail.net": ["v=spf1 -all", "v=spf1 -all"]}, (RED, "spf.broken-include")),
        ({"a.net": "v=spf1 redirect=b.net", "b.net": "v=spf1 -all"}, (GREEN, "spf.there")),
        ({"a.net": "v=spf1 include:%{d}.x.net -all"}, (GREEN, "spf.there")),
        ({"a.net": MANY + "a:b.net " * 6 + "-all"}, (GREEN, "spf.there")),
        (
            {"a.net": MANY + "a:b.net " * 7 + "-all"},
            (RED, "spf.too-many-lookups"),
        ),
        ({"a.net": "v=spf1 include:a.net -all"}, (RED, "spf.too-many-lookups")),
    ],
)
async def test_spf(records, expected):
    zone = Zone(records)
    assert seen(await spf.finding("a.net", zone)) == expected
    assert len(zone.asked) <= 12


@pytest.mark.parametrize(
    ("domain", "names"),
    [
        ("a.net", ["a.net", "net"]),
        ("x.a.co.uk", ["x.a.co.uk", "a.co.uk", "co.uk", "uk"]),
        ("1.2.3.4.5.6.7", ["1.2.3.4.5.6.7", "2.3.4.5.6.7", "3.4.5.6.7", "4.5.6.7", "5.6.7", "6.7", "7"]),
        (
            "a.b.c.d.e.f.g.h.i.j.mail.example.com",
            [
                "a.b.c.d.e.f.g.h.i.j.mail.example.com",
                *("g.h.i.j.mail.example.com", "h.i.j.mail.example.com", "i.j.mail.example.com"),
                *("j.mail.example.com", "mail.example.com", "example.com", "com"),
            ],
        ),
    ],
)
def test_the_walk_asks_at_most_eight_names(domain, names):
    assert dmarc.steps(domain) == names
    assert len(names) <= dmarc.STEPS_MOST


@pytest.mark.parametrize(
    ("records", "expected", "where"),
    [
        ({}, (AMBER, "dmarc.none"), None),
        ({"a.b.net": DMARC}, (GREEN, "dmarc.there"), ("a.b.net", "reject")),
        ({"b.net": "v=DMARC1; p=reject; sp=none"}, (GREEN, "dmarc.there"), ("b.net", "none")),
        ({"b.net": DMARC}, (GREEN, "dmarc.there"), ("b.net", "reject")),
        ({"b.net": DMARC, "net": "v=DMARC1;p=none;psd=y"}, (GREEN, "dmarc.there"), ("b.net", "reject")),
        ({"net": "v=DMARC1; p=none; sp=quarantine; psd=y"}, (GREEN, "dmarc.there"), ("net", "quarantine")),
        ({"a.b.net": "v=DMARC1; p=none; psd=n", "b.net": DMARC}, (GREEN, "dmarc.there"), ("a.b.net", "none")),
        ({"a.b.net": [DMARC, DMARC]}, (RED, "dmarc.several"), None),
        ({"a.b.net": ["v=DMARC1x; p=none", "v=spf1 -all"]}, (AMBER, "dmarc.none"), None),
        ({"b.net": [DMARC, DMARC]}, (AMBER, "dmarc.none"), None),
        ({"a.b.net": "v=DMARC1; rua=mailto:x@b.net"}, (AMBER, "dmarc.no-policy"), None),
        ({"a.b.net": "v=DMARC1; p=maybe"}, (AMBER, "dmarc.no-policy"), None),
        ({"a.b.net": "v = DMARC1 ; P = Quarantine"}, (GREEN, "dmarc.there"), ("a.b.net", "quarantine")),
    ],
)
async def test_dmarc(records, expected, where):
    zone = Zone({f"_dmarc.{name}": texts for name, texts in records.items()})
    finding = await dmarc.finding("a.b.net", zone)
    assert seen(finding) == expected
    if where:
        assert (finding.said.values["domain"], finding.said.values["policy"]) == where


def test_the_organizational_domain_is_just_below_a_public_suffix_or_where_a_record_says_so():
    psd = [("a.shop.co.uk", {}), ("co.uk", {"psd": "y"})]
    assert dmarc.organizational("a.shop.co.uk", psd) == "shop.co.uk"
    assert dmarc.organizational("a.b.net", [("a.b.net", {"psd": "n"})]) == "a.b.net"
    assert dmarc.organizational("a.b.net", [("a.b.net", {}), ("b.net", {})]) == "b.net"


async def test_the_walk_ends_at_a_record_that_says_that_it_is_the_top():
    zone = Zone({"_dmarc.a.b.net": "v=DMARC1; p=none; psd=n"})
    await dmarc.finding("a.b.net", zone)
    assert zone.asked == ["_dmarc.a.b.net"]


async def test_all_three_are_told_and_dkim_can_never_be_found_out():
    zone = Zone({"a.net": "v=spf1 mx -all", "_dmarc.a.net": DMARC})
    findings = await senders.findings("a.net", zone)
    assert [seen(it) for it in findings] == [
        (GREEN, "spf.there"),
        (UNKNOWN, "dkim.selector"),
        (GREEN, "dmarc.there"),
    ]


async def test_where_dns_does_not_answer_nothing_is_said_but_that():
    findings = await senders.findings("a.net", Zone(silent=True))
    assert [it.light for it in findings] == [UNKNOWN] * 3
    assert str(findings[0].said) == "SPF of a.net is unknown: DNS didn't answer."


@pytest.mark.parametrize("domain", ["localhost", "volley.local", "x.example", "x.test", "printer"])
async def test_of_a_name_that_is_nobodys_nobody_is_asked(domain):
    zone = Zone()
    (finding,) = await senders.findings(domain, zone)
    assert seen(finding) == (AMBER, "dns.reserved")
    assert zone.asked == []


@pytest.mark.parametrize(
    "record", ["v=DMARC1; p=none; rua=mailto:x@b.net", "v=DMARC1; p=reject; sp=none; fo=1"]
)
def test_a_dmarc_record_is_written_as_it_was_read(record):
    assert dmarc.write(dmarc.read(record)) == record
