"""When refusals are no longer one recipient's affair."""

import pytest

from mailing.ledger.evidence import Outcome, everybodys


def outcomes(marks: str) -> list[Outcome]:
    """``r`` refused so, ``+`` accepted, ``-`` something else; the last one first, each another recipient."""
    return [Outcome(at, mark == "+", mark == "r") for at, mark in enumerate(marks)]


@pytest.mark.parametrize(
    ("name", "marks", "n"),
    [
        ("dns", "r", 0),
        ("dns", "rr", 0),
        ("dns", "rrr", 3),
        ("dns", "r+r+r", 3),
        ("dns", "r" + "+" * 17 + "rr", 3),
        ("dns", "r" + "+" * 18 + "rr", 0),
        ("message", "r-r+r-r", 4),
        ("unknown", "rrr", 3),
        ("unknown", "rr+r", 0),
        ("unknown", "r-r-r+", 3),
        ("unknown", "+rrr", 0),
    ],
)
def test_a_refusal_is_everybodys_once_enough_were_refused_so(name, marks, n):
    assert everybodys(name, outcomes(marks), at_one_domain=False) == n


def test_one_recipient_that_is_refused_again_and_again_is_one_recipient():
    again = [Outcome(7, accepted=False, refused_so=True)] * 20
    assert everybodys("dns", again, at_one_domain=False) == 0


def test_what_may_be_the_whim_of_one_domain_is_not_everybodys():
    assert everybodys("dns", outcomes("rrr"), at_one_domain=True) == 3
    assert everybodys("unknown", outcomes("rrr"), at_one_domain=True) == 0
