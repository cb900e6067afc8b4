"""What mailing says is known to the pages, so that they can say it in another language."""

from __future__ import annotations

import ast
import re

import pytest

from mailing import addresses, composing
from mailing.composing import ComposeError, MergeError, Message
from mailing.settings import ROOT
from tests.unit.test_languages import in_vietnamese
from webapp.phrases import say

ROOMS = (
    "campaigns",
    "database_errors",
    "decisions",
    "drafts",
    "findings",
    "foreign_headers",
    "foreign_mail",
    "foreign_text",
    "freetext",
    "headers",
    "mailboxes",
    "marks",
    "merging",
    "opening",
    "readiness",
    "rows",
    "smtp",
    "sweeping",
    "wire",
)
ELSEWHERE = {  # said to programs or in the log only, or part of a sentence that is known as a whole
    "headers": ("From must be one address", "It has a "),
    "marks": ("The 7 has more than", "It does not end"),
    "readiness": ("The message uses the merge field", "Add it to the list"),
}
SENTENCE = re.compile(r"(?=[A-Z@]).* .*[.]|differs from .*|same as .*", re.DOTALL)


def literal(node: ast.expr) -> str:
    """A string as it may come out, with 7 for what is computed."""
    if isinstance(node, ast.JoinedStr):
        return "".join(literal(part) for part in node.values)
    return str(node.value) if isinstance(node, ast.Constant) else "7"


def sentences(room: str):
    tree = ast.parse((ROOT / "mailing" / f"{room}.py").read_text())
    inner = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in ast.walk(node)
        if part is not node
    }
    silent = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in inner | silent:
            text = literal(node)
            if SENTENCE.fullmatch(text) and not text.startswith(ELSEWHERE.get(room, ())):
                yield text


@pytest.mark.parametrize("room", ROOMS)
def test_every_sentence_of_mailing_has_its_translation(room: str):
    said = list(sentences(room))
    assert said
    assert [text for text in said if in_vietnamese(lambda text=text: say(text)) == text] == []


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
        assert in_vietnamese(lambda reason=reason: say(reason)) != reason
        assert say(reason) == reason


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
        composing.prepare(message, token="0", domain=None)
    said = in_vietnamese(lambda: say(str(fault.value)))
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
    message = composing.prepare(Message("a@b.example", "s", source), token="0", domain=None)
    with pytest.raises(MergeError) as fault:
        message.fill(1, "a@b.example", "Ann", fields, 0)
    said = in_vietnamese(lambda: say(str(fault.value)))
    assert said != str(fault.value)
    assert not re.search(r"\b(?:The|This|is|cannot|where|message)\b", said)


def test_values_are_kept_and_words_of_ours_are_translated():
    text = "Campaign 7 is draft, so it cannot resume. It allows: edit, send."
    said = "Chiến dịch 7 đang là bản nháp nên không thể tiếp tục. Có thể: sửa, gửi."
    assert in_vietnamese(lambda: say(text)) == said


@pytest.mark.parametrize("text", ["550 5.1.1 no such user", "", "Whatever a server may say"])
def test_a_server_s_own_words_stay_as_they_are(text):
    assert in_vietnamese(lambda: say(text)) == text
