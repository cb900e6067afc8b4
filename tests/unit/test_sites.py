"""Public addresses, hosts and origins, as people and browsers write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.sites import (
    Host,
    Site,
    read_address,
    read_host,
    read_names,
    read_networks,
    read_origin,
    read_site,
    split,
)

ODD = st.text(st.sampled_from("[]:/@?#%.\\-_ \t\n\0aZ09\u0661\uff0e\u2100é一xn--"), max_size=40) | st.text(
    max_size=60
)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("example.org", Host("example.org")),
        ("EXAMPLE.org.", Host("example.org")),
        ("example.org:8080", Host("example.org", 8080)),
        ("example.org:", Host("example.org")),
        ("[::1]:5000", Host("::1", 5000)),
        ("[0:0:0:0:0:0:0:1]", Host("::1")),
        ("127.0.0.1:5000", Host("127.0.0.1", 5000)),
        ("my_box", Host("my_box")),
        ("b\u00fccher.example", Host("xn--bcher-kva.example")),
        ("", None),
        ("[", None),
        ("[::1", None),
        ("::1", None),
        ("a:b", None),
        ("a:99999", None),
        ("a:\u0661", None),
        ("user@example.org", None),
        ("example.org/x", None),
        ("a..b", None),
        ("-a.example", None),
        ("a b", None),
        ("[127.0.0.1]", None),
        ("a" * 300, None),
    ],
)
def test_a_host_is_read_in_the_one_way_to_write_it(text, host):
    assert read_host(text) == host


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("HTTPS://Mail.Example.com:443", "https://mail.example.com"),
        ("http://a.example:80", "http://a.example"),
        ("https://a.example:80", "https://a.example:80"),
        ("http://[::1]:5000", "http://[::1]:5000"),
        ("null", ""),
        ("", ""),
        ("http://[", ""),
        ("http://a:b", ""),
        ("http://a@b.example", ""),
        ("file:///x", ""),
        ("chrome-extension://abc", ""),
    ],
)
def test_an_origin_is_read_as_a_site_writes_its_own(text, origin):
    assert read_origin(text) == origin


@pytest.mark.parametrize(
    ("value", "site"),
    [
        ("https://mail.example.com", Site("https", Host("mail.example.com"))),
        ("https://mail.example.com/", Site("https", Host("mail.example.com"))),
        ("https://mail.example.com:443/volley/", Site("https", Host("mail.example.com"), "/volley")),
        ("http://box:8080/a/b-c", Site("http", Host("box", 8080), "/a/b-c")),
        ("HTTP://[::1]:5000", Site("http", Host("::1", 5000))),
    ],
)
def test_a_public_address_has_a_scheme_a_host_and_perhaps_a_prefix(value, site):
    assert read_site(value) == site


@pytest.mark.parametrize(
    "value",
    [
        "mail.example.com",
        "ftp://a.example",
        "https://",
        "https://[",
        "https://a.example:99999",
        "https://user:secret@a.example",
        "https://a.example/?x",
        "https://a.example/#x",
        "https://a.example/a//b",
        "https://a.example/../x",
        "https://a.example/a b",
        "https://a.example/é",
        'https://a.example/"><script>',
    ],
)
def test_what_is_no_public_address_is_refused_with_what_is_wrong(value):
    with pytest.raises(ValueError, match=r"use |letters"):
        read_site(value)


def test_lists_of_names_and_networks_take_commas_and_spaces():
    assert read_names("a.example, B.example 192.0.2.7") == {"a.example", "b.example", "192.0.2.7"}
    assert [str(it) for it in read_networks("127.0.0.1,10.0.0.0/8  fd00::/8")] == [
        "127.0.0.1/32",
        "10.0.0.0/8",
        "fd00::/8",
    ]
    assert (read_names(""), read_networks("")) == (frozenset(), ())
    for wrong in ("a.example:80", "http://a.example", "*", "a.*"):
        with pytest.raises(ValueError, match="is not a host name"):
            read_names(wrong)
    for wrong in ("nginx", "10.0.0.1/8", "10.0.0.0/99", "*"):
        with pytest.raises(ValueError, match="use addresses or networks"):
            read_networks(wrong)


def test_an_ipv4_address_in_ipv6_s_clothes_is_one_of_ipv4():
    assert str(read_address("::ffff:192.0.2.1")) == "192.0.2.1"
    assert read_address("192.0.2.256") is None


@given(ODD)
def test_nothing_that_others_write_raises(text):
    for value in (text, f"http://{text}", f"http://{text}/x", f"//{text}"):
        split(value)
        read_host(value)
        origin = read_origin(value)
        assert not origin or read_origin(origin) == origin
    host = read_host(text)
    assert host is None or read_host(str(host)) == host
