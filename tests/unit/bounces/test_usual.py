"""Reports that are read the short way say what they say when they are read wholly."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailing.bounces import reading, usual
from tests.support import bounces
from tests.support.odd_mail import ODD

USUAL = [
    bounces.dsn(),
    bounces.GMAIL,
    bounces.EXCHANGE,
    bounces.OUTLOOK,
    bounces.dsn(action="delayed", status="4.4.1"),
    bounces.dsn(action="delivered", status="2.0.0"),
    bounces.dsn().replace(b"text/rfc822-headers", b"message/rfc822"),
    bounces.dsn().replace(b"message/delivery-status", b"message/delivery-status\r\nContent-Language: en"),
]
PIECES = st.sampled_from(
    [
        b"--4ABC.1/mx.sender.example",
        b"--4ABC.1/mx.sender.example--",
        b"\n--4ABC.1/mx.sender.example\n",
        b"Content-Type: message/feedback-report",
        b"Content-Transfer-Encoding: base64",
        b"Content-Type: text/html",
        b"Subject: complaint about message from",
        b"From: =?utf-8?q?J=C3=BCrg?= <j@x.example>",
        b"\r\n\r\n",
        b"\n\n",
        b"\r",
        b"\0",
        b"\xff",
        b"--",
        b" ",
        b"Message-ID: <t.2@sender.example>",
    ]
)


@pytest.mark.parametrize("raw", USUAL)
def test_reports_of_known_servers_are_read_the_short_way_and_say_the_same(raw: bytes) -> None:
    assert usual.read(raw) is not None
    assert reading.read(raw) == reading._any(raw)


@pytest.mark.parametrize(
    "raw", [bounces.QMAIL, bounces.EXIM, bounces.complaint(), bounces.VACATION, b"", b"\r\n"]
)
def test_what_is_no_report_of_the_standard_is_read_wholly(raw: bytes) -> None:
    assert usual.read(raw) is None


@settings(max_examples=300)
@given(
    st.sampled_from(USUAL),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 40), PIECES | st.binary(max_size=20)), max_size=3),
)
def test_however_a_report_is_spoiled_both_ways_say_the_same(
    raw: bytes, changes: list[tuple[float, int, bytes]]
) -> None:
    for place, removed, added in changes:
        at = int(place * len(raw))
        raw = raw[:at] + added + raw[at + removed :]
    assert reading.read(raw) == reading._any(raw)


@settings(max_examples=200)
@given(st.sampled_from(USUAL), PIECES, st.integers(0, 60))
def test_lines_put_between_those_of_a_report_change_nothing_of_that(raw: bytes, line: bytes, at: int) -> None:
    lines = raw.split(b"\r\n")
    lines.insert(at, line)
    raw = b"\r\n".join(lines)
    assert reading.read(raw) == reading._any(raw)


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_odd_mail_says_the_same(odd: object) -> None:
    raw = getattr(odd, "raw", b"")
    assert reading.read(raw) == reading._any(raw)
