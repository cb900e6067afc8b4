"""``volley dkim``: keys are made, listed, shown, checked, rotated and retired."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from mailing.core import logs
from tasks.app import use
from webapp.cli.commands import main

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.stack import Stack

DOMAIN = "sender.test"  # of which no server of the internet is asked


@pytest.fixture
def stack(make_stack: Callable[..., Stack], monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A Volley of which nothing runs."""
    monkeypatch.setattr(logs, "configure", lambda _kind, **_more: None)
    return make_stack()


def volley(stack: Stack, *arguments: str, status: int = 0) -> str:
    use(stack.settings)
    done = CliRunner().invoke(main, ("dkim", *arguments), env=stack.env)
    assert done.exit_code == status, done.output
    return done.output


def test_keys_are_made_shown_checked_and_retired(stack: Stack) -> None:
    assert "This is not a domain." in volley(stack, "new", "x", status=1)
    assert "has no keys" in volley(stack, "show", DOMAIN, status=1)
    said = volley(stack, "new", DOMAIN)
    assert said.count("IN TXT") == 2
    assert f"volley dkim check {DOMAIN}" in said
    assert "waiting" in volley(stack, "new", DOMAIN, "--only", "rsa", status=1)
    assert "waiting" in volley(stack, "rotate", DOMAIN, status=1)
    listed = volley(stack, "list")
    assert listed.count("created") == 2
    assert volley(stack, "show", DOMAIN).count("IN TXT") == 2
    assert "unknown: " in volley(stack, "check", DOMAIN)
    selector = listed.split()[1]
    assert "no longer signs" in volley(stack, "retire", DOMAIN, selector)
    assert "no longer signs" in volley(stack, "retire", DOMAIN, selector, status=1)
    assert volley(stack, "show", DOMAIN).count("IN TXT") == 1
