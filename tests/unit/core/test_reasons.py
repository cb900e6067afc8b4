"""What Volley tells is a code with values: each has its sentence, in every language, and loses nothing."""

from __future__ import annotations

import ast
import json
import pickle
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import pytest

from mailing.campaigns.lifecycle import NotAllowed
from mailing.core import reasons
from mailing.core.reasons import FIELDS, WORDING, Reason, UnfitError
from mailing.core.states import CampaignAction, CampaignState, RecipientAction
from mailing.messages.marks import FILTERS, ComposeError
from mailing.messages.values import MissingFieldError
from mailing.settings import ROOT
from mailing.smtp.rulebook import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCES = sorted(file for it in ("mailing", "tasks", "webapp") for file in (ROOT / it).rglob("*.py"))
GIVEN_BY = {"reason", "fault", "_fault"}  # methods that add a mark's place to the values that they get
FILES = {"conf", "toml"}  # endings of what is no code, such as redis.conf

NOT_ALLOWED = Reason(
    "campaign.not-allowed",
    id="7",
    state=Reason("state.draft"),
    action=Reason("action.resume"),
    offered=(Reason("action.edit"), Reason("action.send")),
)


class Call(NamedTuple):
    """Where a code is named with its values. ``whole``: the values are all that it gets."""

    place: str
    code: str
    values: frozenset[str]
    whole: bool


def trees() -> Iterator[tuple[str, ast.AST]]:
    for file in SOURCES:
        yield file.relative_to(ROOT).as_posix(), ast.parse(file.read_text())


def calls() -> Iterator[Call]:
    for name, tree in trees():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            first, called = node.args[0], node.func
            known = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if isinstance(first, ast.Constant) and known in {"Reason", *GIVEN_BY} and first.value in WORDING:
                given = frozenset(keyword.arg for keyword in node.keywords if keyword.arg)
                whole = known == "Reason" and all(keyword.arg for keyword in node.keywords)
                yield Call(f"{name}:{node.lineno}", first.value, given, whole)


def named() -> dict[str, set[str]]:
    """Every text that may be a code, and the beginning of every text that may become one, by topic."""
    topics = {code.partition(".")[0] for code in WORDING}
    found = defaultdict(set)
    for _, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                topic, dot, name = node.value.partition(".")
                if dot and topic in topics and not set(" /.") & set(name):
                    found[topic].add(name)
    return found


def test_every_code_that_the_program_names_has_its_sentence():
    assert [
        f"{topic}.{name}"
        for topic, names in named().items()
        for name in names
        if name and name not in FILES and f"{topic}.{name}" not in WORDING
    ] == []


def test_every_sentence_is_named_by_the_program():
    """An empty name: the code is put together of the topic and a word, such as a campaign's state."""
    found = named()
    unused = [
        code for code in WORDING for topic, _, name in [code.partition(".")] if not found[topic] & {"", name}
    ]
    assert unused == []


def test_each_reason_is_given_the_values_of_its_sentence():
    wrong = [
        (call.place, call.code, set(call.values ^ FIELDS[call.code]))
        for call in calls()
        if not (call.values == FIELDS[call.code] if call.whole else call.values <= FIELDS[call.code])
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("topic", "words"),
    [
        ("state", CampaignState),
        ("action", [*CampaignAction, *RecipientAction]),
        ("part", ["from", "subject", "preheader", "text", "html"]),
        ("check", [rule.ruling.check for rule in RULES if rule.ruling.check]),
    ],
)
def test_a_topic_of_words_has_exactly_the_words_there_are(topic, words):
    assert {code.partition(".")[2] for code in WORDING if code.startswith(f"{topic}.")} == {*map(str, words)}


def test_as_text_a_reason_is_its_english_sentence():
    assert str(Reason("mark.no-if")) == "Missing {% if %} before this."
    assert str(NOT_ALLOWED) == "Campaign 7 is draft: resume isn't possible. Possible actions: edit, send."
    assert str(Reason("list.too-many-addresses", most=1_000_000)).startswith(
        "A list can have at most 1,000,000"
    )
    assert str(Reason("construct.allowed", filters=FILTERS)).endswith("truncate, upper, urlencode")


def test_an_error_carries_its_reason_and_reads_as_its_sentence():
    error = pickle.loads(pickle.dumps(UnfitError(Reason("address.too-long", n=300, most=254))))
    assert error.reason == Reason("address.too-long", n=300, most=254)
    assert str(error) == "The address has 300 characters; the limit is 254."


@pytest.mark.parametrize(
    "error",
    [
        ComposeError("text", Reason("mark.no-if")),
        MissingFieldError("city"),
        NotAllowed(Reason("campaign.not-found"), Reason("row.empty")),
    ],
)
def test_an_error_survives_the_way_from_one_process_to_another(error):
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert (copy.reasons, str(copy), copy.__dict__) == (error.reasons, str(error), error.__dict__)


def test_what_is_stored_comes_back_as_it_was():
    assert reasons.load("", reasons.dump(NOT_ALLOWED)) == NOT_ALLOWED
    assert reasons.dump(Reason("row.empty")) == '{"code":"row.empty"}'


def test_a_server_s_own_words_are_never_a_code():
    said = '550 {"code": "row.empty"}'
    assert reasons.dump(said) is None
    assert reasons.load(said, None) == said


@pytest.mark.parametrize(
    "stored",
    [
        {"code": "row.of-a-later-version"},
        {"code": "address.too-long", "values": {"n": 300}},
        {"code": "message.field-is", "values": {"field": "x", "reason": {"code": "no.such"}}},
    ],
)
def test_what_another_version_stored_is_told_by_the_text_beside_it(stored):
    assert reasons.load("the sentence of its time", json.dumps(stored)) == "the sentence of its time"
