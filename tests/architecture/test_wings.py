"""The wings of the house: they stand on floors, import only downwards, and no two files need each other."""

from __future__ import annotations

import ast
import re
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

import pytest

from mailing.settings import ROOT
from tests.architecture.test_house import FILES, MAY_IMPORT, imports
from tests.support.each import each

if TYPE_CHECKING:
    from pathlib import Path

FLOORS = {  # the lowest first
    "mailing": (
        *(
            "core",
            "schedules",
            "accounts",
            "programs",
            "redis",
            "foreign",
            "internet",
            "messages",
            "writing",
            "library",
            "smtp",
            "credentials",
            "senders",
            "domains",
            "addresses",
            "suppression",
            "bounces",
            "feedback",
            "mailboxes",
            "uploads",
            "ledger",
            "lists",
            "contacts",
        ),
        *("campaigns", "recipients", "delivery", "receipts", "reports"),
    ),
    "webapp": (
        *(
            "i18n",
            "programs",
            "http",
            "ui",
            "live",
            "openapi",
            "senders",
            "receipts",
            "lanes",
            "received",
            "domains",
            "suppression",
            "bounces",
            "mailboxes",
            "api",
            "lists",
            "messages",
            "campaigns",
            "workers",
            "dashboard",
            "log",
            "demo_inbox",
        ),
        *("public", "wall", "accounts", "cli"),
    ),
}
MOST_ROOMS = 15


def module_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(file): file for file in FILES}
WINGS = sorted(f"{package}.{wing}" for package, wings in FLOORS.items() for wing in wings)
FOLDERS = sorted({file.parent for file in FILES})


def needs(file: Path) -> set[str]:
    """The modules of ours that ``file`` imports, wherever in it."""
    return {name for name in imports(file) if name in MODULES and MODULES[name].name != "__init__.py"}


def only_for_types(file: Path) -> set[str]:
    """The modules that ``file`` names in types and never loads."""
    blocks = [
        node
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
    ]
    taken = [part for block in blocks for part in ast.walk(block) if isinstance(part, ast.ImportFrom)]
    return {name for it in taken for name in (it.module, *(f"{it.module}.{of.name}" for of in it.names))}


def wing_of(module: str) -> str | None:
    package, _, rest = module.partition(".")
    wing, dot, _ = rest.partition(".")
    return wing if dot and wing in FLOORS.get(package, ()) else None


@pytest.mark.parametrize("package", FLOORS)
def test_every_folder_is_a_wing_with_a_floor(package: str) -> None:
    folders = {file.parent.name for file in (ROOT / package).glob("*/__init__.py")}
    assert folders == set(FLOORS[package])
    assert len(FLOORS[package]) == len(folders)


@pytest.mark.parametrize("package", FLOORS)
def test_the_map_of_a_package_shows_the_floors_as_they_stand(package: str) -> None:
    drawn = re.findall(r"^    (\w+) ", (ROOT / package / "__init__.py").read_text(), re.MULTILINE)
    assert drawn == [*reversed(FLOORS[package])]


@each([file for file in FILES if wing_of(module_of(file))])
def test_a_wing_imports_downwards_only(file: Path) -> None:
    module = module_of(file)
    package, wing = module.partition(".")[0], wing_of(module)
    floors = FLOORS[package]
    above = set(floors[floors.index(wing) + 1 :])
    upwards = {
        name
        for name in needs(file) - only_for_types(file)
        if name.startswith(f"{package}.") and (wing_of(name) in above or wing_of(name) is None)
    }
    assert upwards == set()


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_no_two_files_need_each_other(package: str) -> None:
    graph = {name: needs(file) for name, file in MODULES.items() if name.startswith(f"{package}.")}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of files: {' -> '.join(error.args[1])}")


@each(FOLDERS)
def test_a_folder_has_few_enough_rooms_to_know_them_all(folder: Path) -> None:
    assert len(list(folder.glob("[!_]*.py"))) <= MOST_ROOMS


@each(FOLDERS)
def test_a_packages_docstring_is_its_map_and_nothing_else(folder: Path) -> None:
    tree = ast.parse((folder / "__init__.py").read_text())
    assert len(tree.body) == 1, "nothing is defined or re-exported there"
    rooms = {file.stem for file in folder.glob("[!_]*.py")} | {it.parent.name for it in folder.glob("*/*.py")}
    assert rooms - set(re.findall(r"\w+", ast.get_docstring(tree) or "")) == set()
