"""Who asked, as proxies tell it: only what trusted ones wrote counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.sites import Host, read_networks
from webapp.http.forwarding import Asked, read

PROXY, INNER, CLIENT, SPOOF = "10.0.0.1", "10.0.0.2", "198.51.100.7", "192.0.2.66"
TRUSTED = read_networks("10.0.0.0/8, fd00::/8")


def asked(peer, *fields):
    return read(peer, [(name.lower(), value) for name, value in fields], TRUSTED)


@pytest.mark.parametrize("peer", [CLIENT, "", "unix", "2001:db8::1"])
def test_what_others_than_trusted_proxies_say_is_ignored(peer):
    said = [("X-Forwarded-For", SPOOF), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "evil.example")]
    assert asked(peer, *said, ("Forwarded", f"for={SPOOF};proto=https")) == Asked(peer)


@pytest.mark.parametrize(
    ("chain", "client"),
    [
        (CLIENT, CLIENT),
        (f"{SPOOF}, {CLIENT}", CLIENT),
        (f"{SPOOF},{CLIENT}, {INNER}", CLIENT),
        (f"{CLIENT}:4711", CLIENT),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("2001:db8::7", "2001:db8::7"),
        (f"::ffff:{CLIENT}", CLIENT),
        (INNER, INNER),
        (f"{SPOOF}, unknown", PROXY),
        (f"{SPOOF}, what?, {INNER}", INNER),
        ("", PROXY),
        (",,", PROXY),
        (", ".join([SPOOF] * 5000 + [CLIENT]), CLIENT),
    ],
)
def test_the_last_address_that_is_no_proxy_s_is_the_client(chain, client):
    assert asked(PROXY, ("X-Forwarded-For", chain)).client == client


def test_fields_that_came_twice_are_one_list():
    chains = [("X-Forwarded-For", SPOOF), ("X-Forwarded-For", f"{CLIENT}, {INNER}")]
    assert asked(PROXY, *chains).client == CLIENT


@pytest.mark.parametrize(
    ("chain", "told", "scheme"),
    [
        (CLIENT, "https", "https"),
        (CLIENT, "HTTPS", "https"),
        (CLIENT, "http, https", "https"),  # the first was there before the proxy added its own
        (f"{CLIENT}, {INNER}", "http, https, http", "https"),  # each proxy added one
        (f"{CLIENT}, {INNER}", "https", "https"),  # the last overwrote
        (CLIENT, "javascript", None),
        (CLIENT, "", None),
    ],
)
def test_the_scheme_is_what_the_first_trusted_proxy_heard(chain, told, scheme):
    assert asked(PROXY, ("X-Forwarded-For", chain), ("X-Forwarded-Proto", told)).scheme == scheme


def test_the_host_is_what_the_first_trusted_proxy_heard():
    told = [("X-Forwarded-For", CLIENT), ("X-Forwarded-Host", "evil.example, Mail.Example.com:8443")]
    assert asked(PROXY, *told).host == Host("mail.example.com", 8443)
    assert asked(PROXY, ("X-Forwarded-Host", "http://[")).host is None


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (f"for={CLIENT};proto=https;host=mail.example.com", Asked(CLIENT, "https", Host("mail.example.com"))),
        (f'For="{CLIENT}:4711"; Proto=https', Asked(CLIENT, "https")),
        ('for="[2001:db8:cafe::17]:4711"', Asked("2001:db8:cafe::17")),
        (f"for={SPOOF};proto=http, for={CLIENT};proto=https", Asked(CLIENT, "https")),
        (f"for={CLIENT};proto=https, for={INNER};proto=http", Asked(CLIENT, "https")),
        (f"for={SPOOF}, for=_hidden", Asked(PROXY)),
        (f'for="{SPOOF}, for={CLIENT}', Asked(PROXY)),  # a quote that never ends
        (f'for={SPOOF};x=", for={CLIENT}', Asked(PROXY)),
        (f'for={SPOOF};x=", for="[2001:db8::7]:80"', Asked(PROXY)),
        (f'for={SPOOF};x="\\", for="[2001:db8::7]:80"', Asked(PROXY)),
        (f"for={SPOOF} for={CLIENT}", Asked(PROXY)),
        (f'for={SPOOF};x="a,b", for={CLIENT}', Asked(CLIENT)),
        ("", Asked(PROXY)),
    ],
)
def test_forwarded_is_read_as_rfc_7239_writes_it(field, expected):
    assert asked(PROXY, ("Forwarded", field)) == expected


def test_forwarded_counts_only_where_the_usual_fields_did_not_come():
    assert (
        asked(PROXY, ("X-Forwarded-For", CLIENT), ("Forwarded", f"for={SPOOF};proto=http")).client == CLIENT
    )


CHAIN = st.lists(
    st.sampled_from([SPOOF, CLIENT, INNER, "unknown", "", '"', "for=", ";", "[::", "a=b"]), max_size=9
)


@given(
    CHAIN,
    st.sampled_from([",", ", ", ";", " "]),
    st.sampled_from(["x-forwarded-for", "forwarded", "x-forwarded-host"]),
)
def test_no_field_raises_and_nothing_before_an_untrusted_address_counts(chain, between, name):
    value = between.join(chain)
    assert read(PROXY, [(name, value)], TRUSTED) == read(PROXY, [(name, value)], TRUSTED)
    tail = read(PROXY, [("x-forwarded-for", f"{value}, {CLIENT}, {INNER}")], TRUSTED)
    assert tail.client == CLIENT
