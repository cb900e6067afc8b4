"""Whatever stands in HTML, its preview does nothing, and what was dangerous in it is told."""

from __future__ import annotations

import pytest

from mailing.writing.sanitizing import findings, harmless
from mailing.writing.written import Writing, compile_message
from tests.unit.writing.test_written import written

DANGEROUS = {
    "<p>a</p>\n<script>alert(1)</script>": "danger.script",
    "<p onclick='x()'>a</p>": "danger.handler",
    "<img src=x onerror=alert(1)>": "danger.handler",
    '<a href=" java&#115;cript:alert(1)">a</a>': "danger.address",
    '<a href="data:text/html,<script>alert(1)</script>">a</a>': "danger.address",
    "<iframe src='https://x.example'></iframe>": "danger.frame",
    "<object data=x></object>": "danger.frame",
    "<form action=/x><input name=a></form>": "danger.form",
    "<svg><script>alert(1)</script></svg>": "danger.drawing",
    "<svg><style><img src=x onerror=alert(1)></style></svg>": "danger.drawing",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>": "danger.drawing",
    '<base href="https://x.example/">': "danger.base",
    '<meta http-equiv="Refresh" content="0;url=https://x.example">': "danger.refresh",
    '<link rel="stylesheet" href="https://x.example/x.css">': "danger.style-sheet",
    "<body onload=alert(1)>": "danger.handler",
}


@pytest.mark.parametrize("html", DANGEROUS)
def test_what_is_dangerous_is_told_and_not_in_the_preview(html):
    assert DANGEROUS[html] in {reason.code for reason in findings(html)}
    shown = harmless(f"<p>before</p>{html}")
    assert "<p>before</p>" in shown
    assert findings(shown) == ()


def test_a_finding_says_how_often_where_first_and_what_to_do():
    (found,) = findings("<p>\n<script></script>\n<script></script>")
    assert str(found).startswith("The HTML has scripts (2, the first in line 2: <script>).")


@pytest.mark.parametrize("writing", [Writing.VISUAL, Writing.MARKDOWN, Writing.SOURCE])
def test_a_message_as_volley_makes_it_has_no_findings(writing):
    html = compile_message(written('Hi {{ name or "<script>" }}', writing, preheader="x")).html
    assert findings(html) == ()


def test_a_mark_is_no_finding_and_hides_none():
    assert findings('<p title="{{ a or \'onclick="x" <script>\' }}">{% if a < b %}x{% endif %}</p>') == ()
    assert [it.code for it in findings("<p {% if a %}onclick=x{% endif %}>")] == ["danger.handler"]


def test_the_preview_looks_as_the_message_does():
    html = (
        '<html><head><title>T</title><meta name="color-scheme" content="light dark">'
        "<style>@media (x) {p{color:red}}"
        "</style></head><body bgcolor='#eee' style='margin:0' onload=x><!--[if mso]>x<![endif]-->"
        '<table role="presentation" width="600" bgcolor="#fff" cellpadding="0"><tr>'
        '<td align="center" valign="top" '
        'style="padding:1px" class="a"><img src="cid:logo" alt="Logo" width="10">'
        '<img src="data:image/png;base64,AA">'
        '<a href="https://x.example/?a=1&amp;b=2">x</a></td></tr></table></body></html>'
    )
    shown = harmless(html)
    assert '<body bgcolor="#eee" style="margin:0">' in shown
    assert "<style>@media (x) {p{color:red}}</style>" in shown
    assert '<meta name="color-scheme" content="light dark">' in shown
    for kept in (
        '<table role="presentation" width="600" bgcolor="#fff" cellpadding="0">',
        '<td align="center" valign="top" style="padding:1px" class="a">',
        '<img src="cid:logo" alt="Logo" width="10"><img src="data:image/png;base64,AA">',
        '<a href="https://x.example/?a=1&amp;b=2" rel="noopener noreferrer">x</a>',
    ):
        assert kept in shown
    assert "T</title>" not in shown
    assert "mso" not in shown


def test_a_preview_of_nothing_is_an_empty_page():
    assert harmless("").endswith("<body></body></html>")
