"""CONTRIBUTING tells the truth where a test can see it."""

from __future__ import annotations

import re

from mailing.settings import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text()
PROMISES = 9


def test_every_path_that_it_names_exists():
    named = re.findall(r"`([\w./]*/[\w./]*|\.?\w+(?:\.\w+)+)`", TEXT) + re.findall(r"\]\(([^)]+)\)", TEXT)
    named += re.findall(r"pytest (\S+)", TEXT)
    assert len(named) > 40
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_its_drawing_has_every_wing_there_is():
    drawing = TEXT.split("```")[1]
    wings = {
        folder.parent.name for room in ("mailing", "webapp") for folder in (ROOT / room).glob("*/__init__.py")
    }
    assert len(wings) > 15
    assert {wing for wing in wings if not re.search(rf"\b{wing}\b", drawing)} == set()


def test_it_says_of_every_promise_where_it_is_proved():
    assert re.findall(r"^\| P(\d) \|", TEXT, re.MULTILINE) == [str(n + 1) for n in range(PROMISES)]


def test_every_make_target_that_it_names_exists():
    makefile = (ROOT / "Makefile").read_text()
    named = {word for line in re.findall(r"\bmake ([a-z ]+)\b", TEXT) for word in line.split()}
    assert {"run", "test", "translations"} <= named
    assert {word for word in named if f"\n{word}:" not in makefile and word not in {"for", "a"}} == set()
