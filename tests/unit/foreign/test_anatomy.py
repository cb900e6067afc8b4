"""What the HTML of a message is made of: pictures, links, what is hidden."""

from __future__ import annotations

import time

import pytest

from mailing.foreign.anatomy import READ_MOST, read


def test_pictures_are_counted_and_those_without_a_description():
    found = read('<img src=a alt="A dog"><img src=b alt=""><img src=c><p><IMG SRC=d></p>')
    assert (found.images, found.without_alt) == (4, 2)


def test_a_link_has_its_address_and_all_that_is_written_on_it():
    found = read('<a href=" https://x.example/?a=1&amp;b=2 ">Read <b>more</b></a> or <a name=x>not</a>')
    assert [(link.href, link.words) for link in found.links] == [("https://x.example/?a=1&b=2", "Read more")]


@pytest.mark.parametrize(
    "hiding",
    [
        'style="display:none"',
        'style="color:red;DISPLAY : NONE !important"',
        'style="visibility:hidden"',
        'style="font-size:0"',
        'style="font-size:0px;color:red"',
        'style="opacity: 0.0;"',
        'style="mso-hide:all"',
        "hidden",
    ],
)
def test_what_is_hidden_behind_what_is_seen_counts(hiding):
    found = read(f"<p>seen</p><div {hiding}>buy <b>pills</b><br> now</div><p>again</p>")
    assert (found.visible, found.hidden) == (9, 11)


@pytest.mark.parametrize("style", ["font-size:10px", "opacity:0.5", "max-height:08px", "display:block"])
def test_what_is_small_or_pale_is_not_hidden(style):
    assert read(f'<p>seen</p><p style="{style}">too</p>').hidden == 0


def test_the_line_that_programs_show_beside_the_subject_may_be_hidden_but_no_novel_may():
    line = '<body><div style="display:none">Bring a blanket&nbsp;&zwnj;&nbsp;</div><p>Dear Ann</p></body>'
    assert read(line).hidden == 0
    assert read(line.replace("blanket", "b" * 300)).hidden == 306


def test_styles_titles_and_comments_are_no_text():
    found = read("<head><title>no</title><style>p{}</style></head><!-- no --><p>yes</p><script>no()</script>")
    assert (found.visible, found.hidden) == (3, 0)


def test_any_text_is_read_and_soon():
    for odd in ("<", "<a href=", "</", "<p " * 9, "<!-", "<![CDATA[", "\0<p>\ud800", "</p>" * 50 + "<p>"):
        read(odd)
    begun = time.process_time()
    for monster in ("<p>" * READ_MOST, "<a href=x>" * READ_MOST, "&amp" * READ_MOST, "x</b>" * READ_MOST):
        read(monster)
    assert time.process_time() - begun < 20
