"""Codes of an authenticator app, by the clock that they are given."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.accounts import totp

RFC_6238 = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # appendix B: 12345678901234567890


@pytest.mark.parametrize(
    ("at_s", "code"),
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")],
)
def test_the_codes_of_the_rfc_are_right_each_in_its_step(at_s: int, code: str):
    assert totp.step(RFC_6238, code, at_s) == at_s // 30
    assert totp.step(RFC_6238, f" {code[:3]} {code[3:]} ", at_s) == at_s // 30


def test_a_clock_may_be_wrong_by_one_step_and_no_more():
    code = pyotp.TOTP(RFC_6238).at(3000)
    assert [totp.step(RFC_6238, code, at_s) for at_s in (2939, 2970, 3000, 3059, 3060)] == [
        *(None, 100, 100, 100, None)
    ]


@given(st.text(max_size=200))
def test_what_is_no_code_is_refused_whatever_it_is(typed: str):
    assert totp.step(RFC_6238, typed + "x", 59) is None


def test_a_secret_has_160_bits_and_an_app_reads_whose_it_is():
    secret = totp.make()
    read = urlsplit(totp.address(secret, "ann+x@example.org"))
    assert len(secret) == 32
    assert len({totp.make() for _ in range(50)}) == 50
    assert (read.scheme, read.netloc, read.path) == ("otpauth", "totp", "/Volley:ann%2Bx%40example.org")
    assert parse_qs(read.query) == {"secret": [secret], "issuer": ["Volley"]}
