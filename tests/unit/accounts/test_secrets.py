"""Secrets: those that are compared, and those that are read again."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.accounts import sealing, tokens
from mailing.accounts.sealing import SealedElsewhereError

KEY, OTHER = "k" * 32, "o" * 32
PLACE = "user:3:totp"
TEXT = st.text(max_size=80)


@given(st.text(min_size=32, max_size=64), TEXT, st.binary(max_size=100))
def test_what_was_sealed_opens_with_the_same_key_at_the_same_place(key, place, secret):
    assert sealing.unseal(key, place, sealing.seal(key, place, secret)) == secret


@given(TEXT, TEXT)
def test_it_opens_at_no_other_place(one, other):
    sealed = sealing.seal(KEY, one, b"secret")
    if one != other:
        with pytest.raises(SealedElsewhereError):
            sealing.unseal(KEY, other, sealed)


@given(TEXT)
def test_it_opens_with_no_other_key(other):
    with pytest.raises(SealedElsewhereError):
        sealing.unseal(other, PLACE, sealing.seal(KEY, PLACE, b"secret"))


@given(st.data())
def test_not_a_bit_of_it_can_be_changed(data):
    raw = bytearray(base64.b64decode(sealing.seal(KEY, PLACE, b"secret")))
    bit = data.draw(st.integers(0, 8 * len(raw) - 1))
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SealedElsewhereError):
        sealing.unseal(KEY, PLACE, base64.b64encode(bytes(raw)).decode())


@given(st.one_of(TEXT, st.binary(max_size=40).map(lambda data: base64.b64encode(data).decode())))
def test_what_was_never_sealed_does_not_open(text):
    with pytest.raises(SealedElsewhereError):
        sealing.unseal(KEY, PLACE, text)


def test_the_same_secret_never_looks_the_same():
    assert sealing.seal(KEY, PLACE, b"secret") != sealing.seal(KEY, PLACE, b"secret")


def test_tokens_are_long_all_different_and_kept_as_a_hash():
    made = {tokens.make() for _ in range(100)}
    assert len(made) == 100
    assert all(len(token) == 43 for token in made)
    assert not any(token in tokens.digest(token) for token in made)


@given(TEXT)
def test_a_signed_token_is_proven_by_the_same_key_alone(token):
    signed = tokens.signed(KEY, token)
    assert tokens.proven(KEY, signed) == token
    assert tokens.proven(OTHER, signed) == ""
    assert tokens.proven(KEY, signed + "0") == ""


@given(st.text())
def test_made_up_tokens_prove_nothing_and_break_nothing(text):
    assert tokens.proven(KEY, text) == ""
    assert tokens.digest(text)


def test_the_link_of_the_first_account_is_bound_to_the_secret_key():
    assert tokens.set_up(KEY) == tokens.set_up(KEY)
    assert tokens.set_up(KEY) != tokens.set_up(OTHER)
