"""Records of keys, judged; and what a domain is."""

from __future__ import annotations

import pytest

from mailing.core.reasons import UnfitError
from mailing.domains import names, records
from mailing.domains.dkim import Algorithm
from mailing.internet.findings import Light

PUBLIC = "MIIB" + "A" * 388
WHERE = "v1._domainkey.x.example"
GOOD = records.value(Algorithm.RSA, PUBLIC)


def test_a_record_is_cut_into_strings_that_together_are_all_of_it() -> None:
    assert "".join(records.strings(GOOD)) == GOOD
    assert max(map(len, records.strings(GOOD))) == 255
    assert records.zone_line(WHERE, "v=DKIM1; p=A") == f'{WHERE}. IN TXT "v=DKIM1; p=A"'
    assert records.zone_line(WHERE, GOOD).count('"') == 4


@pytest.mark.parametrize(
    ("texts", "code"),
    [
        ((), "dkim.no-record"),
        (("v=spf1 -all",), "dkim.no-record"),
        ((GOOD,), "dkim.there"),
        ((f"k=rsa;p={PUBLIC[:100]} {PUBLIC[100:]}",), "dkim.there"),
        ((f"p={PUBLIC}",), "dkim.there"),
        ((GOOD, GOOD), "dkim.several"),
        ((f"v=DKIM1; k=rsa; p={PUBLIC[:200]}",), "dkim.cut"),
        ((f"v=DKIM1; k=ed25519; p={PUBLIC}",), "dkim.other-key"),
        (("v=DKIM1; p=",), "dkim.other-key"),
        (("v=DKIM1; p=BBBB",), "dkim.other-key"),
    ],
)
def test_only_the_record_of_this_key_is_good(texts: tuple[str, ...], code: str) -> None:
    found = records.judge(texts, WHERE, Algorithm.RSA, PUBLIC)
    assert found.said.code == code
    assert (found.light is Light.GREEN) == (code == "dkim.there")
    assert (found.todo is None) == (code == "dkim.there")


@pytest.mark.parametrize(
    ("text", "name"),
    [(" Example.COM. ", "example.com"), ("bücher.example", "xn--bcher-kva.example"), ("a-b.c.d", "a-b.c.d")],
)
def test_a_domain_is_kept_in_small_letters_and_ascii(text: str, name: str) -> None:
    assert names.read(text) == name


@pytest.mark.parametrize(
    "text", ["", "localhost", "a b.example", "ann@x.example", ".example", "-a.example", "a" * 64 + ".example"]
)
def test_what_is_no_domain_is_refused(text: str) -> None:
    with pytest.raises(UnfitError):
        names.read(text)


@pytest.mark.parametrize(
    ("sender", "name"),
    [
        ("Club <club@News.Example.org>", "news.example.org"),
        ("a@bücher.example", "xn--bcher-kva.example"),
        ("x", ""),
    ],
)
def test_mail_is_signed_by_the_domain_of_its_from_line(sender: str, name: str) -> None:
    assert names.of(sender) == name
