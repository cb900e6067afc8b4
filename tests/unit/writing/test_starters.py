"""The templates that come with Volley can be sent as they are, in both languages."""

from __future__ import annotations

from dataclasses import replace
from email import message_from_bytes
from email.policy import SMTP

import pytest

from mailing.messages.compose import prepare
from mailing.writing.sanitizing import findings
from mailing.writing.starters import KEYS, LANGUAGES, starter, starters
from mailing.writing.written import compile_message

FIELDS = {
    "number": "R-1001",
    "date": "2026-11-26",
    "item": "Notebook",
    "price": "1200.5",
    "shipping": "30",
    "total": 1230.5,
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("key", KEYS)
def test_a_starter_can_be_sent_and_has_a_text(key, language):
    found = starter(key, language)
    assert found
    assert found.name
    message = compile_message(replace(found.written, sender_from="Ann Lee <ann@example.org>"))
    assert findings(message.html) == ()
    assert len(message.html.encode()) < 12_000
    filled = prepare(message, token="t", domain=None).fill(1, "an@example.org", "Nguyễn Văn An", FIELDS, 0)
    mail = message_from_bytes(filled.data, policy=SMTP)
    text = mail.get_body(("plain",)).get_content()
    html = mail.get_body(("html",)).get_content()
    assert "An" in text
    assert "{{" not in text + html + mail["Subject"]
    assert 'lang="vi"' in html if language == "vi" else 'lang="vi"' not in html


@pytest.mark.parametrize(("language", "code"), [("en", 'number("en", 2)'), ("vi", 'number("vi")')])
def test_a_receipt_prints_its_sums_as_its_language_does(language, code):
    found = starter("receipt", language)
    assert found
    assert code in compile_message(found.written).text


def test_there_are_five_in_each_language_and_english_ones_for_any_other():
    assert [len(starters(language)) for language in LANGUAGES] == [5, 5]
    assert starters("fr") == starters("en")
    assert starter("nothing", "en") is None
