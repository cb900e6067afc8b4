"""One address is judged: what is wrong with it is said in words, and what is right comes out clean."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.addresses import mailbox
from mailing.addresses.mailbox import Domains, clean, judge, oddity, read_name, read_plain
from mailing.addresses.parsing import parse_pasted
from mailing.core.reasons import UnfitError
from tests.support.pasted import judged, messy, names, plain_addresses


def test_the_domain_becomes_lower_case_a_labels_and_the_local_part_stays():
    assert judge("Info@BÜCHER.Example") == "Info@xn--bcher-kva.example"
    assert judge("René@X.example") == "René@x.example"


@pytest.mark.parametrize("domain", ["x.example", "x.test", "mail.x.test"])
def test_domains_reserved_for_examples_and_tests_are_accepted(domain):
    assert judge(f"a@{domain}") == f"a@{domain}"


@pytest.mark.parametrize(
    "text",
    [
        "<ann@one.example>",
        "mailto:%61nn@one.example?subject=Hi",
        "'ann@one.example'.",
        "ann@\u200done.example",
    ],
)
def test_what_came_along_with_an_address_is_taken_off(text):
    assert judge(text) == "ann@one.example"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "no-at"),
        ("nobody", "no-at"),
        ("a@b@x.example", "several-at"),
        ("ann @ x.example", "space"),
        ("Ann <ann@x.example>", "space"),
        ("@x.example", "nothing-before-at"),
        ("ann@", "nothing-after-at"),
        ("ann@localhost", "no-dot"),
        ("ann@test", "no-dot"),
        ("ann@x.local", "domain-reserved"),
        ("ann@[::1]", "ip-address"),
        ("a\ufffdb@x.example", "unreadable"),
        (f"{'a' * 65}@x.example", "local-part-too-long"),
        (f"{'é' * 33}@x.example", "local-part-too-long"),
        (f"a@{'x.' * 130}example", "too-long"),
        ('""@x.example', "nothing-before-at"),
        ('"a<b"@x.example', "local-part-characters"),
        ("a(b)@x.example", "local-part-characters"),
        ("a\u2028b@x.example", "space"),
        ("\u0301a@x.example", "local-part-characters"),
    ],
)
def test_a_refusal_says_what_is_wrong(text, code):
    with pytest.raises(UnfitError) as refusal:
        judge(text)
    assert refusal.value.reason.code == f"address.{code}"


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("a\xa0b\u3000c", "a b c"),
        ("“a”", '"a"'),
        ("\ufeffa\u200b\xad", "a"),
        ("e\u0301", "é"),
        ("a\x00b\ud800", "a\ufffdb\ufffd"),
        ("a\tb\nc", "a\tb\nc"),
    ],
)
def test_what_cannot_be_seen_is_dropped_and_what_looks_alike_becomes_the_same(text, cleaned):
    assert clean(text) == cleaned


@pytest.mark.parametrize(
    ("phrase", "name"),
    [
        ("  Ann \t Lee ", "Ann Lee"),
        ("'Ann'", "Ann"),
        ("\"'Ann'\"", "Ann"),
        ("O'Neil'", "O'Neil'"),
        ("'", "'"),
        ("=?UTF-8?Q?Nguy=E1=BB=85n_An?=", "Nguyễn An"),
        ("=?utf-8?b?Tmd1eeG7hW4=?= =?utf-8?B?IEFu?=", "Nguyễn An"),
        ("=?iso-8859-1*de?q?J=FCrgen?= M", "Jürgen M"),
        ("=?nonsense?q?a?=", "=?nonsense?q?a?="),
        ("=?utf-8?q?=FC?=", "=?utf-8?q?=FC?="),
        ("=?utf-8?q?a=00b?=", "ab"),
    ],
)
def test_a_name_loses_its_quotes_its_spare_spaces_and_its_encoding(phrase, name):
    assert read_name(phrase) == name


def test_a_name_that_is_too_long_is_refused_with_its_length():
    assert read_name("n" * mailbox.NAME_MAX)
    with pytest.raises(ValueError, match=r"201 characters\. Shorten it to 200"):
        read_name("n" * 201)


def test_a_plain_line_gives_address_and_name():
    assert read_plain("Ann Lee <Ann@One.Example>") == ("Ann@one.example", "Ann Lee")
    assert read_plain("ann@one.example") == ("ann@one.example", "")
    assert read_plain('"Lee, Ann" <ann@one.example>') is None


@pytest.mark.parametrize(
    ("text", "email"),
    [
        ("a..b@docomo.example", "a..b@docomo.example"),
        ("ab.@docomo.example", "ab.@docomo.example"),
        (".ab@docomo.example", ".ab@docomo.example"),
        ("...@docomo.example", "...@docomo.example"),
        ('"a..b"@docomo.example', "a..b@docomo.example"),
        ('"john doe"@x.example', '"john doe"@x.example'),
        ('<"john doe"@X.example>', '"john doe"@x.example'),
        ('"a@b"@x.example', '"a@b"@x.example'),
        (r'"a\"b"@x.example', r'"a\"b"@x.example'),
        (r'"a\ b"@x.example', '"a b"@x.example'),
        ("mailto:%22john%20doe%22@x.example", '"john doe"@x.example'),
    ],
)
def test_an_address_that_a_mail_server_takes_is_taken_and_called_unusual(text, email):
    assert judge(text) == email
    assert str(oddity(email)).startswith("unusual ")
    assert judge(email) == email


@pytest.mark.parametrize("text", ["ann@x.example", "a.b@x.example", "é@x.example", "o'neil+x@x.example"])
def test_a_usual_address_is_not_remarked(text):
    assert oddity(judge(text)) is None


def test_quotation_marks_that_an_address_does_not_need_are_left_out():
    assert judge('"ann"@x.example') == "ann@x.example"


def test_each_domain_of_a_list_is_judged_once_and_only_so_many(monkeypatch):
    asked = []
    real = mailbox.validate_email
    monkeypatch.setattr(
        mailbox, "validate_email", lambda text, **how: asked.append(text) or real(text, **how)
    )
    monkeypatch.setattr(mailbox, "DOMAINS_MAX", 2)
    domains = Domains()
    for who in "abc":
        assert judge(f"{who}@bücher.example", domains) == f"{who}@xn--bcher-kva.example"
        with pytest.raises(UnfitError, match="in the domain: '_'"):
            judge(f"{who}@a_b.example", domains)
    assert len(asked) == 2
    with pytest.raises(ValueError, match="more than 2 unusual domains"):
        judge("a@käse.example", domains)
    assert judge("a@plain.example", domains) == "a@plain.example"


@given(st.text() | messy)
def test_any_text_is_an_address_that_the_validator_takes_or_is_refused_with_a_sentence(text):
    try:
        assert judged(judge(text))
    except ValueError as refusal:
        assert str(refusal)  # noqa: PT017  # either outcome is right


@given(st.from_regex(mailbox._PLAIN, fullmatch=True) | plain_addresses)
def test_the_fast_path_accepts_only_what_the_validator_accepts(text):
    if plain := mailbox.read_plain(text):
        assert judged(plain[0])


@given(st.lists(plain_addresses | st.builds("{} <{}>".format, names, plain_addresses) | messy, max_size=4))
def test_the_fast_path_agrees_with_the_slow_one(lines):
    text = "\n".join(lines)
    fast = parse_pasted(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mailbox, "_PLAIN", re.compile("(?!)"))
        assert parse_pasted(text) == fast
