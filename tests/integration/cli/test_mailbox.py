"""``volley mailbox``: added, listed, tested and removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from mailing.core import logs
from tasks.app import use
from tests.support.stack import free_port
from webapp.cli.commands import main

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.stack import Stack


@pytest.fixture
def stack(make_stack: Callable[..., Stack], monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A Volley of which nothing runs."""
    monkeypatch.setattr(logs, "configure", lambda _kind, **_more: None)
    return make_stack()


def volley(stack: Stack, *arguments: str, status: int = 0, typed: str = "") -> str:
    use(stack.settings)
    done = CliRunner().invoke(main, ("mailbox", *arguments), env=stack.env, input=typed)
    assert done.exit_code == status, done.output
    return done.output


def test_a_mailbox_is_added_listed_tested_and_removed(stack: Stack) -> None:
    where = ("--host", "127.0.0.1", "--port", str(free_port()), "--user", "ann", "--tls", "none")
    assert "Mailbox 1: Club" in volley(stack, "add", "--name", "Club", *where, typed="secret\n")
    assert "There is already a mailbox named club" in volley(
        stack, "add", "--name", "club", *where, typed="p\n", status=1
    )
    listed = volley(stack, "list")
    assert "1  Club  imap 127.0.0.1" in listed
    assert "No process watches them" in listed
    assert "secret" not in listed
    assert "nothing accepts connections" in volley(stack, "test", "1", status=1)
    assert "Mailbox 2 does not exist" in volley(stack, "test", "2", status=1)
    assert "Club was removed." in volley(stack, "remove", "1")
    assert volley(stack, "list") == ""
