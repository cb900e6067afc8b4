"""The text of an HTML message is what a person would have typed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from mailing.messages.compose import Message, prepare
from mailing.writing.markdown import body
from mailing.writing.plain_text import text_of
from mailing.writing.written import Writing, compile_message
from tests.unit.writing.test_written import FROM, HTML, MARKDOWN, source, written


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>Hi&nbsp;{{ name }},</p><p>see you<br>soon</p>", "Hi {{ name }},\n\nsee you\nsoon"),
        ('<a href="{{ url }}">Book</a>', "Book <{{ url }}>"),
        (
            '<a href="https://x.org/?a=1&amp;b=2"><b>Book</b> &amp; go</a>',
            "Book & go <https://x.org/?a=1&b=2>",
        ),
        ('<a href="https://x.org">https://x.org</a>', "https://x.org"),
        ('<a href="mailto:a@b.example">a@b.example</a>', "a@b.example"),
        ('<a href="#top">Top</a> <a href="javascript:x">x</a>', "Top x"),
        ('<a href="https://x.org"><img src="cid:a" alt="Buy {{ it }}"></a>', "Buy {{ it }} <https://x.org>"),
        ('<p>a</p><img src="x" alt="A picture"><p>b</p>', "a\n\nb"),
        ("<h1>Head</h1><ul><li>one<li>two</ul><hr>", f"Head\n\n  * one\n  * two\n\n{'-' * 24}"),
        ("a &lt;b&gt; 3 < 4 &#8364;", "a <b> 3 < 4 €"),
        ("<head><title>T</title><style>p{}</style></head><script>x</script><!-- no -->yes", "yes"),
        ('<div style="display:none">preheader &#847;&zwnj;</div><p>Hi</p>', "Hi"),
        ("{% raw %}{{ a }} &lt;{% endraw %}", "{% raw %}{{ a }} <{% endraw %}"),
        ("<p>a</p>{% if b %}<p>B</p>{% endif %}<p>c</p>", "a\n\n{% if b %}B\n\n{% endif %}c"),
        ("<p>a {% if b %}B{% else %}C{% endif %}</p>", "a {% if b %}B{% else %}C{% endif %}"),
        ("", ""),
    ],
)
def test_html_reads_as_text(html, text):
    assert text_of(html) == text


def test_a_table_of_data_is_drawn_and_its_conditions_stay_at_their_rows():
    html = body("|Item|Price|\n|-|-|\n|Tea|{{ price }}|\n{% if more %}\n|Cake|4|\n{% endif %}")
    lines = [line.split() for line in text_of(html).splitlines()]
    assert lines[0] == ["Item", "Price"]
    assert text_of(html).splitlines()[2].startswith("{% if more %}Cake")


def test_a_table_that_lays_out_the_page_is_read_cell_after_cell():
    html = '<table role="presentation"><tr><td>One<br>two</td><td>Three</td></tr></table>'
    assert text_of(html) == "One\ntwo\nThree"


def test_what_is_nested_beyond_measure_has_no_text():
    assert isinstance(text_of("<div>" * 5_000 + "x"), str)


@settings(max_examples=60, deadline=None)
@given(source((*HTML, "<p>«field»</p>"), "\n"))
def test_the_text_of_any_html_can_be_filled(html):
    prepare(Message(FROM, "x", text_of(html) or "x"), token="t", domain=None)


@settings(max_examples=40, deadline=None)
@given(source(MARKDOWN, "\n\n"))
def test_the_text_of_any_markdown_can_be_filled(text):
    prepare(Message(FROM, "x", text_of(body(text)) or "x"), token="t", domain=None)


def test_a_message_without_text_gets_it_from_its_html_and_the_preheader_is_not_in_it():
    message = compile_message(written("<p>Hi {{ name }}</p>", preheader="Peek"))
    assert message.text == "Hi {{ name }}"
    assert "Peek" in message.html


def test_a_text_that_was_typed_stays():
    assert compile_message(written("<p>Hi", Writing.VISUAL, text="Typed")).text == "Typed"


def test_the_frame_is_not_in_the_text():
    assert compile_message(written("Hi **you**", Writing.MARKDOWN)).text == "Hi you"
