"""An operator's rulebook: its rules go before the built-in ones, and a mistake is told with its line."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing import rulebook_file
from mailing.core.reasons import WORDING
from mailing.rulebook_file import LARGEST, Watch
from mailing.rulebook_reading import FOLLOWING, RulebookError, heard, read
from mailing.settings import ROOT
from mailing.smtp import rulebook
from mailing.smtp.replies import Stage
from mailing.smtp.rulebook import RULES, Book
from tests.support.configured import faults, loaded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OWN = """\
[[rule]]
id = "school-busy"
server = 'mx\\.school\\.example'
words = 'come back after lessons'
scope = "lane"
follows = "rest"
wait = 1800
source = "the school's postmaster; 2026-11-26"
example = { stage = "rcpt", reply = "550 5.7.1 Come back after lessons", server = "mx.school.example:25" }
"""
SECOND = OWN.replace("school", "house").replace("lessons", "lunch")


@pytest.fixture(autouse=True)
def _built_in_again() -> Iterator[None]:
    yield
    rulebook.use(())


def said(text: str) -> list[str]:
    with pytest.raises(RulebookError) as caught:
        read(text)
    return [str(reason) for reason in caught.value.reasons]


def test_its_rules_go_before_the_built_in_ones_and_all_else_stays():
    reply, server = heard("550 5.7.1 Come back after lessons"), "MX.school.example:25"
    book = Book(read(OWN))
    assert book.judge(Stage.RCPT, reply, server).ruling.rule == "school-busy"
    assert book.judge(Stage.RCPT, reply).ruling == rulebook.rule(Stage.RCPT, reply, server)


def test_a_row_of_the_built_in_rulebook_can_be_copied_under_another_id():
    text = (ROOT / "mailing/smtp/rulebook.toml").read_text()
    text = text.replace(text[text.index("[thresholds]") : text.index("[[rule]]")], "")
    own = read(re.sub(r'^id = "', 'id = "own-', text, flags=re.MULTILINE))
    assert len(own) == len(RULES)


def test_what_follows_in_the_built_in_rulebook_is_what_may_follow():
    for it in RULES:
        assert it.ruling.follows in FOLLOWING[it.ruling.scope]


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "dated = 2026-11-26\n"])
def test_a_file_without_rules_is_fine(text):
    assert list(read(text)) == []


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ('id = "school-busy"', 'id = "spf"', 2, "id: is the name of another rule"),
        ('id = "school-busy"', 'id = "School busy"', 2, "id: must consist of small letters"),
        ("server = 'mx", "sever = 'mx", 3, "sever: is unknown. A rule can have: id, stages"),
        ("'come back after lessons'", "'come back (after'", 4, "words: is not a regular expression"),
        ("'come back after lessons'", "'Come back'", 4, "words: must be in small letters"),
        ("'come back after lessons'", "7", 4, "words: must be text."),
        ('"lane"', '"lanes"', 5, "scope: must be one of: recipient, lane"),
        ('"lane"', '["lane"]', 5, "scope: must be one of: recipient, lane"),
        ('"rest"', '"fail"', 6, "follows: must be one of: wait, rest."),
        ("1800", "86401", 7, "wait: must be a number of seconds from 1 to 86,400."),
        ("1800", "true", 7, "wait: must be a number of seconds"),
        ("wait = 1800", 'check = "spf"', 7, "check: has no effect where rest follows."),
        ("wait = 1800", 'check = "moon"', 7, "check: must be one of: "),
        ("wait = 1800", "codes = [250]", 7, "codes: must be a list of codes from 400 to 599"),
        ("wait = 1800", "codes = [[550]]", 7, "codes: must be a list of codes"),
        ("wait = 1800", 'stages = ["quit"]', 7, "stages: must be one of: connect"),
        ("wait = 1800", "or_words = true", 7, "or_words: needs both enhanced and words."),
        ("wait = 1800", 'or_words = "yes"', 7, "or_words: must be true or false."),
        ('source = "', 'sources = "', 1, "source: is missing."),
        ('"550 5.7.1 Come', '"250 2.0.0 Come', 9, "example: must be a refusal"),
        ('"550 5.7.1 Come', '"Come', 9, "example: must be a refusal"),
        ('"550 5.7.1 Come back after lessons"', '"550 5.7.1 no"', 9, "example: is judged by rule policy-"),
        ('stage = "rcpt", ', "", 9, "example: must be a table with stage, reply"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_what_to_write(old, new, line, what):
    assert old in OWN
    for before in ("", "# a remark\n" * 20 + SECOND):
        found = said(before + OWN.replace(old, new))
        lines = len(before.splitlines())
        assert any(it.startswith(f"Line {lines + line}, rule ") and what in it for it in found), found


def test_all_mistakes_are_told_at_once():
    wrong = OWN.replace("wait = 1800", "wait = 0").replace('"lane"', '"lanes"')
    assert len(said(wrong + SECOND.replace("'mx", "'mx(") + OWN)) == 4


def test_a_rule_that_fits_every_refusal_is_a_mistake():
    bare = "\n".join(line for line in OWN.splitlines() if not line.startswith(("server", "words")))
    assert "fits every refusal" in said(bare)[0]


@pytest.mark.parametrize(
    ("text", "start"),
    [
        (OWN + "wait = \n", "Line 10 is not valid TOML: Invalid value."),
        (OWN + 'source = "open\n', "Line 10 is not valid TOML: "),
        (OWN + "[thresholds]\n", "Line 10: thresholds has no place here."),
        ("\n" + OWN.replace("[[rule]]", "[[rules]]"), "Line 2: rules has no place here."),
        (OWN.replace("[[rule]]", "[rule]"), "Line 1: rule has no place here."),
        ("rule = 5", "Line 1: rule has no place here."),
        ("a = " + "[" * 20_000, "Line 1 is not valid TOML"),
    ],
)
def test_what_is_no_rulebook_is_told_with_its_line(text, start):
    assert said(text)[0].startswith(start)


@given(st.text(max_size=300))
def test_whatever_a_file_holds_it_is_read_or_its_mistakes_are_told(text):
    with suppress(RulebookError):
        read(text)


@given(
    st.sampled_from(["id", "stages", "codes", "enhanced", "words", "scope", "follows", "wait", "example"]),
    st.sampled_from(["[]", "{}", "-1", "1.5", "inf", "''", "2026-11-26", "[[1]]", "{ stage = 1 }"]),
)
def test_a_value_of_the_wrong_kind_is_a_mistake_and_no_crash(key, value):
    kept = "\n".join(line for line in OWN.splitlines() if not line.startswith(f"{key} ="))
    assert f"{key}: " in " ".join(said(f"{kept}\n{key} = {value}\n"))


def test_every_check_that_a_rule_can_name_has_words():
    codes = {code.removeprefix("check.") for code in WORDING if code.startswith("check.")}
    assert {it.ruling.check for it in RULES if it.ruling.check} <= codes


# The file


def test_a_file_with_a_mistake_is_a_fault_of_the_settings_with_its_line(tmp_path):
    file = tmp_path / "own.toml"
    file.write_text(OWN.replace('"lane"', '"lanes"'))
    (fault,) = faults(tmp_path, VOLLEY_RULEBOOK=str(file))
    assert fault.startswith(f"VOLLEY_RULEBOOK: {file}: Line 5, rule school-busy: scope: must be one of: ")
    file.write_text(OWN)
    assert loaded(tmp_path, VOLLEY_RULEBOOK=str(file)).rulebook == file
    assert loaded(tmp_path).rulebook is None


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (None, "No such file"),
        (b"\xff\xfe", "it is not UTF-8 text"),
        (b"#" * (LARGEST + 1), "it is larger than 262,144 bytes"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path, content, what):
    file = tmp_path / "own.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(RulebookError, match=what):
        rulebook_file.load(file)


def test_a_change_takes_effect_and_a_mistake_leaves_the_rules_as_they_were(tmp_path: Path):
    file, told = tmp_path / "own.toml", []
    file.write_text(OWN)
    watch = Watch(file, told.append)

    def judged() -> str:
        reply = heard("550 5.7.1 Come back after lunch")
        return rulebook.rule(Stage.RCPT, reply, "mx.house.example:25").rule

    before = judged()
    watch.look()
    file.write_text(OWN + SECOND)
    watch.look()
    assert judged() == "house-busy" != before
    file.write_text(OWN + SECOND + "wait = never\n")
    watch.look()
    assert judged() == "house-busy"
    assert f"{file} has a mistake, so the rules read before stay in effect. Line 19 is" in str(told[-1])
    file.unlink()
    watch.look()
    assert "cannot be read: No such file" in str(told[-1])
    file.write_text(OWN)
    watch.look()
    assert (judged(), told[-1]) == (before, None)
    assert len(told) == 5  # one for each change, none for a look
