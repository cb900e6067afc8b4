"""Whatever is typed as HTML is read in time, and never ends the process that reads it."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest

from mailing.messages.compose import ComposeError
from mailing.writing.markup import SIGN, orderly, too_deep
from mailing.writing.sanitizing import findings, harmless
from mailing.writing.written import Writing, compile_message
from tests.unit.writing.test_written import written

UNITS = (
    *(
        "<",
        "<!",
        "<![",
        "<!--",
        "<!---",
        "<?",
        "</a",
        "</",
        "<a ",
        '<a "',
        "<a '\"",
        "<style",
        "<style>",
        "<script>",
    ),
    *(
        "<br>",
        "<p>",
        "<p><b>",
        "<div>",
        "<table>",
        "<table><tr><td>",
        '<a href="',
        "<body ",
        "<meta ",
        "&#",
        "\n",
    ),
    *("<div></b>", "<b><div></b>", "<svg><tr>", "<svg><desc><tr/>", "<!--><div>-->", "<div></div x><b></i>"),
    *("[", "![](", "**a", "`", ">", "- a\n  ", "|a", "{", "{%"),
)


@pytest.mark.parametrize("unit", UNITS)
def test_what_is_repeated_without_end_is_read_or_refused_in_time(unit):
    began = time.process_time()
    for writing, around in (
        (Writing.SOURCE, "<style>p{{color:red}}</style>{}"),
        (Writing.VISUAL, "{}"),
        (Writing.MARKDOWN, "{}"),
        (Writing.MJML, "<mjml><mj-body><mj-raw>{}</mj-raw></mj-body></mjml>"),
    ):
        html = around.format(unit * (20_000 // len(unit)))
        with suppress(ComposeError):
            compile_message(written(html, writing, preheader="x"))
        findings(html)
        harmless(html)
    assert time.process_time() - began < 5


def test_what_is_nested_too_deep_is_refused_with_its_place():
    with pytest.raises(
        ComposeError, match="Line 2 of the HTML, column 1,001: more than 200 elements are nested"
    ):
        compile_message(written("<p>\n" + "<div>" * 5_000, Writing.SOURCE))
    assert too_deep("<div><p>a<ul><li>b<li>c</ul></div>" * 1_000) is None
    assert too_deep("<b>x</b><br><td>" * 1_000) is None


def test_emphasis_within_emphasis_has_an_end_in_markdown():
    with pytest.raises(ComposeError, match="too complex"):
        compile_message(written("*a " * 3_000 + "a*" * 3_000, Writing.MARKDOWN))


def test_orderly_html_has_the_same_tags_at_the_same_places():
    html = "<p class='a > b'>3 < 4<!-- \n<b> --><style>\n<i>{}</style><![if x]><a <b>"
    tags = ("<p class='a > b'>", "<style>", "</style>", "<b>")
    assert [orderly(html).count(tag) for tag in tags] == [1, 1, 1, 1]
    assert [orderly(html).rindex(tag) for tag in tags] == [html.rindex(tag) for tag in tags]
    assert [at for at, sign in enumerate(orderly(html)) if sign == SIGN] == [
        html.index("< 4"),
        html.index("<a "),
    ]
    assert (len(orderly(html)), orderly(html).count("\n")) == (len(html), html.count("\n"))
