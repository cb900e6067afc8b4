"""Nothing is shown untranslated: the catalogue has every text, and no template speaks past it."""

from __future__ import annotations

import ast
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from jinja2 import Environment, nodes

from mailing.settings import ROOT
from tests.support.each import each
from webapp.i18n import __main__, languages
from webapp.i18n.__main__ import TEMPLATES, extracted, stored, written

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = {"Volley", "CSV", "JSON", "Message-ID", "Cc", "TLS"}  # the same in every language
SPOKEN = {"alt", "aria-label", "aria-description", "placeholder", "title"}
FIELD = re.compile(r"%\(\w+\)\w|%%|\{\w*\}")
SAID_TO_PROGRAMS = {
    "Redis does not answer",
    "Send the body as JSON, with the header Content-Type: application/json.",
    "This call came from another site's page. Make it from your own program.",
}
SENTENCE = re.compile(r"[A-Z][a-z]|\w+ \w+")
SPEECH = re.compile(r"[A-Z][a-z]+ [a-z]")  # how a sentence begins
TAG = re.compile(r"</?\w[^>]*>")
MUTE = re.compile(rf'(?!{"|".join(SPOKEN)})\b[\w-]+="[^"]*"')  # an attribute that a macro writes
HOLE = "\N{OBJECT REPLACEMENT CHARACTER}"  # stands for what a template computes


def forms(text: str | tuple[str, ...] | list[str]) -> list[str]:
    return [text] if isinstance(text, str) else list(text)


def test_the_catalogue_holds_exactly_the_texts_of_the_code():
    """Or run ``make translations``."""
    kept = {message.id for message in stored() if message.id}
    assert kept == {message.id for message in extracted() if message.id}
    assert not stored().obsolete


def test_every_text_is_translated_and_none_by_guess():
    assert [message.id for message in stored() if message.id and not __main__.done(message.string)] == []
    assert [message.id for message in stored() if message.id and message.fuzzy] == []


def test_a_translation_has_the_fields_and_the_tags_of_its_text():
    for message in stored():
        if not message.id:
            continue
        text, *_ = reversed(forms(message.id))  # the plural: Vietnamese has no other form
        for translation in forms(message.string):
            for pattern in (FIELD, TAG):
                assert sorted(pattern.findall(translation)) == sorted(pattern.findall(text)), message.id


def test_the_catalogue_is_kept_as_make_translations_writes_it():
    assert __main__.FILE.read_bytes() == written(stored())


def test_only_a_template_s_trans_block_may_hold_tags():
    """Any other text is escaped, so that a tag would be seen."""
    for file in TEMPLATES.rglob("*.html"):
        for call in Environment(extensions=["jinja2.ext.i18n"]).parse(file.read_text()).find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name in {"_", "ngettext"}:
                spoken = [argument.value for argument in call.args if isinstance(argument, nodes.Const)]
                assert not any(TAG.search(str(text)) for text in spoken), (file.name, spoken)


class _Words(HTMLParser):
    """What a reader would see or hear of a page's markup."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._silent = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in SPOKEN]
        if tag in {"code", "script", "style"}:
            self._silent = tag

    def handle_endtag(self, tag: str) -> None:
        if tag == self._silent:
            self._silent = ""

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.found.append(data)


def bare_words(source: str) -> Iterator[str]:
    """The words in a template's markup, and in texts that it computes, that no translation reaches."""
    tree = Environment(extensions=["jinja2.ext.i18n"]).parse(source)
    yield from sentences(tree)
    words = _Words()
    words.feed(markup(tree))
    words.close()
    for text in words.found:
        shown = MUTE.sub("", text.replace(HOLE, " "))
        if any(word not in NAMES for word in re.findall(r"[^\W\d_][\w-]*", shown)):
            yield text.strip()


def markup(node: nodes.Node) -> str:
    """The constant markup below a node, with a hole for each thing computed."""
    if isinstance(node, nodes.TemplateData):
        return node.data
    if isinstance(node, nodes.Output):
        return "".join(markup(child) for child in node.nodes)
    if isinstance(node, nodes.Expr):
        return HOLE
    return "".join(markup(child) for child in node.iter_child_nodes())


def sentences(node: nodes.Node) -> Iterator[str]:
    """The constants in an expression that look like a text: a capital or a space among letters."""
    if (
        isinstance(node, nodes.Call)
        and isinstance(node.node, nodes.Name)
        and node.node.name in __main__.MARKS
    ):
        return
    if (
        isinstance(node, nodes.Const)
        and isinstance(node.value, str)
        and SENTENCE.match(node.value)
        and node.value not in NAMES
    ):
        yield node.value
    for child in node.iter_child_nodes():
        yield from sentences(child)


@each(sorted(TEMPLATES.rglob("*.html")))
def test_a_template_says_nothing_but_by_the_catalogue(file):
    assert list(bare_words(file.read_text())) == []


@pytest.mark.parametrize(
    "source",
    [
        "<p>Hello</p>",
        '<p title="Hello">{{ x }}</p>',
        '<p title="{{ x }} of {{ y }}">{{ x }}</p>',
        "{% if x %}<p>{{ x }} rows</p>{% endif %}",
        '{{ "Canceled" if x else _("Finished") }}',
        '{% set heading = "Edit draft" %}',
    ],
)
def test_a_text_that_is_not_marked_is_found(source):
    """Or the test above would prove nothing."""
    assert list(bare_words(source))


def test_a_number_and_a_plural_follow_the_language():
    assert languages.ngettext("%(n)s email", "%(n)s emails", 1) == "1\N{NO-BREAK SPACE}email"


FOR_PROGRAMS = re.compile(
    r"(api|openapi|cli|programs)/|(lanes|senders|suppression|bounces|domains|received|mailboxes)/(programs|webhook_programs|hooks|door|warmups|forecasts|account_fields|purpose_fields)\b|(http/)?(probes|problems|serve)\b"
)  # rooms that speak English only


def unmarked(source: str) -> Iterator[str]:
    """The strings in Python code that look like a sentence for people, and that nothing marks."""
    waiting: list[ast.AST] = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SPEECH.match(node.value):
            yield node.value
        documents = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        marks = (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in __main__.MARKS
        )
        if not (documents or marks):
            waiting += ast.iter_child_nodes(node)


ROOMS = [
    file
    for file in (ROOT / "webapp").rglob("*.py")
    if not FOR_PROGRAMS.match(file.relative_to(ROOT / "webapp").as_posix())
]


@each(sorted(ROOMS))
def test_a_room_of_the_pages_says_nothing_but_by_the_catalogue(file):
    assert set(unmarked(file.read_text())) - SAID_TO_PROGRAMS == set()


def test_an_unmarked_sentence_is_found():
    assert list(
        unmarked('def f(n):\n    """Doc it."""\n    return f"There are {n} of them.", _("Found it.")')
    )
