"""Envelope senders name their recipient, survive what mail systems do to them, and cannot be made up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailing.bounces import tokens
from mailing.bounces.tokens import LENGTH, Returns, Token, Tokens

OURS = Tokens(b"k" * 32)


def test_an_address_is_short_and_says_nothing_of_the_person() -> None:
    address = Returns("bounces.example.com", OURS).address(123_456, "campaign")
    local, _, domain = address.partition("@")
    assert domain == "bounces.example.com"
    assert len(local) == len(tokens.PREFIX) + LENGTH <= 64
    assert local == local.lower()
    assert tokens.is_ours(address.upper(), "Bounces.example.com")
    assert not tokens.is_ours("ann@bounces.example.com", "bounces.example.com")
    assert not tokens.is_ours(address, "x.example")


@given(st.integers(1, 2**40 - 1))
def test_a_token_is_found_anywhere_and_proven(recipient_id: int) -> None:
    address = Returns("b.example", OURS).address(recipient_id, "campaign")
    place = f"To: <{address.upper()}>\r\nReturn-Path: {address.replace('@', '=40')}\r\n".encode()
    (found,) = tokens.find(b"", place)
    assert found.recipient_id == recipient_id
    assert OURS.proves(found, "campaign")


@given(st.integers(1, 2**40 - 1), st.binary(min_size=10, max_size=10))
def test_a_forged_token_a_changed_one_and_one_of_another_key_prove_nothing(n: int, tag: bytes) -> None:
    (real,) = tokens.find(Returns("b.example", OURS).address(n, "campaign").encode())
    assert not OURS.proves(Token(n, tag), "campaign") or tag == real.tag
    assert not OURS.proves(Token(n ^ 1, real.tag), "campaign")
    assert not OURS.proves(real, "another campaign")
    assert not Tokens(b"x" * 32).proves(real, "campaign")


def test_a_token_that_was_cut_is_none() -> None:
    address = Returns("b.example", OURS).address(7, "campaign")
    assert not list(tokens.find(address.replace("@", "").encode(), address[3:].encode()))
    assert not list(tokens.find(address[: LENGTH // 2].encode() + b"@b.example"))


def test_of_very_many_only_some_are_tried() -> None:
    many = b" ".join(Returns("b.example", OURS).address(n, "").encode() for n in range(1_000))
    assert len(list(tokens.find(many))) == tokens.FOUND_MOST
