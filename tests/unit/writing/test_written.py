"""What a person writes, in each way, becomes a message that keeps every mark."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailing.messages import compose
from mailing.messages.compose import ComposeError
from mailing.messages.marks import spans
from mailing.writing.written import Writing, Written, compile_message

FROM = "Ann Lee <ann@example.org>"
CODES = ("f{n}", 'f{n} or "a > b"', "f{n}|default('<b>')", 'f{n} if f{n} < 3 and f{n} != "\\"" else "&"')
# «field» and «if», «else», «endif» are filled in.
HTML = (
    "text <«field»> and <b>«field»</b>",
    "<p>«field»</p>",
    "<a href=\"«field»\" title='«field»'>«field»</a>",
    "<img alt=«field» src=cid:a>",
    '<p style="margin: 0; color: «field»">x</p>',
    '<p style="«if»color: red«endif»">x</p>',
    '<p class="a «field» b" data-x="«if»1«else»2«endif»">x</p>',
    '<table>«if»<tr «if»class="a"«else»class="b"«endif»><td «field»>«field»</td></tr>«endif»</table>',
    "<!-- «field» --> <!--[if mso]><p>«field»</p><![endif]--> <![if !mso]>«field»<![endif]>",
    "<style>.a { color: «field» }</style><textarea>«field»</textarea><title>«field»</title>",
    "<script>«field»</script><ul>«if»<li>«field»</li>«endif»</ul>",
    "«if»<p>«field»</p>«else»<p>«field»</p>«endif»",
    "{% raw %}{{ kept }} <b>{% endraw %}",
)
MARKDOWN = (
    "# «field»",
    "**«field»** _«field»_ `«field»` ~~«field»~~",
    '[a](«field» "about «field»") <«field»>',
    "![of «field»](cid:x)",
    "| «field» | b |\n|---|---|\n| «field» | c |\n«if»\n| d | «field» |\n«endif»",
    "> «field»\n\n    «field»\n\n```\n«field»\n```",
    "- «field»\n«if»\n- «field»\n«endif»\n1. «field»",
    "«if»\n\n«field»\n\n«else»\n\n## «field»\n\n«endif»",
    "<b>«field»</b> & 3 < 4\nnext line",
    "{% raw %}{{ kept }} <b>{% endraw %}",
)


@st.composite
def source(draw, snippets, between):
    """A source in which each field is another, so that one which is lost or doubled is seen."""
    text = between.join(draw(st.lists(st.sampled_from(snippets), min_size=1, max_size=6)))
    code = draw(st.lists(st.sampled_from(CODES), min_size=1, max_size=4))
    numbers = iter(range(1_000))

    def mark(slot: re.Match[str]) -> str:
        if slot[1] in {"else", "endif"}:
            return f"{{% {slot[1]} %}}"
        n = next(numbers)
        expression = code[n % len(code)].format(n=n)
        return f"{{{{ {expression} }}}}" if slot[1] == "field" else f"{{% if {expression} %}}"

    return re.sub(r"«(field|if|else|endif)»", mark, text)


def written(html, writing=Writing.SOURCE, **more):
    return Written(**{"sender_from": FROM, "subject": "Hello", "writing": writing, "html": html} | more)


def html_of(html, writing=Writing.SOURCE, **more):
    return compile_message(written(html, writing, **more)).html


def marks_of(text):
    return sorted(span.mark.source for span in spans("html", text))


STYLED = "<!doctype html><html><head><style>p, td, a {{ color: red }}</style></head><body>{}</body></html>"


@settings(max_examples=60, deadline=None)
@given(source(HTML, "\n"))
def test_every_mark_of_a_styled_document_is_in_the_message_once(html):
    html = STYLED.format("{}").replace("{}", html).replace("{{ color: red }}", "{ color: red }")
    assert marks_of(html_of(html)) == marks_of(html)


@settings(max_examples=60, deadline=None)
@given(source(HTML, "\n"))
def test_every_mark_of_a_visual_body_is_in_the_message_once(html):
    assert marks_of(html_of(html, Writing.VISUAL)) == marks_of(html)


@settings(max_examples=60, deadline=None)
@given(source(MARKDOWN, "\n\n"))
def test_every_mark_of_a_markdown_body_is_in_the_message_once(text):
    assert marks_of(html_of(text, Writing.MARKDOWN)) == marks_of(text)


@settings(max_examples=30, deadline=None)
@given(source(HTML, "\n"))
def test_what_is_filled_is_the_same_text_with_and_without_inlined_styles(html):
    plain, styled = html_of(html), html_of(f"<style>i {{ color: red }}</style>{html}")
    assert marks_of(plain) == marks_of(styled)
    compose.prepare(compose.Message(FROM, "x", "", styled), token="t", domain=None)


def test_a_document_without_styles_stays_as_it_was_written():
    html = '<p title={{ a }}>Hi &nbsp; {{ name or "you" }}<br>\n<table>{{ b }}<tr></table>'
    assert html_of(html) == html


def test_styles_are_inlined_and_those_for_phones_and_the_dark_kept():
    dark = "@media (prefers-color-scheme: dark){p{color:white}}"
    html = html_of(f"<head><style>p{{color:red}} a:hover{{color:blue}} {dark}</style></head><p>Hi</p>")
    assert '<p style="color: red;">Hi</p>' in html
    assert dark in html
    assert "a:hover" in html
    assert "<style>p" not in html


def test_styles_from_elsewhere_are_not_fetched_and_their_link_stays():
    link = '<link rel="stylesheet" href="http://127.0.0.1:9/x.css">'
    assert link in html_of(f"<head>{link}<style>p{{color:red}}</style></head><p>Hi</p>")


def test_the_doctype_stays_the_one_that_was_written():
    doctype = '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "x.dtd">'
    assert html_of(f"{doctype}<style>p{{color:red}}</style><p>Hi</p>").startswith(doctype)


def test_what_only_outlook_sees_is_what_was_written():
    html = "<!--[if mso]><table><tr><td><![endif]--><p>Hi</p><![if !mso]><p>{{ a }}</p><![endif]>"
    assert html_of(f"<style>i{{color:red}}</style><body>{html}").count(html) == 1


def test_a_condition_keeps_its_place_around_the_rows_of_a_table():
    html = html_of("<style>td{color:red}</style><table>{% if a %}<tr><td>1</td></tr>{% endif %}</table>")
    assert re.search(r"<table>{% if a %}<tbody><tr><td[^>]*>1</td></tr>{% endif %}</tbody></table>", html)


def test_a_field_that_an_html_parser_would_lose_is_refused_with_its_place():
    with pytest.raises(ComposeError, match=r"line 2 of the HTML, column 3: {{ t }}.*can't be at this place"):
        html_of("<style>p{color:red}</style>\n</{{ t }}>")


def test_markdown_has_lists_tables_links_with_fields_and_kept_line_breaks():
    html = html_of("Dear {{ name }},\n[Book]({{ url }})\n\n|a|\n|-|\n|~~b~~|", Writing.MARKDOWN)
    assert re.search(r'Dear {{ name }},<br>\n<a href="{{ url }}"[^>]*>Book</a>', html)
    assert "<s>b</s>" in html


def test_html_within_markdown_is_text():
    html = html_of(
        "<script>alert(1)</script> [x](javascript:alert) {% raw %}<b>{% endraw %}", Writing.MARKDOWN
    )
    assert "<script" not in html
    assert 'href="javascript' not in html
    assert "{% raw %}&lt;b&gt;{% endraw %}" in html


@pytest.mark.parametrize("writing", [Writing.VISUAL, Writing.MARKDOWN])
def test_a_condition_alone_in_a_paragraph_leaves_no_empty_paragraph(writing):
    marks = ("{% if vip %}", "Hello", "{% endif %}")
    body = "\n\n".join(marks) if writing is Writing.MARKDOWN else "".join(f"<p>{it}</p>" for it in marks)
    assert re.search(r"{% if vip %}\s*<p[^>]*>Hello</p>\s*{% endif %}", html_of(body, writing))


def test_a_visual_editor_may_write_signs_within_a_mark_as_entities():
    html = html_of("<p>{% if a &lt; b %}{{&nbsp;name or &quot;you&quot; }}{% endif %}</p>", Writing.VISUAL)
    assert '{% if a < b %}{{ name or "you" }}{% endif %}' in html


def test_the_frame_fits_phones_outlook_and_the_dark():
    html = html_of("<p>Xin chào, rất vui</p>", Writing.VISUAL, subject="A & B")
    assert html.startswith('<!doctype html>\n<html lang="vi"')
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in html
    assert '<meta name="color-scheme" content="light dark">' in html
    assert "@media (prefers-color-scheme: dark)" in html
    assert '<!--[if mso]><table role="presentation" width="600"' in html
    assert "max-width: 600px" in html
    assert "<title>A &amp; B</title>" in html
    assert "Ann Lee · ann@example.org" in html


def test_the_frame_s_language_is_named_only_where_it_is_known():
    assert "<html xmlns" in html_of("<p>Bonjour</p>", Writing.VISUAL)


@pytest.mark.parametrize(
    "before", ["<p>", "<body class='a > b'><p>", "<html><head></head><p>", "<!-- <body> --><body>"]
)
@pytest.mark.parametrize("writing", [Writing.SOURCE, Writing.VISUAL])
def test_the_preheader_is_the_first_text_and_nothing_shows_behind_it(before, writing):
    html = html_of(f"{before}Body", writing, preheader="  A <b> {{ name }}\n")
    shown = re.sub(r"<!--.*?-->|<(style|title).*?</\1>|<[^>]+>", "", html, flags=re.DOTALL)
    assert re.match(r"[\sb\">]*A &lt;b&gt; {{ name }}(?:&#847;&zwnj;&nbsp;){100,}\s+Body|.*", shown)
    assert html.index("A &lt;b&gt; {{ name }}") < html.index("Body")


def test_a_preheader_comes_back_with_its_own_part_in_an_error():
    with pytest.raises(ComposeError, match=r"preview text, column 3: {{ name") as error:
        html_of("<p>", preheader="A {{ name")
    assert error.value.field == "preheader"


@pytest.mark.parametrize("writing", [Writing.VISUAL, Writing.MARKDOWN, Writing.SOURCE])
def test_an_error_names_its_place_in_what_was_written(writing):
    with pytest.raises(ComposeError, match=r"line 3 of the HTML, column 4: {{ first name }}"):
        html_of("a\n\nHi {{ first name }}", writing)


def test_a_loop_is_refused_in_every_way_of_writing():
    for writing in (Writing.VISUAL, Writing.MARKDOWN, Writing.SOURCE):
        with pytest.raises(ComposeError, match="a loop can't be used"):
            html_of("<table>{% for a in b %}<tr></tr>{% endfor %}</table>", writing)


@pytest.mark.parametrize("writing", Writing)
def test_a_message_without_html_is_its_text(writing):
    message = compile_message(written(" \n", writing, text="Hi {{ name }}"))
    assert (message.text, message.html) == ("Hi {{ name }}", "")


def test_plain_text_has_no_html_whatever_was_written_before():
    assert compile_message(written("<p>Old", Writing.PLAIN, text="Hi")).html == ""
