"""Values keep their type: they print as people write them, and compare as people mean it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.messages.compose import MergeError, Message
from mailing.messages.values import Kind, kind, printed
from tests.support.messages import FROM, bodies, fill


def says(source, html=False, **fields):
    """What a body prints, apart from its last line break."""
    message = Message(FROM, "s", "", source) if html else Message(FROM, "s", source)
    (body,) = bodies(fill(message, fields=fields)).values()
    return body.removesuffix("\n")


@pytest.mark.parametrize("html", [False, True])
@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (18, "18"),
        (-7, "-7"),
        (0, "0"),
        (18.0, "18"),
        (1.5, "1.5"),
        (-0.0, "0"),
        (1e20, "100000000000000000000"),
        (1e-7, "0.0000001"),
        (1234567.25, "1234567.25"),
        (2**63, "9223372036854775808"),
        (True, "true"),
        (False, "false"),
        ("0018", "0018"),
        ("1e5", "1e5"),
        ("True", "True"),
    ],
)
def test_a_value_prints_as_people_write_it(html, value, shown):
    assert printed(value) == shown
    for source in (
        "{{ x }}",
        "{{ x ~ '' }}",
        "{{ x|trim }}",
        "{{ x if true }}",
        "{% if true %}{{ x }}{% endif %}",
    ):
        assert says(source, html, x=value) == shown


def test_a_value_prints_alike_in_the_subject():
    filled = fill(Message(FROM, "{{ n }} {{ vip }} {{ n ~ vip }}", "t"), fields={"n": 18.0, "vip": False})
    assert b"\r\nSubject: 18 false 18false\r\n" in filled.data


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_any_number_prints_as_itself_without_an_exponent(number):
    shown = printed(number)
    assert float(shown) == number
    assert "e" not in shown.lower()
    assert not shown.endswith(".0")


@pytest.mark.parametrize("html", [False, True])
@pytest.mark.parametrize(
    ("condition", "fields", "holds"),
    [
        ("vip", {"vip": False}, False),
        ("vip", {"vip": True}, True),
        ("not vip", {"vip": False}, True),
        ("n", {"n": 0}, False),
        ("n", {"n": 0.0}, False),
        ("n", {"n": -1}, True),
        ("city", {"city": ""}, False),
        ("age == 18", {"age": 18}, True),
        ("age == 18", {"age": 18.0}, True),
        ("age == 18", {"age": "18"}, True),
        ("age == 18", {"age": "18.0"}, True),
        ("age == 18", {"age": " 18 "}, True),
        ("18 == age", {"age": "18"}, True),
        ("age == '18'", {"age": 18}, True),
        ("age != 18", {"age": "18"}, False),
        ("age == 18", {"age": "eighteen"}, False),
        ("age == 18", {"age": ""}, False),
        ("age is eq 18", {"age": "18"}, True),
        ("age is ne 18", {"age": "18"}, False),
        ("age in [17, 18]", {"age": "18"}, True),
        ("age in ['17', '18']", {"age": 18}, True),
        ("age not in [17, 18]", {"age": "18"}, False),
        ("age >= 18", {"age": "9"}, False),
        ("age >= '18'", {"age": "9"}, False),
        ("age > low", {"age": "10", "low": "9"}, True),
        ("17.5 < age < 18.5", {"age": "18"}, True),
        ("age|trim == 18", {"age": " 18"}, True),
        ("age|int >= 18", {"age": "18 years"}, False),
        ("zip == '0018'", {"zip": "18"}, False),
        ("n < -1.5", {"n": -2}, True),
        ("n == -2", {"n": "-2"}, True),
        ("a < b", {"a": "Anna", "b": "Bert"}, True),
        ("vip == true", {"vip": True}, True),
        ("vip == true", {"vip": False}, False),
        ("vip == 'true'", {"vip": True}, True),
        ("vip == 1", {"vip": True}, True),
        ("'8' in age", {"age": "18"}, True),
        ("age and age > 5", {"age": ""}, False),
        ("city is defined and city == 'Hue'", {}, False),
    ],
)
def test_a_condition_holds_as_people_mean_it(html, condition, fields, holds):
    source = f"{{% if {condition} %}}yes{{% else %}}no{{% endif %}}"
    assert says(source, html, **fields) == ("yes" if holds else "no")
    assert says(f"{{{{ 'yes' if {condition} else 'no' }}}}", html, **fields) == ("yes" if holds else "no")


@pytest.mark.parametrize(
    ("source", "fields", "words"),
    [
        (
            "a\n b{% if age > 18 %}{% endif %}",
            {"age": "n/a"},
            "Line 2 of the text, column 3: .*age is a t",
        ),
        ("{% if age > 18 %}{% endif %}", {"age": ""}, "age is empty"),
        ("{% if 5 < vip|trim %}{% endif %}", {"vip": True}, "vip is true"),
        ("{{ age|length }}", {"age": 18}, "column 1: .*age is a number"),
        ("{{ ''|first }}", {}, r"column 1: \{\{ ''\|first \}\} can't be computed\."),
        ("{{ city|truncate(5, 1, 2, 3, 4, 5, 6) }}", {"city": "Hue"}, "city is a text"),
        ("{% if name in 5 %}{% endif %}", {}, "name is a text"),
    ],
)
def test_what_cannot_be_worked_out_is_named_with_its_place_and_the_kind_of_value(source, fields, words):
    with pytest.raises(MergeError, match=words) as caught:
        fill(Message(FROM, "s", source), fields=fields)
    assert caught.value.field == "text"
    assert "Undefined" not in str(caught.value)
    assert "'str'" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", Kind.EMPTY),
        ("Hue", Kind.TEXT),
        ("a5", Kind.TEXT),
        ("1.2.3", Kind.TEXT),
        (" -18.50", Kind.NUMERAL),
        ("18\n", Kind.BROKEN),
        ("a\r\nb", Kind.BROKEN),
        (True, Kind.TRUE),
        (False, Kind.FALSE),
        (0, Kind.ZERO),
        (0.0, Kind.ZERO),
        (3, Kind.NUMBER),
        (math.pi, Kind.NUMBER),
    ],
)
def test_a_value_has_the_kind_that_decides_what_a_template_can_do_with_it(value, expected):
    assert kind(value) == expected
