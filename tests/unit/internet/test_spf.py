"""What SPF records say of an address (RFC 7208): those that this test makes up, and any text at all."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.core import reasons
from mailing.internet import spf, spf_terms
from mailing.internet.findings import Light
from mailing.internet.names import UnansweredError
from mailing.internet.spf import LOOKUPS_MOST, Result
from mailing.internet.spf_terms import Mail, TermError

OWN = "192.0.2.25"


class Zone:
    """Records of all kinds; what was asked is counted."""

    def __init__(self, texts=None, addresses=None, exchangers=None, pointers=None):
        self.kept = texts or {}, addresses or {}, exchangers or {}, pointers or {}
        self.asked = 0

    def _get(self, kind, name):
        self.asked += 1
        found = self.kept[kind].get(name, ())
        if found is None:
            raise UnansweredError
        return (found,) if isinstance(found, str) else tuple(found)

    async def texts(self, name):
        return self._get(0, name)

    async def addresses(self, name):
        return self._get(1, name)

    async def exchangers(self, name):
        return self._get(2, name)

    async def pointers(self, address):
        return self._get(3, address)


ADDRESSES = {
    "a.net": OWN,
    "mx1.a.net": "192.0.2.24",
    "mx2.a.net": OWN,
    "other.net": "198.51.100.1",
    "25.2.0.192.spf.a.net": "127.0.0.2",
    "six.net": "2001:db8::1",
}


@pytest.mark.parametrize(
    ("record", "result"),
    [
        ("v=spf1 -all", Result.FAIL),
        ("v=spf1 ~all", Result.SOFTFAIL),
        ("v=spf1 ?all", Result.NEUTRAL),
        ("v=spf1", Result.NEUTRAL),
        ("v=spf1 all", Result.PASS),
        ("v=spf1 ip4:192.0.2.25 -all", Result.PASS),
        ("v=spf1 ip4:192.0.2.0/24 -all", Result.PASS),
        ("v=spf1 -ip4:192.0.2.0/24 all", Result.FAIL),
        ("v=spf1 ip6:2001:db8::/32 -all", Result.FAIL),
        ("v=spf1 a -all", Result.PASS),
        ("v=spf1 A -ALL", Result.PASS),
        ("v=spf1 a:other.net -all", Result.FAIL),
        ("v=spf1 a:other.net/0 -all", Result.PASS),
        ("v=spf1 a:six.net//64 -all", Result.FAIL),
        ("v=spf1 mx -all", Result.PASS),
        ("v=spf1 mx/24//64 -all", Result.PASS),
        ("v=spf1 ptr -all", Result.PASS),
        ("v=spf1 ptr:other.net -all", Result.FAIL),
        ("v=spf1 exists:%{ir}.spf.%{d} -all", Result.PASS),
        ("v=spf1 include:good.net -all", Result.PASS),
        ("v=spf1 include:bad.net ~all", Result.SOFTFAIL),
        ("v=spf1 redirect=bad.net", Result.FAIL),
        ("v=spf1 redirect=none.net", Result.PERMERROR),
        ("v=spf1 redirect=bad.net ?all", Result.NEUTRAL),
        ("v=spf1 include:none.net -all", Result.PERMERROR),
        ("v=spf1 include:two.net -all", Result.PERMERROR),
        ("v=spf1 ip4:1.2.3 -all", Result.PERMERROR),
        ("v=spf1 ip4:192.0.2.0/255.255.255.0 -all", Result.PERMERROR),
        ("v=spf1 foo:bar -all", Result.PERMERROR),
        ("v=spf1 include: -all", Result.PERMERROR),
        ("v=spf1 a/33 -all", Result.PERMERROR),
        ("v=spf1 redirect=x.net redirect=y.net", Result.PERMERROR),
        ("v=spf1 other=x exp=why.%{d} -all", Result.FAIL),
        ("v=spf1 include:a.net -all", Result.PERMERROR),
        ("v=spf1 a:n1.net a:n2.net a:n3.net all", Result.PERMERROR),
        ("v=spf1 a:n1.net a:n2.net all", Result.PASS),
        ("v=spf1 " + "a:other.net " * 10 + "all", Result.PASS),
        ("v=spf1 " + "a:other.net " * 11 + "all", Result.PERMERROR),
    ],
)
async def test_an_address_is_judged_as_the_rfc_says(record, result):
    texts = {
        "a.net": record,
        "good.net": "v=spf1 ip4:192.0.2.25 -all",
        "bad.net": "v=spf1 -all",
        "two.net": ["v=spf1 -all", "v=spf1 +all"],
    }
    zone = Zone(texts, ADDRESSES, {"a.net": ["mx1.a.net", "mx2.a.net"]}, {OWN: "mx2.a.net"})
    found = await spf.evaluate(OWN, "a.net", zone)
    assert found.result is result
    assert (found.fault is not None) == (result is Result.PERMERROR)
    assert found.counts.lookups <= LOOKUPS_MOST + 1


async def test_a_server_that_does_not_answer_leaves_no_result():
    with pytest.raises(UnansweredError):
        await spf.evaluate(OWN, "a.net", Zone({"a.net": "v=spf1 a -all"}, {"a.net": None}))


async def test_too_many_servers_behind_one_mx_are_an_error():
    zone = Zone({"a.net": "v=spf1 mx all"}, ADDRESSES, {"a.net": [f"m{n}.net" for n in range(11)]})
    found = await spf.evaluate(OWN, "a.net", zone)
    assert reasons.code(found.fault) == "spf.too-many-hosts"


async def test_an_ipv6_address_is_looked_for_by_its_own_kind():
    zone = Zone({"a.net": "v=spf1 a:six.net -all"}, ADDRESSES)
    assert (await spf.evaluate("2001:db8::1", "a.net", zone)).result is Result.PASS
    assert (await spf.evaluate("2001:db8::2", "a.net", zone)).result is Result.FAIL


@pytest.mark.parametrize(
    ("spec", "name"),  # the examples of RFC 7208 section 7.4
    [
        ("%{s}", "strong-bad@email.example.com"),
        ("%{d4}", "email.example.com"),
        ("%{d2}", "example.com"),
        ("%{d1}", "com"),
        ("%{dr}", "com.example.email"),
        ("%{d2r}", "example.email"),
        ("%{l-}", "strong.bad"),
        ("%{lr-}", "bad.strong"),
        ("%{l1r-}", "strong"),
        ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
        ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
        ("%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"),
        ("a%%b%-c", "a%b%20c"),
    ],
)
def test_macros_are_filled_in(spec, name):
    mail = Mail(ip_address("192.0.2.3"), "strong-bad", "email.example.com", "mx.example.org")
    assert spf_terms.expand(spec, mail, "email.example.com") == name


def test_a_name_that_is_too_long_loses_its_first_labels():
    mail = Mail(ip_address(OWN), "x", "a.net", "a.net")
    name = spf_terms.expand("l" * 60 + "." + "abcdefghi." * 30 + "net", mail, "a.net")
    assert len(name) <= spf_terms.NAME_MOST
    assert name.endswith(".abcdefghi.net")


@pytest.mark.parametrize(
    ("records", "includes", "addresses", "merged"),
    [
        ([], ["x.net"], [OWN], f"v=spf1 include:x.net ip4:{OWN} ~all"),
        (["v=spf1 mx -all"], ["x.net"], [], "v=spf1 mx include:x.net -all"),
        (["v=spf1 mx +all"], [], [], "v=spf1 mx ~all"),
        (["v=spf1 all"], [], [], "v=spf1 ~all"),
        (["v=spf1 redirect=y.net"], [], ["2001:db8::1"], "v=spf1 ip6:2001:db8::1 redirect=y.net"),
        (["v=spf1 a -all", "v=spf1 mx ~all"], [], [], "v=spf1 a mx -all"),
        (["v=spf1 include:X.net ~all"], ["x.net"], [], "v=spf1 include:X.net ~all"),
    ],
)
def test_a_record_is_changed_as_little_as_needed(records, includes, addresses, merged):
    assert spf_terms.merged(records, includes, addresses) == merged


TERMS = st.sampled_from(
    [
        "a",
        "mx",
        "-all",
        "~all",
        "include:x.net",
        "ip4:192.0.2.1",
        "ip6:2001:db8::/32",
        "exists:%{i}.x.net",
        "redirect=y.net",
        "?ptr",
        "a:%{d}/24//64",
        "+mx:b.net",
        "unknown=1",
    ]
)


@given(st.lists(TERMS, max_size=12, unique=True), st.lists(st.sampled_from(["p.net", "q.net"]), unique=True))
def test_a_changed_record_is_one_and_has_what_was_added(terms, includes):
    text = spf_terms.merged([" ".join(["v=spf1", *terms])], includes, [OWN])
    assert spf_terms.is_record(text)
    record = spf_terms.parse(text)
    there = {term.spec for term in record.terms if term.kind == "include"}
    assert there >= {*includes}
    networks = [term.network for term in record.terms if term.kind == "ip4"]
    assert any(ip_address(OWN) in network for network in networks)
    assert spf_terms.merged([text], includes, [OWN]) == text


PIECES = st.lists(TERMS | st.text(st.characters(codec="ascii"), max_size=12), max_size=12)


@given(PIECES.map(lambda its: " ".join(["v=spf1", *its])))
async def test_any_record_is_judged_and_asks_little(text):
    zone = Zone({"a.net": text, "x.net": text, "y.net": text}, ADDRESSES, {"a.net": ["mx2.a.net"]})
    found = await spf.evaluate(OWN, "a.net", zone)
    assert found.result in Result
    assert zone.asked <= 200
    finding = await spf.finding("a.net", zone)
    assert finding.light in Light


@given(st.text(max_size=80))
def test_any_text_is_a_record_or_names_the_term_that_is_none(text):
    with suppress(TermError):
        assert spf_terms.parse(f"v=spf1 {text}").terms is not None


async def test_what_a_record_redirects_to_is_as_good_as_included():
    zone = Zone(
        {"a.net": "v=spf1 redirect=_SPF.p.net", "_SPF.p.net": "v=spf1 include:q.net ~all", "q.net": "v=spf1"}
    )
    walked = await spf.walk("v=spf1 redirect=_SPF.p.net", zone)
    assert (walked.lookups, walked.includes) == (2, {"_spf.p.net", "q.net"})
