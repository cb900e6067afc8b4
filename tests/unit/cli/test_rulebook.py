"""``volley rulebook``: a file is checked, and a reply is judged, without a database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from mailing.smtp.replies import Stage
from mailing.smtp.rulebook import Follows, Scope
from tests.unit.test_rulebook_reading import OWN
from webapp.cli.commands import main
from webapp.cli.rulebook import _FOLLOWS, _SCOPES, STAGES

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "own.toml"
    file.write_text(OWN)
    return file


def volley(*arguments: object, folder: Path) -> Result:
    env = {"VOLLEY_INSTANCE": str(folder)}
    return CliRunner().invoke(main, ["rulebook", *map(str, arguments)], env=env)


def test_a_file_that_can_be_used_shows_its_rules(file: Path, tmp_path: Path):
    shown = volley("check", file, folder=tmp_path)
    assert shown.exit_code == 0
    assert shown.output == f"{file} can be used: 1 rule.\n  school-busy: lane, rest\n"


def test_a_file_with_mistakes_names_each_line_and_exits_with_1(file: Path, tmp_path: Path):
    file.write_text(OWN.replace('"lane"', '"lanes"').replace("1800", "0"))
    shown = volley("check", file, folder=tmp_path)
    assert shown.exit_code == 1
    assert "\nLine 5, rule school-busy: scope: must be one of: " in shown.output
    assert "\nLine 7, rule school-busy: wait: must be " in shown.output


def test_a_reply_is_judged_with_its_rule_and_what_to_look_at(tmp_path: Path):
    shown = volley("ask", "550 5.7.27 SPF did not pass", "--stage", "dot", folder=tmp_path)
    assert shown.exit_code == 0
    lines = dict(line.split(maxsplit=1) for line in shown.output.splitlines())
    assert lines["rule"] == "spf (built in)"
    assert lines["scope"].startswith("dns: ")
    assert lines["check"] == "the SPF record of the From domain"
    assert "RFC 7372" in lines["source"]


def test_a_rule_of_the_operator_is_found_first(file: Path, tmp_path: Path):
    asked = "ask", "550 5.7.1 Come back after lessons", "--server", "mx.school.example"
    shown = volley(*asked, "--file", file, folder=tmp_path)
    assert "school-busy (your own)" in shown.output
    assert "1,800 s" in shown.output
    assert "(built in)" in volley(*asked, folder=tmp_path).output


@pytest.mark.parametrize("reply", ["250 2.0.0 Ok", "hello", "550-5.7.1 and", ""])
def test_what_is_no_refusal_is_told(reply: str, tmp_path: Path):
    shown = volley("ask", reply, folder=tmp_path)
    assert shown.exit_code == 2
    assert "REPLY: It must be a refusal" in shown.output


def test_each_stage_scope_and_consequence_has_words():
    assert set(STAGES) == set(Stage)
    assert _SCOPES.keys() == set(Scope)
    assert _FOLLOWS.keys() == set(Follows)
