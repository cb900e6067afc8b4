"""Nothing that a user reads has a word that the glossary retired, ``docs/words.md``."""

from __future__ import annotations

import ast
import re
from functools import cache
from typing import TYPE_CHECKING

import pytest

from mailing.settings import ROOT
from tests.support.each import each
from webapp.i18n import __main__ as catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GLOSSARY = ROOT / "docs" / "words.md"
PYTHON = [file for room in ("mailing", "tasks", "webapp") for file in sorted((ROOT / room).rglob("*.py"))]
TEMPLATES = sorted(catalogue.TEMPLATES.rglob("*.html"))
SCRIPTS = sorted((ROOT / "static").glob("*.js"))
DOCUMENTS = [
    file for file in (*sorted(ROOT.glob("*.md")), *sorted(GLOSSARY.parent.rglob("*.md"))) if file != GLOSSARY
]
WORDED = sorted((ROOT / "mailing").rglob("*.toml"))
OPERATING = [ROOT / "Makefile", ROOT / ".env.example"]
ASIDE = re.compile(r"```.*?```|``[^`]+``|`[^`\n]+`", re.DOTALL)  # code: names stay
LITERAL = re.compile(r'"(?:[^"\\\n]|\\.)*"' + r"|'(?:[^'\\\n]|\\.)*'" + r"|`[^`]*`")
NAME_OR_PATTERN = re.compile(r"^\S*$|\w\|\w")
SPACED = re.compile(r"(?:\d|%\(\w+\)s|\}\}|\{\w*\}) +%%?(?![(}%])")  # "52.6 %"


@cache
def retired(language: str = "") -> re.Pattern[str]:
    """The phrases of one of the glossary's tables of retired words."""
    heading = f"## Retired words{language}\n"
    table = GLOSSARY.read_text().split(heading)[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    phrases = [phrase for row in rows for phrase in re.findall(r"`([^`]+)`", row)]
    assert len(phrases) > 10
    return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, phrases))})(?![\w-])", re.IGNORECASE)


def faults(text: str) -> list[str]:
    """The retired phrases in a text, and figures with a space before their percent sign."""
    text = " ".join(ASIDE.sub(" ", text).split())
    found = [match.group() for pattern in (retired(), SPACED) for match in pattern.finditer(text)]
    return [phrase for phrase in found if not phrase.isupper()]  # BEGIN, a command


def strings(source: str) -> Iterator[str]:
    """Every string in Python code but docstrings and members of enums: of pages, command line, log."""
    tree = ast.parse(source)
    mute = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and any(
            getattr(base, "id", "") == "StrEnum" for base in node.bases
        ):
            mute |= {id(member.value) for member in node.body if isinstance(member, ast.Assign)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            mute |= {id(part) for part in node.values}
            yield "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in mute:
            yield node.value


def texts(file: Path) -> Iterator[str]:
    """What a user may read of a file."""
    if file.suffix in {".py", ".html"}:
        for text in catalogue.texts_of(file):
            yield from [text] if isinstance(text, str) else text
    if file.suffix == ".py":
        yield from (text for text in strings(file.read_text()) if NAME_OR_PATTERN.search(text) is None)
    elif file.suffix == ".js":
        yield from LITERAL.findall(file.read_text())
    elif file.suffix == ".toml":
        yield from re.findall(r'= "(.*)"$', file.read_text(), re.MULTILINE)
    elif file.suffix != ".html":
        yield file.read_text()


@each([*PYTHON, *WORDED, *TEMPLATES, *SCRIPTS, *DOCUMENTS, *OPERATING])
def test_no_text_has_a_retired_word(file):
    """Look the word up in ``docs/words.md``, which says what to write instead."""
    found = {text: phrases for text in texts(file) if (phrases := faults(text))}
    assert found == {}


def test_no_translation_has_a_retired_word():
    pattern = retired(" in Vietnamese")
    found = {
        text: phrases
        for message in catalogue.stored()
        for text in ([message.string] if isinstance(message.string, str) else message.string)
        if message.id and (phrases := pattern.findall(text))
    }
    assert found == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Every try failed.", ["Every try"]),
        ("It is\nunder  way.", ["under way"]),
        ("What `tries` holds, as ``under way``", []),
        ("It entries, retries and gives up.", ["gives up"]),
        ("%(n)s %% of it, 12 s", ["%(n)s %%"]),
        ("BEGIN IMMEDIATE", []),
        ("{% if 5 %}", []),
        ("{%% %(word)s %%}", []),
    ],
)
def test_a_retired_word_is_found_where_it_is_one(text, found):
    assert faults(text) == found


def test_a_docstring_is_no_text_and_a_formatted_string_is_one():
    assert list(strings('"""Tried."""\nx = f"{y} tried"\nz = "mended"\n')) == ["{} tried", "mended"]
