"""What a template may hold, what a recipient must have for it, and what is refused in which words."""

import re
import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mailing.messages.compose import ComposeError, MergeError, Message, fields_used, prepare
from mailing.messages.templates import CODE_MAX, DEPTH_MAX, TEMPLATE_MAX
from tests.support.messages import FROM, bodies, fill, read


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


AS_TYPED = [
    "{#id{color:red}} #top{a:b}",
    "{# a remark #}",
    "a{#b",
    "#}",
    "{%25 off%}",
    "{% 50 off %}",
    "100 {%",
    "%} and }} and }",
    "{{{",
    "{{",
    "{{ ",
    "{",
    "{{{}",
    "{{.x}} {{#each}} {{/if}} {{> part}} {{!-- no --}} {{$x}}",
    "{%- 5",
    "{% %} {%%}",
    "{% iffy %} {% forward %} {% elsewhere %} {% settle %}",
    "{% if_only %}",
    "{{ {1: 2} }} {{ - 5 }} {{ * }}",
    "{% unknown %}",
    "{% from 10 to 20 o'clock %}",
    "## heading\n# for x in y\n#- if\n% if x:\n%% endif",
    "@media print{.a{color:red}}body{margin:0}",
    "function(){if(a){b()}}",
    "C:\\new\\{x} \\n \\u00e9 \\{{\\}}",
    "${x} <%= x %> [[x]] {x} %s %(x)s {0} $x",
    "tab\tand \x0b and \x0c and \u2028 and \x85 end",
    "two\n\n\n",
    "  indented\n  \n",
]


@pytest.mark.parametrize("source", AS_TYPED, ids=lambda source: ascii(source)[:20])
@pytest.mark.parametrize("field", ["", "{{ name }}", "{% if name %}{% endif %}"])
def test_what_is_none_of_volley_s_words_arrives_as_typed(source, field):
    expected = source + field.replace("{{ name }}", "Ann").replace("{% if name %}{% endif %}", "")
    expected = expected if (source + field).endswith("\n") else expected + "\n"
    message = Message(FROM, "s", source + field, source + field)
    assert bodies(fill(message)) == {"text/plain": expected, "text/html": expected}


@pytest.mark.parametrize("subject", ["{#5} 100 {% off {{", "{% 50 % off %}", "Re: [x] {name} #}"])
def test_a_subject_arrives_as_typed(subject):
    assert read(fill(Message(FROM, subject, "t")))["Subject"] == subject


not_ours = st.lists(
    st.text(max_size=20)
    | st.sampled_from(["{#", "#}", "{%", "%}", "{", "}", "}}", "{{{", "-%}", "\n", "%", "#"])
).map("".join)


@given(not_ours)
def test_any_text_without_our_words_arrives_byte_for_byte(source):
    """Whatever braces it has, while no field and no known word follows them."""
    assume(not re.search(r"\{\{[-+]?\s*[\w\"'(\[]|\{\{[-+]?\s*\}\}|\{%[-+]?\s*[a-z]", source))
    expected = source.replace("\r\n", "\n").replace("\r", "\n")
    expected = expected if expected.endswith("\n") else expected + "\n"
    assert bodies(fill(Message(FROM, "s", f"x{source}")))["text/plain"] == f"x{expected}"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{{ name }}}", "{Ann}"),
        ("{{name}}{{ name }}", "AnnAnn"),
        ("{{ '}}' }}{{ \"{{ name }}\" }}", "}}{{ name }}"),
        ("{{ '{% if %}' }}", "{% if %}"),
        ("{%if name%}a{%else%}b{%endif%}", "a"),
        ("{% if x %}a{% elif name %}b{% else %}c{% endif %}", "b"),
        ("{% if x %}a{% endif %}{% if not x %}{% if name %}b{% endif %}c{% endif %}", "bc"),
        ("{%- if name -%} a {%- endif -%} b", "ab"),
        ("x  {{- name -}}  y", "xAnny"),
        ("a {%+ if name +%} b{%+ endif %}", "a  b"),
        ("{% raw %}{{ name }} {% if %}{% endraw %}", "{{ name }} {% if %}"),
        ("a {%- raw -%} {{ x }} {%- endraw -%} b", "a{{ x }}b"),
        ("{% if name %}{#id{}} {% 5 %}{% endif %}", "{#id{}} {% 5 %}"),
        ("{{ name\n}}", "Ann"),
    ],
)
def test_fields_and_conditions_work_beside_braces_of_the_writer(source, expected):
    assert bodies(fill(Message(FROM, "s", source)))["text/plain"] == expected + "\n"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{{ first-name }}", r"Write \{\{ first_name \}\}"),
        ("{{ first name }}", r"Write \{\{ first_name \}\}"),
        ("{{ First-Name or 'you' }}", r"Write \{\{ first_name \}\}"),
        ("{% if date-of-birth %}x{% endif %}", r"Write \{\{ date_of_birth \}\}"),
        ("{{ name or last-name }}", r"Write \{\{ last_name \}\}"),
        ("{{ 5 - 3 }}", "arithmetic"),
        ("\n\n  {{ name ", "line 3 of the text, column 3: .*Add }}"),
        ("{{ name }", "Add }}"),
        ("{{ don't }}\nmore", r"\{\{ don't \}\}. .*quotation mark"),
        ("a {% if name %", "column 3: .*Add %}"),
        ("{% if name %}\n{% if email %}{% endif %}", "line 1 .*Missing {% endif %}"),
        ("{% if name %}{% if email %}\n{% if x %}{% endif %}", "column 14: .*Missing {% endif %}"),
        ("x{% endif %}", "column 2: .*Missing {% if %} before"),
        ("{% else %}", "Missing {% if %} before"),
        ("{% if a %}{% else %}{% else %}{% endif %}", "Missing {% if %} before"),
        ("{% if a %}{% else %}{% elif b %}{% endif %}", "Missing {% if %} before"),
        ("{% if a %}{% else if b %}{% endif %}", "elif"),
        ("{% if %}{% endif %}", "There's an error in line"),
        ("{% if a b %}{% endif %}", "There's an error in line"),
        ("{% endraw %}", "Missing {% raw %} before"),
        ("{% raw %}{{ x }}", "Missing {% endraw %}"),
        ("{{ name, email }}", "a list"),
        ("{{ [name]|first }}", "a list"),
        ("{{ ({'a': 1}) }}", "braces within braces"),
        ("{{ super }}", "super"),
        (r"{{ '\ud800' }}", "an invalid character in quotes"),
        ("{% with x = 1 %}", "with"),
        ("{% from 'x' import y %}", "import"),
        ("{% endfor %}", "a loop"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place_and_what_to_write(source, words):
    with pytest.raises(ComposeError, match=words) as caught:
        prepare(Message(FROM, "s", source), token="t", domain=None)
    assert caught.value.field == "text"


@pytest.mark.parametrize(
    "attack",
    [
        "name.__class__",
        "name['__class__']",
        "name|attr('__class__')",
        "name()",
        "self._TemplateReference__context",
        "[].append(1)",
        "''.__class__.__mro__",
        "cycler.__init__.__globals__",
        "lipsum.__globals__",
        "namespace(x=1)",
        "joiner()",
        "dict(a=1)",
        "range(9)",
        "caller()",
        "loop.index",
        "varargs[0]",
        "x if y else z.w",
        "('%s' % name)",
        "'{0.__class__}'.format(name)",
        "name|format(1)",
        "name|map('upper')",
        "name|list",
        "name|operand",
        "name|pprint",
        "name|random",
        "name|groupby('x')",
        "name|join(name)",
        "name|xmlattr",
        "name|tojson",
        "name|wordwrap(1)",
        "name|indent(9999999)",
        "name|batch(1)",
        "name is callable",
        "name is sameas name",
        "name is filter",
        "name ** 9",
        "name * 9",
        "name // 2",
        "name % 2",
        "(- name)",
        "name[1:2]",
        "({1: 2})",
        "[x for x in name]",
        "(lambda: 1)()",
        "await name",
        "name := 1",
        "__import__('os')",
        "name.format",
        "'a' 'b'.join",
        "true.real",
        "1.0.hex()",
        "name if name.x",
        "(name|e).x",
        "((name))()",
        "[name, [email]].x",
        "name == email.x",
        "name in email()",
        "name|default(email.x)",
        "name|truncate(length=email())",
        "not name.x",
    ],
)
@pytest.mark.parametrize(
    "shape", ["{{ X }}", "{% if X %}{% endif %}", "{% if name %}{% elif X %}{% endif %}"]
)
@pytest.mark.parametrize("part", ["subject", "text", "html"])
def test_the_sandbox_lets_nothing_but_values_in(attack, shape, part):
    parts = {"subject": "s", "text": "t", "html": "", part: shape.replace("X", attack)}
    with pytest.raises(ComposeError):
        prepare(Message(FROM, **parts), token="t", domain=None)


@pytest.mark.parametrize("name", ["{{ email }}", "{% if x %}", "{# #}", "{{ 7 * 7 }}", "%(x)s", "{0}", "<b>"])
def test_a_value_is_never_read_as_a_template(name):
    source = "{{ name }}{% if name %}{{ name }}{{ name ~ name|trim }}{% endif %}"
    assert bodies(fill(Message(FROM, "s", source), name=name))["text/plain"] == name * 4 + "\n"


@pytest.mark.parametrize("source", ["{{ x }}", "{{ x|trim }}"])
def test_a_value_that_is_no_unicode_text_is_a_merge_error(source):
    with pytest.raises(MergeError, match="x: The value contains an invalid character") as caught:
        fill(Message(FROM, "s", source), fields={"x": "\ud800"})
    assert caught.value.field == "x"


def test_the_fields_used_are_those_of_all_parts():
    message = Message(
        FROM, "{{ a }}", "{{ name }}{# {{ too }} #}{% if b %}{{ c|default(d) }}{% endif %}", "{{ e ~ 'x' }}"
    )
    assert fields_used(message) == {"a", "b", "c", "d", "e", "name", "too"}
    assert fields_used(Message(FROM, "s", "t")) == frozenset()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("\n{{ name", "error in line 2 "),
        ("{{ }}", "error in line 1 "),
        ("{% if name %}", "There's an error in line"),
        ("\n\n{% for x in name %}{% endfor %}", "Line 3 .*a loop"),
        ("{% set x = 1 %}", "set"),
        ("{% include 'x' %}", "include"),
        ("{% import 'x' as x %}", "import"),
        ("{% extends 'x' %}", "extends"),
        ("{% block x %}{% endblock %}", "block"),
        ("{% macro x() %}{% endmacro %}", "macro"),
        ("{% call x() %}{% endcall %}", "call"),
        ("{% filter upper %}{% endfilter %}", "filter"),
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
        ("{{ " + "9" * 5000 + " }}", "too complex"),
        ("{{ " + "(" * 5000 + "name" + ")" * 5000 + " }}", "too complex"),
        ("{% if name %}" * 200 + "{% endif %}" * 200, "too complex"),
        ("x" * 1_000_001, "Shorten"),
        ("\ud800", "contains an invalid character"),
        ("\n{{ a|e }}" * 2000, "12,000 characters inside"),
        ("{{ a" + "|e" * DEPTH_MAX + " }}", "too complex"),
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
