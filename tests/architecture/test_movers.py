"""Who may change a state: one room for each kind, which asks the table of what is allowed."""

from __future__ import annotations

import ast
import functools
import re
from typing import TYPE_CHECKING, NamedTuple

from mailing.settings import ROOT
from tests.support.each import each

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILES = sorted(file for package in ("mailing", "tasks", "webapp") for file in (ROOT / package).rglob("*.py"))


class Function(NamedTuple):
    """A function of ours. ``text`` holds its code and the constants of its module that it names."""

    room: str
    name: str
    text: str

    def writes(self, table: str) -> bool:
        return bool(
            re.search(rf"\b(?:insert|update|delete)\((?:\w+\.)?{table}\)", self.text)
            or re.search(rf"\b(?:INSERT INTO|UPDATE|DELETE FROM) {table}\b", self.text)
        )

    def sets_state(self, table: str) -> bool:
        updates = re.search(rf"\bupdate\((?:\w+\.)?{table}\)|\bUPDATE {table}\b", self.text)
        return bool(updates and re.search(r"\bstate=|'state'|\bSET state\b", self.text))

    def calls(self, name: str) -> bool:
        return bool(re.search(rf"\b{name}\(", self.text))


def functions(file: Path) -> Iterator[Function]:
    tree = ast.parse(file.read_text())
    aliases = {
        alias.asname: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }
    constants = {
        name.id: ast.unparse(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        for name in ast.walk(target)
        if isinstance(name, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
            text = "\n".join([ast.unparse(node), *(constants[name] for name in names & constants.keys())])
            for alias, name in aliases.items():
                text = re.sub(rf"\b{alias}\b", name, text)
            yield Function(file.stem, node.name, text)


@functools.cache
def all_functions() -> list[Function]:
    return [function for file in FILES for function in functions(file)]


def test_whoever_changes_a_recipients_state_has_it_counted_by_the_one_mover():
    """``counters.move`` refuses what no recipient may do; ``results.record`` calls it for each result."""
    writers = [it for it in all_functions() if it.sets_state("recipients")]
    assert {it.name for it in writers} >= {"claim", "release", "settle", "wake_deferred", "cancel_waiting"}
    assert all(
        it.calls("counters.move") for it in all_functions() if (it.room, it.name) == ("results", "record")
    )
    assert [it for it in writers if not (it.calls("counters.move") or it.calls("record"))] == []


def test_only_one_room_changes_a_campaigns_state_and_asks_the_table_each_time():
    (mover,) = [it for it in all_functions() if it.sets_state("campaigns")]
    assert (mover.room, mover.name) == ("lifecycle", "_change")
    assert "CAMPAIGN_CHANGES" in mover.text


def test_only_one_room_writes_the_counters():
    assert {it.room for it in all_functions() if it.writes("tallies")} == {"counters"}


@each(FILES)
def test_nobody_uses_what_another_module_keeps_to_itself(file: Path):
    """As ``counters._count``, which would move a counter without asking."""
    tree = ast.parse(file.read_text())
    names = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in {"mailing", "tasks"}
        for alias in node.names
    }
    assert not {name for name in names if name.startswith("_")}
    assert not {
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and re.match(r"_[^_]", node.attr)
        if isinstance(node.value, ast.Name) and node.value.id in names and node.value.id.islower()
    }
