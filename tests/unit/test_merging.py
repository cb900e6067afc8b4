"""What a template may hold, what a recipient must have for it, and what is refused in which words."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.composing import ComposeError, MergeError, Message, fields_used, prepare
from mailing.merging import CODE_MAX, DEPTH_MAX, TEMPLATE_MAX
from tests.emails import FROM, bodies, fill


@pytest.mark.parametrize(
    "source", ["{{ city }}", "{{ city|upper }}", "{% if city == 'x' %}{% endif %}", "{{ city ~ name }}"]
)
@pytest.mark.parametrize("part", ["subject", "text", "html"])
def test_a_missing_field_is_named(source, part):
    parts = {"subject": "s", "text": "t", "html": "", part: source}
    with pytest.raises(MergeError, match="city: ") as caught:
        fill(Message(FROM, **parts))
    assert caught.value.field == "city"


@pytest.mark.parametrize(
    "source",
    [
        '{{ city or "x" }}',
        '{{ city|default("x") }}',
        '{{ city if city else "x" }}',
        '{{ city if city is defined else "x" }}',
        "{% if city %}{{ city }}{% else %}x{% endif %}",
    ],
)
def test_a_missing_field_may_be_covered_by_a_default(source):
    assert bodies(fill(Message(FROM, "s", source)))["text/plain"] == "x\n"


def test_an_empty_name_is_no_missing_name():
    assert bodies(fill(Message(FROM, "s", "[{{ name }}]"), name=""))["text/plain"] == "[]\n"


def test_a_value_that_a_template_cannot_use_is_a_merge_error():
    with pytest.raises(MergeError, match="text: "):
        fill(Message(FROM, "s", "{% if name < 5 %}x{% endif %}"))


@pytest.mark.parametrize("source", ["{{ x }}", "{{ x|trim }}"])
def test_a_value_that_is_no_unicode_text_is_a_merge_error(source):
    with pytest.raises(MergeError, match="no text") as caught:
        fill(Message(FROM, "s", source), fields={"x": "\ud800"})
    assert caught.value.field == "x"


def test_the_fields_used_are_those_of_all_parts():
    message = Message(
        FROM, "{{ a }}", "{{ name }}{# {{ no }} #}{% if b %}{{ c|default(d) }}{% endif %}", "{{ e ~ 'x' }}"
    )
    assert fields_used(message) == {"a", "b", "c", "d", "e", "name"}
    assert fields_used(Message(FROM, "s", "t")) == frozenset()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("\n{{ name", "Line 2 .*cannot be read"),
        ("{{ }}", "Line 1 .*cannot be read"),
        ("{% if name %}", "cannot be read"),
        ("{% unknown %}", "cannot be read"),
        ("\n\n{% for x in name %}{% endfor %}", "Line 3 .*a loop"),
        ("{% set x = 1 %}", "set"),
        ("{% include 'x' %}", "include"),
        ("{% import 'x' as x %}", "import"),
        ("{% extends 'x' %}", "extends"),
        ("{% block x %}{% endblock %}", "block"),
        ("{% macro x() %}{% endmacro %}", "macro"),
        ("{% call x() %}{% endcall %}", "call"),
        ("{% filter upper %}{% endfilter %}", "filterblock"),
        ("{{ range(10) }}", "function call"),
        ("{{ name.upper() }}", "function call|a dot"),
        ("{{ name.__class__ }}", "a dot"),
        ("{{ name[0] }}", "brackets"),
        ("{{ 'x' * 10000000000 }}", "arithmetic"),
        ("{{ 9 ** 9 ** 9 ** 9 }}", "arithmetic"),
        ("{{ name + 'x' }}", "~"),
        ("{{ name|replace('', 'x') }}", "the filter replace"),
        ("{% if name %}{{ name|center(1000000000) }}{% endif %}", "the filter center"),
        ("{{ name|safe }}", "the filter safe"),
        ("{% if name is divisibleby 0 %}{% endif %}", "the test divisibleby"),
        ("{{ self }}", "self"),
        ("{{ " + "9" * 5000 + " }}", "number"),
        ("{{ " + "(" * 5000 + "name" + ")" * 5000 + " }}", "nested"),
        ("{% if name %}" * 200 + "{% endif %}" * 200, "nested"),
        ("x" * 1_000_001, "Shorten"),
        ("\ud800", "no text"),
        ("\n{{ a|e }}" * 2000, "12,000 characters inside"),
        ("{{ a" + "|e" * DEPTH_MAX + " }}", "nested"),
    ],
    ids=lambda value: value[:20].encode("ascii", "replace").decode(),
)
def test_what_a_template_may_not_hold_is_refused_with_line_and_words(source, words):
    for message in (Message(FROM, "s", source), Message(FROM, "s", "t", source)):
        with pytest.raises(ComposeError, match=words) as caught:
            fields_used(message)
        assert caught.value.field == ("html" if message.html else "text")
        with pytest.raises(ComposeError, match=words):
            prepare(message, token="t", domain=None)


def test_an_escaped_default_cannot_be_smuggled_into_html():
    filled = fill(Message(FROM, "s", "t", "{{ city or x }}"), fields={"x": "<script>"})
    assert bodies(filled)["text/html"] == "&lt;script&gt;\n"


@pytest.mark.parametrize(
    "unit",
    [
        "{{a|e}}",
        "{{a|d(a|d(a|d(a)))}}",
        "{{a" + "|e" * 25 + "}}",
        "{{" + "(a or " * 20 + "a" + ")" * 20 + "}}",
        "{{" + "a~" * 5000 + "a}}",
        "{{'" + "%" * 11_000 + "'" + "|urlencode" * 25 + "}}",
        "{% if a %}" * 20 + "{% endif %}" * 20,
        "{##}",
        "{{",
        "{{ ",
        "1.",
        "x",
        "é",
        "  ",
    ],
    ids=lambda unit: unit[:12].encode("ascii", "replace").decode(),
)
def test_the_worst_template_is_prepared_or_refused_within_about_a_second(unit):
    """Of processor time, for all three parts together; the bound leaves room for a slow machine."""
    started = time.process_time()
    for size in (CODE_MAX, TEMPLATE_MAX):
        source = unit * (size // len(unit))
        try:
            prepare(Message(FROM, source, source, source), token="t", domain=None)
        except ComposeError as refusal:
            assert str(refusal)  # noqa: PT017  # either outcome is right
    assert time.process_time() - started < 5


def test_a_long_newsletter_with_a_field_in_every_paragraph_is_no_worst_template():
    source = ("Dear {{ name }},\n" + "word " * 100 + "\n") * 1000
    assert fields_used(Message(FROM, "s", source)) == {"name"}


@given(st.text(st.sampled_from("{}%# abc|()'\"\n~-.[]0*"), max_size=40))
def test_any_source_is_prepared_or_refused_with_a_sentence(source):
    try:
        prepare(Message(FROM, source, source, source), token="t", domain=None)
    except ComposeError as error:
        assert str(error).endswith((".", "}}"))  # noqa: PT017  # either outcome is right
