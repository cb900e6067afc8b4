"""A message is checked against the shapes of a list: for whom it cannot be filled, and why."""

from __future__ import annotations

import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.campaigns.readiness import faults
from mailing.core.reasons import Reason
from mailing.lists import shapes
from mailing.lists.shapes import FIELDS_MAX, SHAPES_MAX, survey
from mailing.messages.compose import MergeError, Message, prepare
from tests.support.messages import FROM


def found(source, people, subject="s"):
    """The faults of a text for people, each with name and fields; also after the shapes were stored."""
    listed = [(f"p{n}@x.example", name, fields) for n, (name, fields) in enumerate(people)]
    surveyed = survey(listed)
    again = shapes.load(json.loads(json.dumps(shapes.dump(surveyed))))
    message = Message(FROM, subject, source)
    first = faults(message, len(listed), surveyed)
    assert faults(message, len(listed), again) == first
    return [*map(str, first)]


def test_what_everybody_has_is_no_fault():
    assert found("{{ name }} {{ email }} {{ city }}", [("Ann", {"city": "Hue"}), ("", {"city": ""})]) == []


def test_a_field_that_some_lack_is_told_with_how_many_and_some_of_their_addresses():
    people = [("A", {"city": "Hue"})] * 1_000 + [("A", None)] * 312
    (fault,) = found("{{ city }}", people)
    assert "{{ city }}, but these recipients have no value: p1000@x.example, p1001@x.example" in fault
    assert "and 307 more (312 of 1,312)" in fault
    assert "p999@" not in fault


def test_all_missing_fields_are_told_at_once():
    told = found("{{ city }}{{ street }}{{ zip }}", [("A", {"city": "x"}), ("B", {"zip": "1"})])
    assert {fault.split("{{ ")[1].split(" }}")[0] for fault in told} == {"city", "street", "zip"}


def test_one_fault_hides_no_other():
    people = [("A", {"age": "n/a" if n < 20 else "5"}) for n in range(100)]
    told = found("{% if age > 3 %}x{% endif %}{{ city }}{{ AGE }}{{ city|upper }}", people)
    assert len(told) == 3
    assert any("{{ city }}, but the list has no such column" in fault for fault in told)
    assert any("Did you mean {{ age }}?" in fault for fault in told)
    assert any("20 of 100 recipients" in fault for fault in told)


def test_a_missing_field_is_told_once_and_not_again_for_a_condition_on_it():
    (fault,) = found("{% if age > 3 %}x{% endif %}{{ age }}", [("A", None)])
    assert "{{ age }}, but the list has no such column" in fault


@pytest.mark.parametrize("field", ["First_Name", "City", "NAME", "Email"])
def test_a_field_that_is_written_otherwise_in_the_list_is_offered(field):
    (fault,) = found(f"{{{{ {field} }}}}", [("A", {"first_name": "x", "city": "y"})])
    assert f"Did you mean {{{{ {field.lower()} }}}}?" in fault


@pytest.mark.parametrize(
    ("condition", "bad"),
    [
        ("age > 18", {"age": "n/a"}),
        ("age > 18", {"age": ""}),
        ("age > 18", {"age": "12\n"}),
        ("name < 5", {}),
        ("age|length > 2", {"age": 18}),
        ("'x' in vip", {"vip": True}),
        ("'x' in vip", {"vip": False}),
        ("'x' in n", {"n": 0}),
    ],
)
def test_a_type_error_is_told_with_its_place_and_for_whom_before_anything_is_sent(condition, bad):
    fine = {"age": "19", "vip": "xx", "n": "xx"}
    text = f"line one\n  {{% if {condition} %}}x{{% endif %}}"
    people = [("7", fine)] * 3 + [("Ann", fine | bad)] * 2
    told = found(text, people if "length" not in condition else people[3:])
    assert len(told) == 1
    assert f"Line 2 of the text, column 3: {{% if {condition} %}} can't be computed when" in told[0]
    assert "2 of " in told[0]
    assert "p0@" not in told[0] or "length" in condition
    assert "no value" not in told[0]
    assert "has no such field" not in told[0]


def test_a_line_break_in_a_value_of_the_subject_is_told_before_anything_is_sent():
    people = [("A", {"city": "Hue"}), ("B", {"city": "Hue\r\nBcc: x@y.example"})]
    (fault,) = found("t", people, subject="News of {{ city }}")
    assert "city" in fault
    assert "1 of 2 recipients: p1@x.example" in fault
    assert found("News of {{ city }}", people) == []


def test_a_field_that_only_a_condition_uses_matters_where_the_condition_holds():
    text = "{% if city %}{{ street }}{% endif %}"
    assert found(text, [("A", {"city": "x", "street": "y"}), ("B", {"city": ""}), ("C", None)]) == []
    (fault,) = found(text, [("A", {"city": "x", "street": "y"}), ("B", {"city": "x"})])
    assert "street" in fault


def test_how_long_the_message_may_get_is_told_before_anything_is_sent():
    (fault,) = found("{{ city }}" * 300, [("A", {"city": "x" * 60_000}), ("B", {"city": "x"})])
    assert "18 MB; the limit is 10 MB" in fault
    assert "{{ city }} accounts for 18 MB: it is used 300 times" in fault


def test_nobody_to_mail_is_a_fault():
    assert faults(Message(FROM, "s", "t"), 0, survey([])) == (Reason("list-fault.no-addresses"),)


def test_a_message_that_cannot_be_read_is_a_fault_and_no_crash():
    assert "error in line 1" in found("{{ name", [("A", None)])[0]


def sparse(n, fields=12):
    """People with one of many combinations of fields."""
    return [("A", {f"f{i}": "v" for i in range(fields) if number >> i & 1}) for number in range(n)]


def test_more_shapes_than_are_kept_are_on_the_safe_side():
    people = sparse(4_000)
    surveyed = survey([(f"p{n}@x.example", name, fields) for n, (name, fields) in enumerate(people)])
    assert len(surveyed.known) == SHAPES_MAX
    assert surveyed.rest_n == 4_000 - SHAPES_MAX
    lacking = sum("f7" not in fields for _, fields in people)
    (fault,) = found("{{ f7 }}", people)
    assert f"({lacking:,} of 4,000)" in fault
    assert found("{{ f7 or 'x' }}{% if f3 %}{{ f3 }}{% endif %}{{ name }}", people) == []
    (fault,) = found("{{ f99 }}", people)
    assert "no such column" in fault
    (fault,) = found(
        "{% if f0 > 5 %}{% endif %}{{ f1 or '' }}", [("A", fields | {"f0": "v"}) for _, fields in people]
    )
    assert "4,000 of 4,000" in fault


@pytest.mark.parametrize("rows", [20_000])
def test_what_is_kept_of_a_list_is_bounded_whatever_its_fields_are(rows):
    people = ((f"p{n}@x.example", "A", {f"f{n}_{i}": "v" * i for i in range(20)}) for n in range(rows))
    tracemalloc.start()
    try:
        surveyed = survey(people)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 150_000_000
    assert len(surveyed.longest) <= FIELDS_MAX
    assert len(json.dumps(shapes.dump(surveyed))) < 2_000_000
    (fault,) = faults(Message(FROM, "s", f"{{{{ f{rows - 1}_3 }}}}"), rows, surveyed)
    assert fault.code in {"list-fault.no-value", "list-fault.no-column"}


def test_fields_in_another_order_are_the_same_shape():
    people = [("a@x.example", "A", {"x": "1", "y": ""}), ("b@x.example", "B", {"y": "", "x": "2"})]
    assert [shape.n for shape in survey(people).known] == [2]


def test_lists_that_are_surveyed_one_after_the_other_count_as_one():
    listed = [
        (f"p{n}@x.example", "A" * (n % 3), fields) for n, (_, fields) in enumerate(sparse(60, fields=3))
    ]
    whole, parts = survey(listed), survey(listed[:7]).plus(survey(listed[7:]))
    assert {shape.n: dict(shape.kinds) for shape in parts.known} == {
        shape.n: dict(shape.kinds) for shape in whole.known
    }
    assert sorted(shape.n for shape in parts.known) == sorted(shape.n for shape in whole.known)
    assert parts.longest == whole.longest
    many = [(f"p{n}@x.example", "A", fields) for n, (_, fields) in enumerate(sparse(4_000))]
    parts = survey(many[:2_000]).plus(survey(many[2_000:]))
    assert (len(parts.known), sum(shape.n for shape in parts.known) + parts.rest_n) == (SHAPES_MAX, 4_000)
    lacking = sum("f7" not in fields for _, _, fields in many)
    (fault,) = faults(Message(FROM, "s", "{{ f7 }}"), 4_000, parts)
    assert f"({lacking:,} of 4,000)" in str(fault)


VALUES = st.one_of(
    st.sampled_from(["", "x", "18", " 5 ", "n/a", "a\nb", "true"]),
    st.integers(-2, 20),
    st.floats(-2, 2),
    st.booleans(),
)
SOURCES = st.lists(
    st.sampled_from(
        [
            "{{ a }}",
            "{{ b|upper }}",
            "{{ a or b }}",
            "{% if a %}{{ b }}{% endif %}",
            "{% if a > 3 %}x{% endif %}",
            "{{ a|length }}",
            "{{ b|first }}",
            "{{ 'x' in a }}",
            "{% if a is defined and b %}{{ c }}{% else %}{{ name }}{% endif %}",
            "{{ c|default(a) }}",
        ]
    ),
    min_size=1,
    max_size=3,
).map("".join)
PEOPLE = st.lists(
    st.tuples(st.sampled_from(["", "Ann", "Ann Lee"]), st.dictionaries(st.sampled_from("abc"), VALUES)),
    min_size=1,
    max_size=6,
)


@given(SOURCES, SOURCES, PEOPLE)
def test_the_shapes_find_exactly_what_filling_everybody_finds(subject, text, people):
    """Where it depends on no more of a value than its kind, as in all these sources."""
    prepared = prepare(Message(FROM, subject, text), token="t", domain=None)
    fails = False
    for name, fields in people:
        try:
            prepared.fill(1, "ann@one.example", name, fields, 0)
        except MergeError:
            fails = True
    assert bool(found(text, people, subject)) == fails
