"""A message with merge fields becomes exactly the email that its templates describe."""

import tracemalloc
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.messages import compose, quoted
from mailing.messages.compose import ComposeError, MergeError, Message, prepare
from mailing.smtp.session import stuffed
from tests.support.messages import FROM, NOW_MS, bodies, fill, read, rendered

fields = st.dictionaries(st.sampled_from(["city", "x"]), st.text(max_size=100))
source_texts = st.lists(
    st.text(max_size=120).filter(lambda text: "{" not in text and "}" not in text)
    | st.sampled_from(
        ["{{ name }}", "{{email}}", ".", "\n.\n", "\r\n", " \n", "=", "x" * 80, "é" * 40, "{# no #}"]
    ),
    max_size=8,
).map("".join)


def test_a_text_message_has_the_headers_and_the_text_it_should():
    parsed = read(fill(Message(FROM, "Hello {{ name }}", "Dear {{ name }},\n\nyou are {{ email }}.\n")))
    assert parsed["From"] == "Club <club@x.example>"
    assert parsed["To"] == "Ann <ann@one.example>"
    assert parsed["Subject"] == "Hello Ann"
    assert parsed["Message-ID"] == "<t0k3n.7@x.example>"
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


short = st.text(alphabet=st.sampled_from([*map(chr, range(31, 128)), "é", "\n"]), max_size=80)


@given(short | st.integers(60, 80).map("x".__mul__))
def test_a_short_plain_value_is_quoted_as_any_other(value):
    """The quick way for most names and addresses gives the same bytes as the long one."""
    filled = fill(Message(FROM, "s", "[\n{{ x }}\n]"), fields={"x": value}).data
    assert filled.endswith(b"\r\n\r\n[\r\n" + quoted.quoted(value) + b"\r\n]\r\n")


dotted = st.text(alphabet=". a\n\t=é\r", max_size=300)


@given(dotted, dotted, dotted)
def test_it_goes_out_as_it_is(text, html, city):
    """Its lines end in CRLF, hold 76 characters at most, and none begins with a dot: nothing to stuff."""
    message = Message(FROM, "s", text + "{{ city }}" + text, html + "{{ city }}" + html)
    data = fill(message, fields={"city": city}).data
    assert stuffed(data) == data + b".\r\n"
    assert max(map(len, data.split(b"\r\n"))) <= 76
    expected = rendered(message.text, name="Ann", email="ann@one.example", city=city)
    assert bodies(fill(message, fields={"city": city}))["text/plain"] == expected


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


@pytest.mark.parametrize("html", [False, True])
@pytest.mark.parametrize(
    ("source", "length"),
    [
        ("{{ city }}" * 300, 1_000_000),
        ("{{ city }}" * 1_000, 65_536),
        ("{% if city %}" + "{{ city }}" * 300 + "{% endif %}", 65_536),
        ("{{ city|urlencode }}" * 300, 1_000_000),
        ("{{ city|e|e|e }}" * 100, 1_000_000),
        ("{{ " + "~".join(["city"] * 1_500) + " }}", 65_536),
        ("{% if " + "~".join(["city"] * 1_500) + " == name %}{% endif %}", 65_536),
        ("{{ city" + "|urlencode" * 20 + " }}", 65_536),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_message_that_its_values_make_too_long_is_refused_before_it_is_put_together(html, source, length):
    """The bound is on memory: what 300 MB were made for took some seconds, too."""
    prepared = prepare(
        Message(FROM, "s", "t", source) if html else Message(FROM, "s", source), token="t", domain=None
    )
    tracemalloc.start()
    try:
        with pytest.raises(MergeError, match=r"10 MB|10,000,000 characters"):
            prepared.fill(1, "ann@one.example", "Ann", {"city": "<é" * (length // 2)}, NOW_MS)
        assert tracemalloc.get_traced_memory()[1] < 60_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("fits", [True, False])
def test_the_limit_is_that_of_the_message_as_it_is_sent(fits):
    """Not of a bound: values that can grow do so only where they must."""
    value = "x" * (65_536 if fits else 70_000)
    prepared = prepare(Message(FROM, "s", "t", "{{ a }}" * 145), token="t", domain=None)
    if fits:
        data = prepared.fill(1, "ann@one.example", "Ann", {"a": value}, NOW_MS).data
        assert 9_500_000 < len(data) <= compose.TEXT_MAX
    else:
        with pytest.raises(MergeError, match=r"a: .*10 MB.*145 times.*70,000 characters"):
            prepared.fill(1, "ann@one.example", "Ann", {"a": value}, NOW_MS)


def test_a_message_that_is_too_long_for_everybody_is_refused_at_once():
    with pytest.raises(ComposeError, match=r"12\.\d MB; the limit is 10 MB") as caught:
        prepare(Message(FROM, "s", "short", "\U0001f600" * 1_000_000), token="t", domain=None)
    assert caught.value.field == "html"


def test_how_long_a_message_may_get_is_known_from_the_lengths_of_its_values():
    prepared = prepare(Message(FROM, "{{ b }}", "{{ a }}{{ a|upper }}{{ name }}"), token="t", domain=None)
    assert prepared.oversize({"a": 1_000_000, "b": 1_000, "unused": 10**9}) is None
    assert "{{ a }} accounts for 12 MB: it is used 2 times" in str(
        prepared.oversize({"a": 6_000_000, "b": 9})
    )
    branches = prepare(
        Message(FROM, "s", "{% if a %}{{ a }}{% else %}{{ a }}{% endif %}"), token="t", domain=None
    )
    assert branches.oversize({"a": 9_000_000}) is None
