"""A fallback is written into a message with one click, and nothing else of the message changes."""

from dataclasses import replace

import pytest

from mailing.messages.compose import Message, prepare
from mailing.writing import fallbacks
from mailing.writing.written import Written, compile_message
from tests.support.messages import FROM


def written(subject, text, html=""):
    return Written(sender_from=FROM, subject=subject, text=text, html=html)


def text(source, field="name", fallback="friend"):
    return fallbacks.write(written("s", source), field, fallback).text


@pytest.mark.parametrize(
    ("source", "written"),
    [
        ("Dear {{ name }},", 'Dear {{ name or "friend" }},'),
        (
            "{{name}} {{ name }}\n{{- name -}}",
            '{{name or "friend"}} {{ name or "friend" }}\n{{- name or "friend" -}}',
        ),
        ("{{ name|title }}", '{{ (name or "friend")|title }}'),
        ("{{ name|first_name }}", '{{ name|first_name or "friend" }}'),
        ('{{ name|date("d M", "vi") }}', '{{ (name or "friend")|date("d M", "vi") }}'),
        ("a\r\n\r\nb {{ name }}\r\n", 'a\n\nb {{ name or "friend" }}\n'),
        (
            "{% raw %}{{ name }}{% endraw %}{{ name }}",
            '{% raw %}{{ name }}{% endraw %}{{ name or "friend" }}',
        ),
        ("{{ names }} {{ email }}", "{{ names }} {{ email }}"),
        ('{{ name or "you" }} {{ name|default("you") }}', '{{ name or "you" }} {{ name|default("you") }}'),
        (
            "{% if name %}{{ name }}{% else %}you{% endif %}",
            "{% if name %}{{ name }}{% else %}you{% endif %}",
        ),
        (
            "{% if city %}{{ name }}{% endif %}{% if name %}x{% endif %}{{ name }}",
            '{% if city %}{{ name or "friend" }}{% endif %}{% if name %}x{% endif %}{{ name or "friend" }}',
        ),
        ("no mark } {% 50 off", "no mark } {% 50 off"),
    ],
)
def test_only_where_a_field_has_no_fallback_it_gets_one(source, written):
    assert text(source) == written
    assert text(written) == written
    prepare(Message(FROM, "s", written), token="t", domain=None)


@pytest.mark.parametrize(
    "fallback", ['say "hi"', "back\\slash", "{{ email }}", "%} {% endif %}", "a\n b", "<b>"]
)
def test_whatever_the_fallback_is_it_is_printed_as_it_was_written(fallback):
    message = fallbacks.write(written("{{ name }}", "{{ name }}.", "<p>{{ name }}"), "name", fallback)
    prepared = prepare(compile_message(message), token="t", domain=None)
    mail = prepared.fill(1, "a@x.example", "", None, 0).data.decode()
    assert " ".join(fallback.split()) in mail


def test_the_preview_text_gets_its_fallback_too():
    given = replace(written("s", "t"), preheader="For {{ name }}")
    assert fallbacks.write(given, "name", "you").preheader == 'For {{ name or "you" }}'


def test_what_lacks_a_fallback_is_found_in_every_part_and_told_once():
    message = Message(
        FROM, "{{ city }}", "{{ name }} {{ city }}{% if tel %}{{ tel }}{% endif %}", "{{ tel }}"
    )
    assert fallbacks.lacking(message) == ["city", "name", "tel"]
    assert fallbacks.lacking(Message(FROM, "s", "{{ name")) == []
