"""The records that a refusal is about: which to publish, and what a look at them finds."""

import asyncio

import pytest

from mailing.core.reasons import WORDING
from mailing.internet.findings import Light
from mailing.internet.names import UnansweredError
from mailing.internet.records import KINDS, advice, look, selector
from mailing.smtp.rulebook import RULES, Follows, Scope

SPF, DMARC, KEY = "v=spf1 ip4:192.0.2.1 -all", "v=DMARC1; p=none", "v=DKIM1; k=rsa; p=MIGf"


class Names:
    def __init__(self, texts: dict[str, str], *, silent: bool = False) -> None:
        self.has, self.silent = texts, silent

    async def texts(self, name: str) -> tuple[str, ...]:
        if self.silent:
            raise UnansweredError
        return (self.has[name],) if name in self.has else ()


def looked(check: str, texts: dict[str, str], key: str = ""):
    return asyncio.run(look(check, "club.net", key, Names(texts)))


def test_each_refusal_about_our_records_names_what_to_publish():
    checks = {
        it.ruling.check for it in RULES if it.ruling.scope is Scope.DNS and it.ruling.follows is Follows.PAUSE
    }
    assert checks == KINDS.keys()
    for check in checks:
        assert f"record.{check}" in WORDING
        assert "club.net" in str(advice(check, "club.net", "mx:25", ""))


@pytest.mark.parametrize(
    ("server", "include"),
    [
        ("smtp.gmail.com:587", "include:_spf.google.com "),
        ("SMTP.Office365.com:587", "include:spf.protection.outlook.com "),
        ("email-smtp.eu-west-1.amazonaws.com:587", "include:amazonses.com "),
        ("notgmail.com:25", "include:YOUR-PROVIDER "),
    ],
)
def test_the_spf_record_includes_whoever_sends_for_the_domain(server, include):
    assert include in str(advice("spf", "club.net", server, ""))


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("550 5.7.20 no key at S1._domainkey.club.net", "s1"),
        ("550 5.7.20 DKIM key not found, selector: mail-2026", "mail-2026"),
        ("550 5.7.26 DKIM = did not pass", ""),
        ("550 _domainkey", ""),
    ],
)
def test_a_selector_is_taken_from_the_words_of_the_reply(words, found):
    assert selector(words) == found
    assert f" {found or 'SELECTOR'}._domainkey.club.net" in str(advice("dkim", "club.net", "mx:25", words))


def test_what_is_about_no_record_of_our_domain_names_none():
    assert advice("reverse-name", "club.net", "mx:25", "") is None
    assert advice("spf", "", "mx:25", "") is None


@pytest.mark.parametrize(
    ("check", "texts", "key", "light"),
    [
        ("spf", {}, "", Light.AMBER),
        ("spf", {"club.net": SPF}, "", Light.GREEN),
        ("spf-dkim-dmarc", {"club.net": SPF}, "", Light.AMBER),
        ("spf-dkim-dmarc", {"club.net": SPF, "_dmarc.club.net": DMARC}, "", Light.GREEN),
        ("dkim", {}, "s1", Light.RED),
        ("dkim", {"s1._domainkey.club.net": KEY}, "s1", Light.GREEN),
        ("dkim", {"s1._domainkey.club.net": "v=DKIM1; p="}, "s1", Light.RED),  # revoked, RFC 6376 3.6.1
        ("dkim", {}, "SELECTOR", Light.UNKNOWN),
        ("from-domain", {}, "", Light.UNKNOWN),
    ],
)
def test_a_look_tells_the_gravest_of_what_it_found(check, texts, key, light):
    found = looked(check, texts, key)
    assert found.finding.light is light
    assert found.missing is (light in {Light.RED, Light.AMBER})


def test_what_was_read_has_the_same_print_until_it_changes():
    one = looked("spf-dkim-dmarc", {"club.net": SPF})
    assert one.print == looked("spf-dkim-dmarc", {"club.net": SPF}).print
    assert one.print != looked("spf-dkim-dmarc", {"club.net": SPF, "_dmarc.club.net": DMARC}).print
    assert looked("from-domain", {}).print == ""


def test_nobody_to_ask_is_no_missing_record():
    found = asyncio.run(look("spf", "club.net", "", Names({}, silent=True)))
    assert (found.missing, found.print) == (False, "")
