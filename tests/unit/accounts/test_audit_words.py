"""The audit log in words: every code that is written has some, in both languages."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from mailing.accounts.roles import Role
from mailing.core.actors import ActorKind
from mailing.core.states import CampaignAction, RecipientAction
from mailing.ledger.lanes import Order
from mailing.settings import ROOT
from webapp.accounts import audit_words
from webapp.i18n import languages

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def vietnamese() -> Iterator[None]:
    languages.speak("vi")
    yield
    languages.speak("en")


def recorded() -> Iterator[str]:
    """The actions that commands write down, where each is named."""
    for file in (ROOT / "tasks/commands").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "action":
                yield from constants(node.value)
            elif isinstance(node, ast.Call) and "audit.record" in ast.unparse(node)[:40]:
                named = [it.value for it in node.keywords if it.arg == "action"]
                for value in (*node.args[2:3], *named):
                    yield from constants(value)


def constants(node: ast.expr) -> Iterator[str]:
    for branch in (node.body, node.orelse) if isinstance(node, ast.IfExp) else (node,):
        if isinstance(branch, ast.Constant):
            yield str(branch.value)


def test_every_action_that_is_written_down_has_words_and_no_words_are_left_over():
    asked = {*CampaignAction, *RecipientAction, *(f"lane-{order}" for order in Order)} - {CampaignAction.EDIT}
    assert {*recorded(), *asked} == set(audit_words.ACTIONS)


def test_no_two_actions_read_the_same():
    assert len({*map(audit_words.action, audit_words.ACTIONS)}) == len(audit_words.ACTIONS)


def test_every_door_has_a_word():
    assert set(ActorKind) == set(audit_words.KINDS)


@pytest.mark.usefixtures("vietnamese")
def test_a_row_is_read_in_the_reader_s_language():
    assert audit_words.action("sign in") == "Đăng nhập"
    assert audit_words.kind("cli") == "dòng lệnh"
    assert audit_words.subject("campaign:12") == "chiến dịch 12"
    assert dict(audit_words.details({"how": "password", "role": Role.OWNER, "sent": True})) == {
        "bằng": "mật khẩu",
        "vai trò": "Chủ sở hữu",
        "đã gửi": "có",
    }


def test_a_reason_is_a_sentence_where_it_needs_no_values():
    said = dict(audit_words.details({"why": "openid: openid.over"}))
    assert said == {"reason": "This sign-in has expired or was used already. Sign in again."}
    assert dict(audit_words.details({"why": "bearer.revoked"})) == {"reason": "bearer.revoked"}


def test_what_another_version_wrote_is_shown_as_it_is():
    assert audit_words.action("fly") == "fly"
    assert audit_words.subject("kite:1") == "kite:1"
    assert dict(audit_words.details({"wind": 3, "none": None, "empty": ""})) == {"wind": "3"}


def test_a_recipe_is_read_as_its_answers():
    assert dict(audit_words.details({"recipe": {"bounce": 15, "later": 30}})) == {
        "recipe": "bounce 15, later 30"
    }
    assert dict(audit_words.details({"recipe": {}})) == {}


@pytest.mark.parametrize(
    ("subject", "page"),
    [
        ("campaign:12", "/campaigns/12"),
        ("import:3", "/lists/imports/3"),
        ("user:1", ""),
        ("", ""),
        ("list:x", ""),
    ],
)
def test_a_subject_leads_to_its_page_if_it_has_one(subject, page):
    assert audit_words.page(subject) == page
