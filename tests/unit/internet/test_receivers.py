"""Who takes in the mail of a domain: the rules, one by one, and what is said of a domain that none knows."""

import asyncio

import pytest

from mailing.internet import receivers
from mailing.internet.names import UnansweredError
from mailing.internet.receivers import AT_ONCE, RULES, SILENT_MAX, known, look_up, name_of, receiver


class Names:
    def __init__(self, **hosts):
        self.hosts = {name.replace("_", "."): found for name, found in hosts.items()}
        self.asked = []

    async def exchangers(self, name):
        self.asked.append(name)
        if name not in self.hosts:
            raise UnansweredError
        return self.hosts[name]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.key)
def test_the_example_of_each_rule_is_known_by_it_and_by_no_other(rule):
    assert [it.key for it in RULES if it.fits(rule.example)] == [rule.key]
    assert receiver("club.net", [rule.example.upper() + "."]) == rule.key
    assert (name_of(rule.key), "." in rule.key, bool(rule.source)) == (rule.name, False, True)
    assert all(known(domain) == rule.key for domain in rule.domains)
    assert not [it for it in RULES if it is not rule and set(it.domains) & set(rule.domains)]


def test_a_domain_that_google_hosts_is_gmail_and_one_of_att_is_yahoo():
    assert receiver("club.org", ["aspmx.l.google.com", "alt1.aspmx.l.google.com"]) == "gmail"
    assert known("att.net") == "yahoo"
    assert receiver("work.org", ["work-org.mail.protection.outlook.com"]) == "microsoft365"
    assert receiver("a.org", ["a-org.olc.protection.outlook.com"]) == "outlook"


def test_the_end_of_a_name_counts_from_a_dot_on():
    assert receiver("club.net", ["mx.notgoogle.com"]) == "mx:notgoogle.com"


@pytest.mark.parametrize(
    ("hosts", "found"),
    [
        ([], "club.co.uk"),
        ([""], "club.co.uk"),  # RFC 7505: it takes no mail
        (["mail.club.co.uk"], "club.co.uk"),
        (["mx1.host.co.uk", "mx2.host.co.uk"], "mx:host.co.uk"),
        (["mx.hosting.example.net"], "mx:example.net"),
        (["backup.host.net", "aspmx.l.google.com"], "gmail"),  # whoever is in front of it
    ],
)
def test_where_no_rule_fits_the_organisation_of_the_first_exchanger_is_the_receiver(hosts, found):
    assert receiver("club.co.uk", hosts) == found
    assert not found.startswith("mx:") or name_of(found) == found[3:]


@pytest.mark.parametrize("domain", ["x.example", "a.b.test", "localhost", "printer.local", "no.invalid"])
def test_names_that_no_server_of_names_has_are_not_asked_for(domain):
    assert known(domain) == domain


async def test_domains_without_an_answer_are_left_out():
    assert await look_up(["club.net", "silent.net"], Names(club_net=("smtp.google.com",))) == {
        "club.net": "gmail"
    }


async def test_where_nobody_answers_few_are_asked():
    names = Names()
    assert await look_up([f"{n}.net" for n in range(100)], names) == {}
    assert len(names.asked) <= SILENT_MAX + AT_ONCE


async def test_all_of_it_ends_in_time(monkeypatch):
    monkeypatch.setattr(receivers, "ALL_S", 0.01)

    class Never:
        async def exchangers(self, _name):
            await asyncio.Event().wait()

    assert await look_up(["a.net"], Never()) == {}
