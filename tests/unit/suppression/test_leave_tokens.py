"""A token says who unsubscribes, or nothing at all."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.suppression import leave_tokens
from mailing.suppression.leave_tokens import Leaver

KEY, OTHER = "ab" * 32, "cd" * 32
ANN = Leaver(12, 3_456, "Tin tức", "nguyễn.an@ví-dụ.example")
TOKEN = leave_tokens.seal(KEY, ANN)


def test_a_token_names_the_recipient_the_topic_and_the_campaign() -> None:
    assert leave_tokens.unseal(KEY, TOKEN) == ANN
    assert re.fullmatch("[A-Za-z0-9_-]+", TOKEN)


def test_each_attempt_has_the_same_token_and_each_recipient_another() -> None:
    assert leave_tokens.seal(KEY, ANN) == TOKEN
    assert leave_tokens.seal(KEY, ANN._replace(recipient_id=1)) != TOKEN


def test_the_address_cannot_be_read_from_it() -> None:
    assert "example" not in TOKEN
    assert leave_tokens.unseal(OTHER, TOKEN) is None


def test_a_token_that_was_cut_anywhere_is_none() -> None:
    assert [n for n in range(len(TOKEN)) if leave_tokens.unseal(KEY, TOKEN[:n])] == []


def test_a_token_of_which_one_letter_is_another_is_none() -> None:
    for n, letter in enumerate(TOKEN):
        other = "A" if letter != "A" else "B"
        assert leave_tokens.unseal(KEY, TOKEN[:n] + other + TOKEN[n + 1 :]) is None


@pytest.mark.parametrize("tail", [">", ".", ")", '"', "=3D", "%0D%0A", " ", "\r\n", "&amp;x=1", "/choices"])
def test_what_a_mail_program_adds_to_its_end_is_no_part_of_it(tail: str) -> None:
    assert leave_tokens.unseal(KEY, TOKEN + tail) == ANN


@given(st.text(max_size=300))
def test_a_token_that_somebody_made_up_is_none(text: str) -> None:
    assert leave_tokens.unseal(KEY, text) is None
    assert leave_tokens.unseal(KEY, text + "1") is None


def test_the_longest_address_and_topic_fit_on_one_line_of_a_header() -> None:
    whom = Leaver(2**63 - 1, 2**63 - 1, "ệ" * 60, f"{'x' * 64}@{'y' * 185}.com")
    token = leave_tokens.seal(KEY, whom)
    assert len(f"List-Unsubscribe: <https://{'m' * 100}.example/volley/u/{token}>") < 998
    assert leave_tokens.unseal(KEY, token) == whom
