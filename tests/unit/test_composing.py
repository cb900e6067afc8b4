"""A message with merge fields becomes exactly the email that its templates describe."""

import email
import email.policy
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr, parsedate_to_datetime

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.composing import ComposeError, Filled, MergeError, Message, fields_used, message_id, prepare

NOW_MS = 1_700_000_000_000
FROM = "Club <club@x.example>"

fields = st.dictionaries(st.sampled_from(["city", "x"]), st.text(max_size=100))
source_texts = st.lists(
    st.text(max_size=120).filter(lambda text: "{" not in text and "}" not in text)
    | st.sampled_from(
        ["{{ name }}", "{{email}}", ".", "\n.\n", "\r\n", " \n", "=", "x" * 80, "é" * 40, "{# no #}"]
    ),
    max_size=8,
).map("".join)


def fill(message: Message, to="ann@one.example", name="Ann", fields=None, domain=None) -> Filled:
    prepared = prepare(message, token="t0k3n", domain=domain)
    return prepared.fill(7, to, name, fields, NOW_MS)


def read(filled: Filled) -> EmailMessage:
    """Parse an email with the standard library, after looking at its raw form."""
    lines = filled.data.split(b"\r\n")
    assert lines.pop() == b""
    assert not any(b"\r" in line or b"\n" in line for line in lines)
    assert max(map(len, lines)) <= 998
    assert filled.needs_smtputf8 or filled.data.isascii()
    parsed = email.message_from_bytes(filled.data, policy=email.policy.default.clone(utf8=True))
    assert not parsed.defects
    return parsed


def bodies(filled: Filled) -> dict[str, str]:
    parts = [part for part in read(filled).walk() if not part.is_multipart()]
    for part in parts:
        assert not part.defects
        assert all(len(line) <= 76 for line in part.get_payload().split("\r\n"))
    raw = {part.get_content_type(): part.get_payload(decode=True) for part in parts}
    return {kind: body.decode().replace("\r\n", "\n") for kind, body in raw.items()}


def rendered(source: str, *, html=False, **values: str) -> str:
    """Render independently of the module, with its two rules: LF line ends, and one at the end."""
    environment = jinja2.Environment(autoescape=html)
    unified = {key: value.replace("\r\n", "\n").replace("\r", "\n") for key, value in values.items()}
    return environment.from_string(source).render(unified) + "\n"


def test_a_text_message_has_the_headers_and_the_text_it_should():
    parsed = read(fill(Message(FROM, "Hello {{ name }}", "Dear {{ name }},\n\nyou are {{ email }}.\n")))
    assert parsed["From"] == "Club <club@x.example>"
    assert parsed["To"] == "Ann <ann@one.example>"
    assert parsed["Subject"] == "Hello Ann"
    assert parsed["Message-ID"] == message_id("t0k3n", 7, "x.example") == "<t0k3n.7@x.example>"
    assert parsedate_to_datetime(parsed["Date"]) == datetime.fromtimestamp(NOW_MS / 1000, UTC)
    assert parsed["Date"].endswith("+0000")
    assert parsed["MIME-Version"] == "1.0"
    assert parsed.get_content_type() == "text/plain"
    assert parsed.get_content().replace("\r\n", "\n") == "Dear Ann,\n\nyou are ann@one.example.\n"


def test_html_and_text_are_alternatives_and_values_are_escaped_in_html_only():
    filled = fill(Message(FROM, "{{ name }}", "Hi {{ name }}", "<p>Hi {{ name }}</p>"), name="A <b> & 'c'")
    parsed = read(filled)
    assert parsed.get_content_type() == "multipart/alternative"
    assert parsed["Subject"] == "A <b> & 'c'"
    assert bodies(filled) == {
        "text/plain": "Hi A <b> & 'c'\n",
        "text/html": "<p>Hi A &lt;b&gt; &amp; &#39;c&#39;</p>\n",
    }


def test_html_alone_is_sent_alone():
    assert bodies(fill(Message(FROM, "s", " \n", "<p>x</p>"))) == {"text/html": "<p>x</p>\n"}


def test_an_empty_message_is_one_empty_line():
    assert bodies(fill(Message(FROM, "", ""))) == {"text/plain": "\n"}


@pytest.mark.parametrize(
    "source",
    [
        "Chào {{ name }}, hẹn gặp ở {{ city }}! Trân trọng.",
        "🎉👩‍👩‍👧 {{ name }} 🎉\n" * 20,
        "x" * 5000 + "{{ name }}" + "y" * 5000,
        "é" * 5000,
        ".\n..\n.{{ city }}\n{{ name }}.\n.",
        "trailing \n\t\n {{ name }} \n=3D\n",
        "x" * 73 + " \n" + "x" * 74 + " \n" + "x" * 75 + "\t\n" + "é" * 12 + "xx \n{{ name }}",
        "From here\n{{ name }}\n\n\n",
        "a{# unseen #}b{{ name }}{{ name }}{% raw %}{{ raw }}{% endraw %}",
        "{% if name %}Dear {{ name }}{% else %}Hello{% endif %}\n.\n{{ city|upper }}",
        "{{ name -}}\n",
        "one\r\ntwo\rthree {{ city }}",
    ],
)
@pytest.mark.parametrize(
    "name", ["", "Ann", "Nguyễn Văn Ấn", "x" * 75, "x" * 76, "y" * 5000, "é" * 77, ".", " "]
)
def test_bodies_decode_to_what_an_independent_rendering_gives(source, name):
    filled = fill(Message(FROM, "s", source, source), name=name, fields={"city": "Huế & <Hội>"})
    values = {"name": name, "email": "ann@one.example", "city": "Huế & <Hội>"}
    assert bodies(filled) == {
        "text/plain": rendered(source, **values),
        "text/html": rendered(source, html=True, **values),
    }


def test_line_breaks_in_a_value_are_kept_in_a_body():
    filled = fill(Message(FROM, "s", "[{{ x }}]"), fields={"x": "a\r\nb\rc\n.\n"})
    assert bodies(filled)["text/plain"] == "[a\nb\nc\n.\n]\n"


@given(source_texts, source_texts, st.text(max_size=100), fields)
def test_any_text_and_any_values_come_out_as_rendered(text, html, city, more):
    message = Message(FROM, "s", text + "{{ city }}", html + "{{ city }}")
    values = {**more, "city": city}
    expected = {**values, "name": "Ann", "email": "ann@one.example"}
    assert bodies(fill(message, fields=values)) == {
        "text/plain": rendered(message.text, **expected),
        "text/html": rendered(message.html, html=True, **expected),
    }


@given(source_texts, st.text(max_size=100))
def test_the_cut_and_the_rendered_way_agree(source, city):
    simple = Message(FROM, "s", source + "{{ city }}", source + "{{ city }}")
    complex_ = Message(FROM, "s", source + "{{ city or '' }}", source + "{{ city or '' }}")
    assert bodies(fill(simple, fields={"city": city})) == bodies(fill(complex_, fields={"city": city}))


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


def test_an_address_beyond_ascii_stands_raw_in_its_header_and_needs_smtputf8():
    filled = fill(Message(FROM, "s", "t"), to="rené@one.example", name="René")
    assert filled.needs_smtputf8
    assert "<rené@one.example>".encode() in filled.data
    assert fill(Message("rené@x.example", "s", "t")).needs_smtputf8
    assert not fill(Message(FROM, "é", "é"), name="é").needs_smtputf8


def test_the_message_id_is_the_same_each_time_and_takes_a_given_domain():
    assert (
        read(fill(Message(FROM, "s", "t"), domain="mail.y.example"))["Message-ID"]
        == "<t0k3n.7@mail.y.example>"
    )


@pytest.mark.parametrize(
    ("token", "domain"), [("", None), ("a\r\nb", None), ("t", "x\r\ny"), ("t", "x y"), ("é", None)]
)
def test_a_token_or_domain_that_fits_no_message_id_is_refused(token, domain):
    with pytest.raises(ValueError, match="Message-ID"):
        prepare(Message(FROM, "s", "t"), token=token, domain=domain)


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
    "source", ["{{ city }}", "{{ city|upper }}", "{% if city == 'x' %}{% endif %}", "{{ city ~ name }}"]
)
@pytest.mark.parametrize("part", ["subject", "text", "html"])
def test_a_missing_field_is_named(source, part):
    parts = {"subject": "s", "text": "t", "html": "", part: source}
    with pytest.raises(MergeError, match="city: ") as caught:
        fill(Message(FROM, **parts))
    assert caught.value.field == "city"


@pytest.mark.parametrize(
    "source",
    [
        '{{ city or "x" }}',
        '{{ city|default("x") }}',
        '{{ city if city else "x" }}',
        '{{ city if city is defined else "x" }}',
        "{% if city %}{{ city }}{% else %}x{% endif %}",
    ],
)
def test_a_missing_field_may_be_covered_by_a_default(source):
    assert bodies(fill(Message(FROM, "s", source)))["text/plain"] == "x\n"


def test_an_empty_name_is_no_missing_name():
    assert bodies(fill(Message(FROM, "s", "[{{ name }}]"), name=""))["text/plain"] == "[]\n"


def test_a_value_that_a_template_cannot_use_is_a_merge_error():
    with pytest.raises(MergeError, match="text: "):
        fill(Message(FROM, "s", "{% if name < 5 %}x{% endif %}"))


@pytest.mark.parametrize("source", ["{{ x }}", "{{ x|trim }}"])
def test_a_value_that_is_no_unicode_text_is_a_merge_error(source):
    with pytest.raises(MergeError, match="no text") as caught:
        fill(Message(FROM, "s", source), fields={"x": "\ud800"})
    assert caught.value.field == "x"


def test_the_fields_used_are_those_of_all_parts():
    message = Message(
        FROM, "{{ a }}", "{{ name }}{# {{ no }} #}{% if b %}{{ c|default(d) }}{% endif %}", "{{ e ~ 'x' }}"
    )
    assert fields_used(message) == {"a", "b", "c", "d", "e", "name"}
    assert fields_used(Message(FROM, "s", "t")) == frozenset()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("\n{{ name", "Line 2 .*cannot be read"),
        ("{{ }}", "Line 1 .*cannot be read"),
        ("{% if name %}", "cannot be read"),
        ("{% unknown %}", "cannot be read"),
        ("\n\n{% for x in name %}{% endfor %}", "Line 3 .*a loop"),
        ("{% set x = 1 %}", "set"),
        ("{% include 'x' %}", "include"),
        ("{% import 'x' as x %}", "import"),
        ("{% extends 'x' %}", "extends"),
        ("{% block x %}{% endblock %}", "block"),
        ("{% macro x() %}{% endmacro %}", "macro"),
        ("{% call x() %}{% endcall %}", "call"),
        ("{% filter upper %}{% endfilter %}", "filterblock"),
        ("{{ range(10) }}", "function call"),
        ("{{ name.upper() }}", "function call|a dot"),
        ("{{ name.__class__ }}", "a dot"),
        ("{{ name[0] }}", "brackets"),
        ("{{ 'x' * 10000000000 }}", "arithmetic"),
        ("{{ 9 ** 9 ** 9 ** 9 }}", "arithmetic"),
        ("{{ name + 'x' }}", "~"),
        ("{{ name|replace('', 'x') }}", "the filter replace"),
        ("{% if name %}{{ name|center(1000000000) }}{% endif %}", "the filter center"),
        ("{{ name|safe }}", "the filter safe"),
        ("{% if name is divisibleby 0 %}{% endif %}", "the test divisibleby"),
        ("{{ self }}", "self"),
        ("{{ " + "9" * 5000 + " }}", "number"),
        ("{{ " + "(" * 5000 + "name" + ")" * 5000 + " }}", "nested"),
        ("{% if name %}" * 200 + "{% endif %}" * 200, "nested"),
        ("x" * 1_000_001, "Shorten"),
        ("\ud800", "no text"),
    ],
    ids=lambda value: value[:20].encode("ascii", "replace").decode(),
)
def test_what_a_template_may_not_hold_is_refused_with_line_and_words(source, words):
    for message in (Message(FROM, "s", source), Message(FROM, "s", "t", source)):
        with pytest.raises(ComposeError, match=words) as caught:
            fields_used(message)
        assert caught.value.field == ("html" if message.html else "text")
        with pytest.raises(ComposeError, match=words):
            prepare(message, token="t", domain=None)


def test_an_escaped_default_cannot_be_smuggled_into_html():
    filled = fill(Message(FROM, "s", "t", "{{ city or x }}"), fields={"x": "<script>"})
    assert bodies(filled)["text/html"] == "&lt;script&gt;\n"


@given(st.text(st.sampled_from("{}%# abc|()'\"\n~-.[]0*"), max_size=40))
def test_any_source_is_prepared_or_refused_with_a_sentence(source):
    try:
        prepare(Message(FROM, source, source, source), token="t", domain=None)
    except ComposeError as error:
        assert str(error).endswith((".", "}}"))  # noqa: PT017  # either outcome is right
