"""The laws of the house: who may import whom, what is documented, what is pinned, what has a face."""

from __future__ import annotations

import ast
import base64
import hashlib
import itertools
import json
import re
from typing import TYPE_CHECKING

import pytest

from mailing.core.states import AttemptResult, CampaignState, RecipientState, WorkerState
from mailing.settings import ROOT
from tests.support.each import each
from webapp.ui.badges import LOOKS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from enum import StrEnum
    from pathlib import Path

MAY_IMPORT = {
    "mailing": {"mailing"},
    "tasks": {"tasks", "mailing"},
    "webapp": {"webapp", "tasks", "mailing"},
}
FORBIDDEN = {
    "mailing": {"quart", "flask", "hypercorn", "celery", "kombu"},
    "tasks": {"quart", "flask", "hypercorn"},
}
PURE = (  # rooms, and wings as a whole
    "addresses",
    "foreign",
    "messages",
    "writing",
    "schedules",
    "accounts.roles",
    "library.kinds",
    "core.reasons",
    "core.states",
    "redis.url",
    "smtp.envelope",
    "smtp.replies",
    "smtp.rulebook",
    "smtp.verdicts",
    "ledger.rates",
    "uploads.cells",
    "uploads.exports",
    "uploads.guesses",
    "uploads.plans",
    "uploads.rows",
    "uploads.standings",
    "lists.domain_counts",
    "lists.shapes",
    "campaigns.preflight",
    "campaigns.readiness",
    "internet.findings",
    "domains.dkim",
    "domains.records",
    "delivery.outcome",
    "delivery.waits",
    "delivery.width",
    "receipts.chain",
    "sites",
)
IMPURE = {
    "aiosmtplib",
    "asyncio",
    "celery",
    "http",
    "os",
    "pathlib",
    "psycopg",
    "quart",
    "random",
    "redis",
    "secrets",
    "selectors",
    "socket",
    "sqlalchemy",
    "sqlite3",
    "ssl",
    "subprocess",
    "threading",
    "time",
    "urllib.request",
}
CLOCKS = {"now", "utcnow", "today", "now_ms", "make_msgid"}
CLOCKS_IF_EMPTY = {"formatdate", "localtime"}  # given a time they are pure
LONGEST_FILE = 400

FILES = sorted(file for package in MAY_IMPORT for file in (ROOT / package).rglob("*.py"))


def name_of(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def imports(file: Path) -> Iterator[str]:
    """Every module that ``file`` imports, wherever in it, and every name that may be a module."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            here = file.relative_to(ROOT).parent.parts
            base = ".".join(here[: len(here) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module or "") if part)
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


@each(FILES)
def test_imports_point_down_only(file: Path):
    package = file.relative_to(ROOT).parts[0]
    tops = {module.partition(".")[0] for module in imports(file)}
    assert tops & set(MAY_IMPORT) <= MAY_IMPORT[package]
    assert not tops & FORBIDDEN.get(package, set())
    assert not tops & {"tests", "benchmarks", "migrations"}


def writes(source: str) -> list[str]:
    """The transactions for writing that ``source`` opens, whatever it calls its database."""
    blocks = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.With)]
    opened = [item.context_expr for block in blocks for item in block.items]
    names = [it.func.attr for it in opened if isinstance(it, ast.Call) and isinstance(it.func, ast.Attribute)]
    return [name for name in names if name in {"write", "begin", "creating"}]


@each(sorted((ROOT / "webapp").rglob("*.py")))
def test_pages_api_and_command_line_change_things_by_commands_only(file: Path):
    source, imported = file.read_text(), set(imports(file))
    assert writes(source) == []
    assert not {"tasks.sending", "mailing.ledger.batches"} & imported
    if "mailing.campaigns.drafts" in imported:  # what a draft is they may know
        taken = {name.removeprefix("mailing.campaigns.drafts.") for name in imported}
        assert not taken & {"create", "creating", "revise", "rewrite", "store"}
        assert not re.search(r"\bdrafts\.(create|creating|revise|rewrite|store)\b", source)


def test_the_search_for_writers_finds_them():
    """Or the test above would prove nothing."""
    found = "with svc.db.write() as it, stride.write(db):\n    pass\nwith drafts.creating(db) as it: ..."
    assert writes(found) == ["write", "write", "creating"]
    assert writes((ROOT / "tasks/commands/campaigns.py").read_text())


def clocks_and_files(file: Path) -> set[str]:
    """The calls in ``file`` that read a clock or open a file."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
            if name in CLOCKS | {"open"} or (name in CLOCKS_IF_EMPTY and not node.args):
                found.add(name)
    return found


@each(PURE)
def test_a_pure_room_knows_no_session_socket_framework_or_clock(room: str):
    """Nor does any room of ours that it leans on."""
    seen: set[str] = set()
    place = ROOT / "mailing" / room.replace(".", "/")
    rooms = sorted(place.glob("[!_]*.py")) or [place.with_suffix(".py")]
    waiting = [file.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".") for file in rooms]
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        file = ROOT / f"{module.replace('.', '/')}.py"
        imported = set(imports(file))
        beginnings = {".".join(name.split(".")[:length]) for name in imported for length in (1, 2)}
        assert not beginnings & IMPURE, module
        assert not clocks_and_files(file), module
        waiting += [
            name
            for name in imported
            if name.startswith("mailing.") and (ROOT / f"{name.replace('.', '/')}.py").is_file()
        ]


@each(FILES)
def test_every_file_says_what_it_is(file: Path):
    assert ast.get_docstring(ast.parse(file.read_text()))


@each(FILES)
def test_no_file_is_too_long_to_read_in_one_go(file: Path):
    assert len(file.read_text().splitlines()) <= LONGEST_FILE


VENDORS = (ROOT / "static/vendor", ROOT / "tests/browser/vendor")  # for pages, for tests only


def vendored() -> Iterator[tuple[Path, dict[str, str]]]:
    for folder in VENDORS:
        yield from ((folder, part) for part in json.loads((folder / "vendor.json").read_text()))


@pytest.mark.parametrize(
    ("folder", "part"), list(vendored()), ids=lambda it: it.get("file") if isinstance(it, dict) else ""
)
def test_a_vendored_file_is_the_one_that_was_checked(folder: Path, part: dict[str, str]):
    content = (folder / part["file"]).read_bytes()
    digest = base64.b64encode(hashlib.sha384(content).digest()).decode()
    assert part["integrity"] == f"sha384-{digest}"
    assert part["version"] in part["file"]
    assert part["licence"]
    assert part["source"]
    assert (folder / part["licence_file"]).is_file()


@each(VENDORS)
def test_no_file_is_vendored_without_a_record(folder: Path):
    kinds = ("file", "licence_file", "notices_file")
    recorded = {part[kind] for place, part in vendored() if place == folder for kind in kinds if kind in part}
    assert {file.name for file in folder.iterdir()} == recorded | {"vendor.json"}


@pytest.mark.parametrize("kind", [RecipientState, CampaignState, AttemptResult, WorkerState])
def test_every_state_has_a_word_a_shape_and_a_colour(kind: type[StrEnum]):
    looks = LOOKS[kind]
    assert set(looks) == set(kind)
    for look in looks.values():
        assert look.label
        assert look.shape
        assert look.tone


@pytest.mark.parametrize("kind", [RecipientState, CampaignState, AttemptResult, WorkerState])
def test_no_two_states_differ_by_colour_alone(kind: type[StrEnum]):
    for one, other in itertools.combinations(LOOKS[kind].values(), 2):
        assert (one.label, one.shape) != (other.label, other.shape)
        assert one.label != other.label


@each(sorted((ROOT / "static").glob("*.css")))
def test_a_style_sheet_stays_small(sheet: Path):
    assert sheet.stat().st_size < 20 * 1024
