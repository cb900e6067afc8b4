"""Header lines come out as they were meant, whatever stands in them, and no value can end one."""

import email
import re
from email.header import decode_header, make_header
from email.utils import parseaddr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.messages.compose import ComposeError, MergeError, Message, prepare
from mailing.messages.headers import write_address, write_mailbox
from tests.support.messages import FROM, fill, read

printable = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=200)


@given(printable.filter(lambda text: "{" not in text), printable)
def test_any_subject_survives_and_is_folded(constant, name):
    filled = fill(Message(FROM, constant + "{{ x }}", "t"), fields={"x": name})
    assert read(filled)["Subject"] == constant + name
    head = filled.data.split(b"\r\nMIME-Version")[0].split(b"\r\nSubject: ")[1]
    assert all(len(line) <= 76 for line in (b"Subject: " + head).split(b"\r\n"))


@given(printable.map(lambda text: " ".join(text.split())))
def test_any_name_survives_in_the_to_header(name):
    filled = fill(Message(FROM, "s", "t"), name=name)
    assert len(read(filled)["To"].addresses) == 1
    phrase, address = parseaddr(email.message_from_bytes(filled.data)["To"])
    assert address == "ann@one.example"
    assert str(make_header(decode_header(phrase))) == name  # .addresses puts spaces between encoded words


@pytest.mark.parametrize(
    ("text", "header", "envelope"),
    [
        ("ann@x.example", "ann@x.example", "ann@x.example"),
        ("Volley <volley@localhost>", "Volley <volley@localhost>", "volley@localhost"),
        ("mail <me@printer.local>", "mail <me@printer.local>", "me@printer.local"),
        ('"Lee, Ann" <ann@X.Example>', '"Lee, Ann" <ann@x.example>', "ann@x.example"),
        ("Câu lạc bộ <a@bücher.example>", "Câu lạc bộ <a@xn--bcher-kva.example>", "a@xn--bcher-kva.example"),
        ("<a@x.test>", "a@x.test", "a@x.test"),
        ("ann@home <ann@x.example>", '"ann@home" <ann@x.example>', "ann@x.example"),
        ("a@x.example <a@x.example>", '"a@x.example" <a@x.example>', "a@x.example"),
        ("Ann @ Home <ann@x.example>", '"Ann @ Home" <ann@x.example>', "ann@x.example"),
        ("Shop {5 % off} {# <a@x.example>", "Shop {5 % off} {# <a@x.example>", "a@x.example"),
    ],
)
def test_from_is_read_as_people_write_it(text, header, envelope):
    message = Message(text, "s", "t")
    assert prepare(message, token="t", domain=None).envelope_from == envelope
    assert str(read(fill(message))["From"]) == header


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Ann",
        "Ann <>",
        "a@x.example, b@x.example",
        "Lee, Ann <a@x.example>",
        "a b@x.example",
        "a@",
        "a@b@c.d",
    ],
)
def test_a_from_that_is_not_one_address_is_refused(text):
    with pytest.raises(ComposeError) as caught:
        prepare(Message(text, "s", "t"), token="t", domain=None)
    assert caught.value.field == "from"


@pytest.mark.parametrize(
    "text",
    [
        "{{ company }} <a@x.example>",
        '"{{ company }}" <a@x.example>',
        "{{company or 'Club'}} <a@x.example>",
        "Club <{{ who }}@x.example>",
        "{{ address }}",
        "{% if vip %}VIP{% endif %} Club <a@x.example>",
        "{{ company <a@x.example>",
    ],
)
def test_a_merge_field_in_from_is_refused_and_never_sent_as_it_stands(text):
    with pytest.raises(ComposeError) as caught:
        prepare(Message(text, "s", "t"), token="t", domain=None)
    assert caught.value.field == "from"


def test_the_advice_for_a_merge_field_in_from_is_about_that():
    with pytest.raises(ComposeError, match="merge field"):
        prepare(Message("{{ company }} <a@x.example>", "s", "t"), token="t", domain=None)


WORD = re.compile(rb"=\?[^?]*\?[^?]*\?[^?]*\?=")


@given(
    printable.filter(lambda text: '"' not in text and "\\" not in text and "{" not in text),
    printable,
    printable,
)
def test_the_lines_and_encoded_words_of_any_head_keep_to_their_limits(sender, name, subject):
    """RFC 2047 section 2: 75 characters for a word, 76 for its line. RFC 5322 section 2.1.1: 78, and 998."""
    filled = fill(
        Message(f'"{sender[:100]}" <club@x.example>', "{{ x }}", "t"), name=name, fields={"x": subject}
    )
    head = filled.data.split(b"\r\n\r\n")[0].split(b"\r\n")
    assert all(len(line) <= 78 for line in head if not line.startswith(b"Message-ID:"))
    assert all(len(word) <= 75 for line in head for word in WORD.findall(line))
    parsed = read(filled)
    assert parsed["Subject"] == subject
    assert parsed["Message-ID"] == "<t0k3n.7@x.example>"
    assert parsed["Content-Type"] == 'text/plain; charset="utf-8"'


@pytest.mark.parametrize("breaker", ["\r\nBcc: evil@x.example", "\n", "\r", "\0"])
class TestHeaderInjection:
    """No value can end a header line."""

    def test_is_refused_in_the_subject(self, breaker):
        with pytest.raises(ComposeError, match="line break") as caught:
            prepare(Message(FROM, f"Hi{breaker}", "t"), token="t", domain=None)
        assert caught.value.field == "subject"

    def test_is_refused_in_from(self, breaker):
        with pytest.raises(ComposeError) as caught:
            prepare(Message(f"Club{breaker} <a@x.example>", "s", "t"), token="t", domain=None)
        assert caught.value.field == "from"

    def test_is_refused_in_a_name(self, breaker):
        with pytest.raises(MergeError) as caught:
            fill(Message(FROM, "s", "t"), name=f"Ann{breaker}")
        assert caught.value.field == "name"

    def test_is_refused_in_an_address(self, breaker):
        with pytest.raises(MergeError) as caught:
            fill(Message(FROM, "s", "t"), to=f"ann@one.example{breaker}")
        assert caught.value.field == "email"

    @pytest.mark.parametrize("subject", ["{{ a }} {{ x }}", "{{ a }} {{ x|lower }}"])
    def test_names_the_field_that_brings_it_into_the_subject(self, breaker, subject):
        with pytest.raises(MergeError, match=r"x: .*line break") as caught:
            fill(Message(FROM, subject, "t"), fields={"a": "fine", "x": f"Hi{breaker}"})
        assert caught.value.field == "x"


def test_a_line_break_in_quotes_is_refused_in_the_subject():
    with pytest.raises(ComposeError, match="line break in quotes"):
        prepare(Message(FROM, r"{{ name or 'a\nb' }}", "t"), token="t", domain=None)


@pytest.mark.parametrize(
    ("email", "written"),
    [
        ("ann@x.example", "ann@x.example"),
        ("a..b@x.example", '"a..b"@x.example'),
        ("ab.@x.example", '"ab."@x.example'),
        (".ab@x.example", '".ab"@x.example'),
        ("...@x.example", '"..."@x.example'),
        ('"john doe"@x.example', '"john doe"@x.example'),
        ('"a.@b"@x.example', '"a.@b"@x.example'),
    ],
)
def test_an_unusual_address_stands_in_quotation_marks(email, written):
    """RFC 5321 section 4.1.2: what is no Dot-string is a Quoted-string."""
    assert write_address(email) == written
    assert write_mailbox("To", "", email) == f"To: {written}\r\n".encode()
    assert write_mailbox("To", "Ann", email) == f"To: Ann <{written}>\r\n".encode()


@pytest.mark.parametrize(
    "email", ["a b@x.example", '"a b"@x .example', '"a\rb"@x.example', '"a<b"@x.example']
)
def test_no_address_can_end_its_header_or_its_brackets(email):
    with pytest.raises(MergeError, match="isn't allowed in a header"):
        write_mailbox("To", "Ann", email)
