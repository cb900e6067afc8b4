"""Where signing in leads, and what a browser is called."""

from __future__ import annotations

import re
from types import SimpleNamespace
from unittest import mock
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from webapp.accounts import doors, people

PIECES = st.sampled_from(
    [
        *("/", "\\", "//", "evil.example", "https:", "javascript:alert(1)", "@", ".", "..", ":", "?", "#"),
        *(
            "\t",
            "\n",
            "\r",
            "\0",
            " ",
            "%2f",
            "%5c",
            "%09",
            "\u2028",
            "\uff0f",
            "\u3002",
            "\x1b",
            "campaigns",
        ),
    ]
)


def onward(path):
    at = SimpleNamespace(at=lambda path: "/volley" + path)
    with mock.patch.object(doors, "services", return_value=at):
        return doors.onward(path)


def as_a_browser_reads_it(location):
    """What is left of an address once a browser has cleaned it up (WHATWG URL, section 4.4)."""
    location = re.sub(r"[\t\n\r]", "", location.strip("".join(map(chr, range(33)))))
    return location.replace("\\", "/")


@given(st.one_of(st.lists(PIECES, max_size=8).map("".join), st.text(max_size=60)))
@example("//evil.example")
@example("/\\evil.example")
@example("/\t/evil.example")
@example("https://evil.example/")
@example("https:evil.example")
@example(" //evil.example")
@example("\x00//evil.example")
@example("/\u2028/evil.example")
@example("")
def test_no_target_leaves_the_site(path):
    location = as_a_browser_reads_it(onward(path))
    assert location.startswith("/volley/")
    assert not location.startswith("//")
    assert "\\" not in onward(path)
    assert onward(path).isprintable()


@pytest.mark.parametrize("path", ["/", "/campaigns/7?state=sent&q=a%20b", "/people", "/campaigns?before=3#x"])
def test_a_page_of_ours_is_where_it_leads(path):
    assert onward(path) == "/volley" + path
    assert quote(path, safe="/?&=#%") == path


AGENT = "Mozilla/5.0 ({}) AppleWebKit/537.36 (KHTML, like Gecko) {}"


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (AGENT.format("X11; Linux x86_64", "Chrome/130.0.0.0 Safari/537.36"), "Chrome on Linux"),
        (
            AGENT.format("Windows NT 10.0; Win64; x64", "Chrome/130.0 Safari/537.36 Edg/130.0"),
            "Edge on Windows",
        ),
        (AGENT.format("Windows NT 10.0", "Chrome/130.0 Safari/537.36 OPR/114.0"), "Opera on Windows"),
        (
            AGENT.format("Macintosh; Intel Mac OS X 10_15_7", "Version/17.0 Safari/605.1.15"),
            "Safari on macOS",
        ),
        (AGENT.format("Linux; Android 14; Pixel", "Chrome/130.0 Mobile Safari/537.36"), "Chrome on Android"),
        (
            AGENT.format("iPhone; CPU iPhone OS 17_0 like Mac OS X", "Version/17.0 Safari/604.1"),
            "Safari on iPhone",
        ),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0", "Firefox on Linux"),
        ("Firefox/130.0", "Firefox"),
        ("curl/8.5.0", "Unknown browser"),
        ("", "Unknown browser"),
    ],
)
def test_a_browser_is_called_by_two_words(agent, words):
    assert people.browser(agent) == words


@given(st.text(max_size=100))
def test_nothing_that_a_browser_says_of_itself_is_repeated(agent):
    known = {name for name, _sign in people._BROWSERS + people._SYSTEMS} | {"Unknown browser"}
    assert set(people.browser(agent).split(" on ")) <= known
