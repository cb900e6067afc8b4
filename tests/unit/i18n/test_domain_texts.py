"""What mailing tells is worded in the reader's language, to its last word."""

from __future__ import annotations

import re

import pytest

from mailing.addresses import parsing as addresses
from mailing.core.reasons import Reason
from mailing.messages import compose
from mailing.messages.compose import ComposeError, MergeError, Message
from tests.unit.i18n.test_languages import in_vietnamese
from webapp.i18n.domain_texts import say, say_why


def test_the_reasons_of_a_list_are_translated():
    wrong = """nobody
        mia at six.example, a@b@c.example, @x.example, a@x, a@[1.2.3.4], x@1.2.3.4, <>
        a..b@c.example, .a@c.example, "a b"@c.example, a@-c.example, a@.c.example, a@c-.example
        a@c_d.example, a(b)c@d.example, a@c.local, a@c.d-
        A@b.example, a@b.example, a@b.example"""
    parsed = addresses.parse_pasted(wrong)
    assert len(parsed.refused) == 15
    assert len(parsed.noted) == 4
    for reason in (*(line.reason for line in parsed.refused), *(line.note for line in parsed.noted)):
        assert in_vietnamese(lambda reason=reason: say(reason)) != str(reason)
        assert say(reason) == str(reason)


@pytest.mark.parametrize(
    "message",
    [
        Message("nonsense", "s", "t", ""),
        Message("a@b.example", "s\nt", "t", ""),
        Message("a@b.example", "s", "{{ name", ""),
        Message("a@b.example", "s", "{{ name() }}", ""),
        Message("a@b.example", "{{ name.x }}", "t", ""),
        Message("{{ name }} <a@b.example>", "s", "t", ""),
        Message("a@b.example", "s", "{{ first-name }}", ""),
        Message("a@b.example", "s", "{{ don't }}", ""),
        Message("a@b.example", "s", "{% endif %}", ""),
        Message("a@b.example", "s", "{% if name %}", ""),
        Message("a@b.example", "s", "{% if name %}{% else if email %}", ""),
        Message("a@b.example", "s", "{% raw %}", ""),
        Message("a@b.example", "s", "{% if name %}" * 31, ""),
        Message("a@b.example", "s", "{{" + "(" * 5000 + "}}", ""),
        Message("a@b.example", "s", "{{ name }}" * 2000, ""),
        Message("a@b.example", "s", "\U0001f600" * 900_000, ""),
    ],
)
def test_the_faults_of_a_message_are_translated(message):
    with pytest.raises(ComposeError) as fault:
        compose.prepare(message, token="0", domain=None)
    said = in_vietnamese(lambda: say_why(fault.value))
    assert not re.search(r"\b(?:The|It|is|does|cannot|message)\b", said)


@pytest.mark.parametrize(
    ("source", "fields"),
    [
        ("{{ city }}", {}),
        ("{% if age > 5 %}{% endif %}", {"age": "old"}),
        ("{{ ''|first }}", {}),
        ("{{ city }}" * 300, {"city": "x" * 100_000}),
        ("{{ city|urlencode }}", {"city": "x" * 1_000_000}),
        ("{{ city }}", {"city": "\ud800"}),
    ],
)
def test_why_a_recipient_s_message_cannot_be_filled_is_translated_to_its_last_word(source, fields):
    message = compose.prepare(Message("a@b.example", "s", source), token="0", domain=None)
    with pytest.raises(MergeError) as fault:
        message.fill(1, "a@b.example", "Ann", fields, 0)
    said = in_vietnamese(lambda: say_why(fault.value))
    assert not re.search(r"\b(?:The|This|is|cannot|where|message)\b", said)


def test_values_are_kept_and_words_of_ours_are_translated():
    edit, send = Reason("action.edit"), Reason("action.send")
    state, action = Reason("state.draft"), Reason("action.resume")
    reason = Reason("campaign.not-allowed", id="1000", state=state, action=action, offered=(edit, send))
    said = "Chiến dịch 1000 đang là bản nháp nên không thể tiếp tục. Có thể: sửa, gửi."
    assert in_vietnamese(lambda: say(reason)) == said
    reason = Reason("foreign-mail.many-parts", most=1_000)
    assert say(reason).startswith("The message has more than 1,000 parts.")
    assert "1.000" in in_vietnamese(lambda: say(reason))


@pytest.mark.parametrize("text", ["550 5.1.1 no such user", "", "Whatever a server may say"])
def test_a_server_s_own_words_stay_as_they_are(text):
    assert in_vietnamese(lambda: say(text)) == text
