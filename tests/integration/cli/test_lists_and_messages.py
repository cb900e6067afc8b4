"""The command line brings lists, shows a message as somebody gets it, and sends it as a test."""

from __future__ import annotations

import email
import email.policy
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mailing.core import logs
from mailing.settings import ROOT
from tests.integration.cli.test_commands import volley
from tests.support.stack import free_port
from tests.support.web import DRAFT, store

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.stack import Stack


@pytest.fixture(autouse=True)
def _no_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands run in this process: they must not redirect its log."""
    monkeypatch.setattr(logs, "configure", lambda _kind, **_more: None)


def test_a_file_is_imported_and_what_was_found_is_told(make_stack: Callable[..., Stack]):
    stack = make_stack()
    file = stack.folder / "members.csv"
    file.write_text("Email;Name\nann@one.example;Ann\nben@gmial.com;Ben\nnonsense;X\n")
    done = volley(stack, "lists", "import", str(file))
    assert done.exit_code == 0, done.output
    assert "List 1: 2 contacts" in done.output
    assert "line 4: nonsense" in done.output
    assert "ben@gmial.com" in done.output
    assert "members  2 of 2 active" in volley(stack, "lists", "list").output
    again = volley(stack, "lists", "import", str(file))
    assert again.exit_code == 1
    assert "Nothing was imported." in again.output
    sample = str(ROOT / "tests/lists/members.xlsx")
    assert volley(stack, "lists", "import", "--name", "Club", sample).exit_code == 0


def test_a_message_is_shown_as_somebody_gets_it(make_stack: Callable[..., Stack]):
    stack = make_stack()
    store(stack.db, "Ann <ann@one.example>, Ben <ben@one.example>", DRAFT)
    shown = volley(stack, "preview", "1", "ben@one.example")
    assert shown.exit_code == 0, shown.output
    message = email.message_from_bytes(shown.stdout_bytes, policy=email.policy.default)
    assert "ben@one.example" in str(message["To"])
    assert volley(stack, "preview", "1", "eve@one.example").exit_code == 1
    assert volley(stack, "preview", "9").exit_code == 1


def test_a_test_is_sent_with_its_dialogue_and_its_failure_is_told(make_stack: Callable[..., Stack]):
    stack = make_stack()
    store(stack.db, "Ann <ann@one.example>", DRAFT)
    stack.start("inbox")
    done = volley(stack, "test-send", "1", "me@two.example")
    assert done.exit_code == 0, done.output
    assert "RCPT TO:<me@two.example>" in done.output
    assert "Accepted." in done.output
    assert stack.campaign(1).counts["sent"] == 0
    assert volley(stack, "test-send", "1", "nonsense").exit_code == 1
    stack.env["VOLLEY_SMTP_URL"] = f"smtp://127.0.0.1:{free_port()}"
    away = volley(stack, "test-send", "1", "me@two.example")
    assert away.exit_code == 1
    assert "Not accepted." in away.output


def test_a_campaign_is_checked_and_what_has_to_be_fixed_is_the_exit_status(make_stack: Callable[..., Stack]):
    stack = make_stack()
    good = replace(DRAFT, sender_from="ann@example.org", html="<p>Dear {{ name }}, unsubscribe here.</p>")
    store(stack.db, "Ann <ann@one.example>", replace(DRAFT, text="{{ city }}"))
    store(stack.db, "Ann <ann@one.example>", replace(good, html='<img src="x"><a href="http://[::1]/">x</a>'))
    bad = volley(stack, "preflight", "1")
    assert bad.exit_code == 1
    assert bad.output.startswith("✗ ")
    assert "city" in bad.output.splitlines()[0]
    asked = volley(stack, "preflight", "2", "--links")
    assert "! Images without alternative text: 1.\n  Describe each one" in asked.output
    assert "private network" in asked.output
    fine = volley(stack, "preflight", "2")
    assert fine.exit_code == 0, fine.output
    assert "To open them: volley preflight 2 --links" in fine.output
    nothing = volley(stack, "preflight", "9")
    assert (nothing.exit_code, "Campaign 9 does not exist." in nothing.output) == (1, True)
