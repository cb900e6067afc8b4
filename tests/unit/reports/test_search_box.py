"""The search box of the email log: what each term means, and that what is read can be written again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.core.states import AttemptResult
from mailing.reports.log import search_box
from mailing.reports.log.search_box import Kind, Term

NAMES = {"thất bại": AttemptResult.FAILED, "requeued": AttemptResult.RETURNED}


def pairs(text: str) -> list[tuple[str, str]]:
    return [(term.kind.value, term.value) for term in search_box.read(text, NAMES)]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("", []),
        (" \t", []),
        ("Ann", [("address", "Ann")]),
        ("ann@one.example", [("address", "ann@one.example")]),
        ("<ann@one.example>,", [("address", "ann@one.example")]),
        ("@one.example", [("domain", "one.example")]),
        ("550", [("code", "550")]),
        ("4xx 5XX", [("family", "4"), ("family", "5")]),
        ("5.1.1", [("enhanced", "5.1.1")]),
        ("Failed", [("result", "failed")]),
        ("failed-mail", [("address", "failed-mail")]),
        ("requeued @x.example", [("result", "returned"), ("domain", "x.example")]),
        ("Thất bại 550", [("result", "failed"), ("code", "550")]),
        ('"mailbox full"', [("text", "mailbox full")]),
        ('"mailbox', [("text", "mailbox")]),
        ("mailbox full", [("text", "mailbox"), ("text", "full")]),
        ("ann greylisted@ x", [("text", "ann"), ("address", "greylisted@"), ("text", "x")]),
        ("mx1.example:25", [("text", "mx1.example:25")]),
        ("127.0.0.1", [("address", "127.0.0.1")]),
        ("999 5500", [("text", "999"), ("text", "5500")]),
        ('ann "550"', [("address", "ann"), ("text", "550")]),
        ("@", [("text", "@")]),
        ('"" ,;', []),
    ],
)
def test_each_term_has_its_meaning(text: str, meant: list[tuple[str, str]]):
    assert pairs(text) == meant


WORDS = st.sampled_from(
    [
        "ann",
        "b@c",
        "@d.e",
        "550",
        "4xx",
        "5.1.1",
        "failed",
        "Thất",
        "bại",
        '"a b"',
        '"',
        ",",
        "x:1",
        "@",
        "@@",
    ]
)


@given(st.text() | st.lists(WORDS).map(" ".join))
def test_what_was_read_is_written_and_read_as_the_same(text: str):
    terms = search_box.read(text, NAMES)
    assert search_box.read(search_box.write(terms), NAMES) == terms


@given(st.lists(WORDS).map(" ".join), st.data())
def test_any_term_can_be_taken_away_and_the_others_keep_their_meaning(text: str, data: st.DataObject):
    terms = list(search_box.read(text, NAMES))
    if terms:
        del terms[data.draw(st.integers(0, len(terms) - 1))]
    assert search_box.read(search_box.write(terms), NAMES) == terms


@given(st.text())
def test_a_term_is_never_empty_and_nothing_raises(text: str):
    assert all(term.value for term in search_box.read(text, {}))


def test_only_texts_may_come_more_than_once():
    def repeated(text: str) -> Term | None:
        return search_box.repeated(search_box.read(text, NAMES))

    assert repeated('550 "a" "b" @c.d e@f 5.1.1 failed 5xx') is None
    assert repeated("550 @a @b 551") == Term(Kind.DOMAIN, "b")
    assert repeated("failed 550 sent") == Term(Kind.RESULT, "sent")
