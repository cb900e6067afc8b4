"""What a password must be, and how it is kept."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.accounts import passwords
from mailing.accounts.passwords import LONGEST, SHORTEST, fault

PEOPLE = ("ann.lee@example.org", "Volley")


def code(password, *names):
    found = fault(password, *names)
    return found.code if found else ""


@given(st.text(max_size=SHORTEST - 1))
def test_a_short_one_is_too_short_whatever_it_is_made_of(password):
    assert code(password) == "password.too-short"


@given(st.text(alphabet=string.printable, min_size=LONGEST + 1, max_size=LONGEST + 40))
def test_a_very_long_one_is_too_long(password):
    assert code(password) == "password.too-long"


@given(st.text(min_size=SHORTEST, max_size=LONGEST))
def test_any_other_is_fine_or_known_or_somebody_s_name(password):
    assert code(password, *PEOPLE) in {"", "password.known", "password.like-name"}


@given(st.sampled_from(string.printable.strip()), st.integers(SHORTEST, LONGEST))
def test_three_characters_over_and_over_are_known(character, length):
    assert code(character * length) == "password.known"
    assert code((character + "xy") * length)[:9] == "password."


@given(st.sampled_from(["correct horse battery staple", "trà chanh mật ong gừng", "xkzqvwpyhgrm"]))
def test_nothing_asks_for_digits_capitals_or_signs(password):
    assert code(password, *PEOPLE) == ""


@pytest.mark.parametrize(
    "password",
    [
        "password1234",
        "Password1234!",
        "qwertyuiop12",
        "iloveyou2024!!",
        "123456789012",
        "PASSWORD!!!!",
        "zyxwvutsrqpo",
    ],
)
def test_one_of_the_lists_or_a_row_of_keys_is_known_with_digits_and_signs_around_it_too(password):
    assert code(password) == "password.known"


@pytest.mark.parametrize("password", ["ann.lee@example.org", "Ann.Lee@Example.Org", "ann.lee-123456!"])
def test_one_that_is_the_own_name_is_refused(password):
    assert code(password, "ann.lee@example.org") == "password.like-name"


def test_what_is_kept_is_argon2id_with_a_salt_and_matches_that_password_alone():
    one, other = passwords.hashed("a long enough word"), passwords.hashed("a long enough word")
    assert one != other
    assert one.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert passwords.matches(one, "a long enough word")
    assert not passwords.matches(one, "A long enough word")
    assert not passwords.outdated(one)


@pytest.mark.parametrize("kept", ["", "x", "$argon2id$v=19$m=1", "$2b$12$abcdefghijklmnopqrstuv"])
def test_what_is_no_hash_matches_nothing(kept):
    assert not passwords.matches(kept, "")
    assert not passwords.matches(kept, "x")


def test_where_there_is_no_password_the_same_work_is_done_and_nothing_matches(monkeypatch):
    asked = []

    class Counting:
        def verify(self, kept, password):
            asked.append((kept, password))
            return True

        def hash(self, _password):
            return "decoy"

    monkeypatch.setattr(passwords, "_HASHER", Counting())
    passwords._decoy.cache_clear()
    assert not passwords.matches(None, "a password that nobody has")
    assert asked == [("decoy", "a password that nobody has")]
    passwords._decoy.cache_clear()
