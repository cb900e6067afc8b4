"""Conditions: what a contact's field must say."""

from __future__ import annotations

import pytest

from mailing.addresses.findings import Entry
from mailing.contacts.conditions import Condition, Op
from mailing.core.reasons import UnfitError

COMPOSED, DECOMPOSED = "Hu\u1ebf", "Hue\u0302\u0301"
ANN = Entry(1, "Ann@x.example", "Ann Lee", {"city": " Hanoi ", "age": "30", "paid": True, "owes": 12.5})


@pytest.mark.parametrize(
    ("field", "op", "value", "holds"),
    [
        ("city", Op.EQUALS, "hanoi", True),
        ("city", Op.EQUALS, "Han", False),
        ("city", Op.IS_NOT, "Saigon", True),
        ("city", Op.IS_NOT, "HANOI", False),
        ("city", Op.IS_NOT, "", True),
        ("city", Op.CONTAINS, "NOI", True),
        ("city", Op.CONTAINS, "noy", False),
        ("city", Op.IS_EMPTY, "ignored", False),
        ("email", Op.CONTAINS, "@x.", True),
        ("name", Op.EQUALS, "ann lee", True),
        ("paid", Op.EQUALS, "true", True),
        ("paid", Op.GREATER, "0", False),
        ("age", Op.EQUALS, "30.0", True),
        ("age", Op.GREATER, "9", True),
        ("age", Op.GREATER, "30", False),
        ("owes", Op.LESS, "13", True),
        ("city", Op.LESS, "13", False),
        ("missing", Op.EQUALS, "x", False),
        ("missing", Op.IS_NOT, "x", True),
        ("missing", Op.CONTAINS, "x", False),
        ("missing", Op.IS_EMPTY, "", True),
        ("missing", Op.LESS, "1", False),
    ],
)
def test_a_field_is_compared_as_people_read_it(field, op, value, holds):
    assert Condition(field, op, value).holds(ANN) is holds


def test_how_unicode_composes_a_letter_makes_no_difference():
    assert Condition("city", Op.EQUALS, DECOMPOSED).holds_of(COMPOSED)
    assert Condition("city", Op.CONTAINS, COMPOSED).holds_of(f"in {DECOMPOSED}".upper())


def test_spaces_alone_are_empty():
    assert Condition("city", Op.IS_EMPTY).holds_of(" \t")


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        (("", Op.EQUALS, "x"), "audience.no-field-chosen"),
        (("f" * 101, Op.EQUALS, "x"), "audience.no-field-chosen"),
        (("age", Op.GREATER, "old"), "audience.no-number"),
        (("age", Op.LESS, ""), "audience.no-number"),
        (("age", Op.EQUALS, "x" * 1001), "audience.value-too-long"),
    ],
)
def test_a_condition_that_cannot_be_applied_says_why(condition, code):
    with pytest.raises(UnfitError) as told:
        Condition(*condition)
    assert told.value.reason.code == code


def test_it_is_the_same_after_it_was_kept_as_json():
    condition = Condition("age", Op.GREATER, "17")
    assert Condition.load(condition.dump()) == condition
