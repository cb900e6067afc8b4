"""What DNS says of a machine that sends: its name, and blocklists as they answer and as they refuse to."""

from __future__ import annotations

import pytest

from mailing.core import reasons
from mailing.internet import machines
from mailing.internet.findings import Light
from tests.unit.internet.test_spf import OWN, Zone

ZEN = "zen.example.net"
TESTS = {f"2.0.0.127.{ZEN}": ["127.0.0.2", "127.0.0.4"]}
ASKED = f"25.2.0.192.{ZEN}"


@pytest.mark.parametrize(
    ("names", "addresses", "light", "code"),
    [
        ((), {}, Light.RED, "ptr.none"),
        ("mx.a.net", {"mx.a.net": OWN}, Light.GREEN, "ptr.there"),
        ("mx.a.net", {"mx.a.net": "192.0.2.26"}, Light.RED, "ptr.elsewhere"),
        (["old.net", "mx.a.net"], {"mx.a.net": [OWN, "2001:db8::1"]}, Light.GREEN, "ptr.there"),
    ],
)
async def test_an_address_has_a_name_that_leads_back(names, addresses, light, code):
    found = await machines.pointer(OWN, Zone(addresses=addresses, pointers={OWN: names}))
    assert (found.light, reasons.code(found.said)) == (light, code)


@pytest.mark.parametrize(
    ("answers", "light"),
    [
        (TESTS, Light.GREEN),
        (TESTS | {ASKED: "127.0.0.10"}, Light.RED),
        (TESTS | {ASKED: ["127.0.0.2", "127.0.0.9"]}, Light.RED),
        ({}, Light.UNKNOWN),  # a public resolver that is told nothing
        (TESTS | {ASKED: "127.255.255.254"}, Light.UNKNOWN),  # an error is no listing
        ({f"2.0.0.127.{ZEN}": "127.255.255.252"}, Light.UNKNOWN),
        (TESTS | {f"1.0.0.127.{ZEN}": "127.0.0.2"}, Light.UNKNOWN),  # everything is listed
        (TESTS | {ASKED: "203.0.113.9"}, Light.UNKNOWN),  # somebody took over the name
    ],
)
async def test_a_blocklist_is_believed_only_if_its_test_entries_are_as_they_must_be(answers, light):
    found = await machines.listed(OWN, ZEN, Zone(addresses=answers))
    assert found.light is light


async def test_the_key_to_a_blocklist_is_not_shown():
    found = await machines.listed(OWN, "abcdefghijklmnopqrstuvwxyz.zen.dq.example.net", Zone())
    assert found.said.values["zone"] == "zen.dq.example.net"


def test_an_ipv6_address_is_asked_for_by_its_digits():
    name = machines.question("2001:db8::25", ZEN)
    assert name == f"5.2.{'0.' * 22}8.b.d.0.1.0.0.2.{ZEN}"
