"""Every address that Volley writes begins with its prefix: none is written from the root."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

from mailing.settings import ROOT
from tests.support.each import each

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
SCRIPTS = sorted([*(ROOT / "static").glob("*.js"), *(ROOT / "static").glob("*.css")])
ROOMS = sorted((ROOT / "webapp").glob("*.py"))
FROM_THE_ROOT = re.compile(r"""["'`]/[\w$]|=["']/["'?#]""")


def is_at(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "at"


def allowed(tree: ast.AST) -> Iterator[ast.AST]:
    """What may begin like a path: what ``at(…)`` takes, a route, a constant, the later parts of a text."""
    for node in ast.walk(tree):
        if is_at(node):
            yield from ast.walk(node)
        elif isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef):
            yield from (it for decorator in node.decorator_list for it in ast.walk(decorator))
        elif isinstance(node, ast.Assign) and all(getattr(it, "id", "").isupper() for it in node.targets):
            yield from ast.walk(node.value)
        elif isinstance(node, ast.JoinedStr):
            yield from node.values[1:]


def from_the_root(tree: ast.AST) -> Iterator[str]:
    """Every text that begins like a path, and every redirect, that has no prefix."""
    fine = set(allowed(tree))
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) and node not in fine else None
        if isinstance(text, str) and re.match(r"/\w", text):
            yield text
        if (
            isinstance(node, ast.Call)
            and getattr(node.func, "id", "") == "redirect"
            and not is_at(node.args[0])
        ):
            yield ast.unparse(node)


@each(TEMPLATES)
def test_a_template_writes_no_address_from_the_root(file: Path):
    assert FROM_THE_ROOT.findall(file.read_text()) == []


@each(SCRIPTS)
def test_a_script_writes_no_address_from_the_root(file: Path):
    assert FROM_THE_ROOT.findall(file.read_text()) == []


@each(ROOMS)
def test_a_room_makes_every_address_with_its_prefix(file: Path):
    assert list(from_the_root(ast.parse(file.read_text()))) == []


@pytest.mark.parametrize("wrong", ['<a href="/">', "<a href='/x'>", "{{ '/x' if y }}", "fetch(`/${x}`)"])
def test_the_search_finds_an_address_in_a_template(wrong: str):
    assert FROM_THE_ROOT.findall(wrong)


@pytest.mark.parametrize(
    "wrong", ['redirect("/campaigns")', 'redirect(f"/campaigns/{id}", 303)', 'a["x"] = "/x"', "redirect(x)"]
)
def test_the_search_finds_an_address_from_the_root(wrong: str):
    assert list(from_the_root(ast.parse(wrong)))


@pytest.mark.parametrize(
    "right", ['svc.at(f"/campaigns/{id}")', 'PREFIX = "/api/v1"', '@page.get("/x")\ndef x(): ...', '"a/b"']
)
def test_the_search_leaves_alone_what_is_none(right: str):
    assert not list(from_the_root(ast.parse(right)))
