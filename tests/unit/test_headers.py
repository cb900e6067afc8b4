"""Header lines come out as they were meant, whatever stands in them, and no value can end one."""

import email
from email.header import decode_header, make_header
from email.utils import parseaddr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.composing import ComposeError, MergeError, Message, prepare
from tests.emails import FROM, fill, read

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
