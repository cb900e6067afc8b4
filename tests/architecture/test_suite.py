"""The laws of the tests themselves."""

from __future__ import annotations

import ast

import pytest

from mailing.settings import ROOT
from tests.support.each import each

SPAWNERS = {
    "subprocess": {"Popen", "run", "call", "check_call", "check_output", "getoutput", "getstatusoutput"},
    "os": {"fork", "forkpty", "system", "popen", "posix_spawn", "posix_spawnp"},
    "asyncio": {"create_subprocess_exec", "create_subprocess_shell"},
    "pty": {"spawn", "fork"},
}
ALONE = {  # through which all others start processes
    "tests/support/processes.py",
    "tests/support/nursery.py",
    "tests/support/marks.py",
}
FILES = sorted(
    file
    for folder in ("tests", "benchmarks")
    for file in (ROOT / folder).rglob("*.py")
    if file.relative_to(ROOT).as_posix() not in ALONE
)


def spawned(source: str) -> list[str]:
    """Each call and import in a program that starts a process by itself."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
        ):
            module, name = node.func.value.id, node.func.attr
            if name in SPAWNERS.get(module, ()) or (module == "os" and name.startswith(("spawn", "exec"))):
                found.append(f"{module}.{name}, line {node.lineno}")
        elif isinstance(node, ast.ImportFrom) and node.module in {*SPAWNERS, "multiprocessing"}:
            names = {alias.name for alias in node.names} & SPAWNERS.get(node.module, {"Process", "Pool"})
            found += [f"{node.module}.{name}, line {node.lineno}" for name in names]
    return found


@each(FILES)
def test_processes_are_started_only_by_who_sees_that_they_end(file):
    """``tests.support.processes`` does: ``Keeper.start`` and ``run``."""
    assert spawned(file.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "import subprocess\nsubprocess.Popen(['ls'])",
        "import os\nos.spawnv(0, 'a', [])",
        "from subprocess import run, PIPE",
        "import asyncio\nasync def f(): await asyncio.create_subprocess_exec('ls')",
    ],
)
def test_a_process_started_otherwise_is_seen(source):
    """Or the test above would prove nothing."""
    assert len(spawned(source)) == 1


def test_a_law_tells_each_file_that_breaks_it():
    @each([1, 2, 3, 4])
    def law(n: int) -> None:
        assert n % 2, f"{n} is even"

    with pytest.raises(AssertionError, match=r"(?s)2: 2 is even.*4: 4 is even"):
        law()


def test_a_law_that_looks_at_nothing_is_broken():
    @each([])
    def law(_nothing: object) -> None:
        """It would always hold."""

    with pytest.raises(AssertionError, match="nothing is looked at"):
        law()
