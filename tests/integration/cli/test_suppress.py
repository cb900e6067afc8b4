"""``volley suppress``: added from a list, shown, explained, lifted, forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from mailing.core import logs
from mailing.core.states import AttemptResult
from tasks.app import use
from tests.support.web import deliver, store
from webapp.cli.commands import main

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.stack import Stack


@pytest.fixture
def stack(make_stack: Callable[..., Stack], monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A Volley of which nothing runs."""
    monkeypatch.setattr(logs, "configure", lambda _kind, **_more: None)
    return make_stack()


def volley(stack: Stack, *arguments: str, stdin: str = "", status: int = 0) -> str:
    use(stack.settings)
    done = CliRunner().invoke(main, ("suppress", *arguments), input=stdin, env=stack.env)
    assert done.exit_code == status, done.output
    return done.output


def test_a_list_is_added_shown_explained_lifted_and_forgotten(stack: Stack) -> None:
    listed = "Ann <ann@x.example>\n@y.example\nno one\n"
    said = volley(stack, "add", "-", "--reason", "unsubscribed", "--days", "30", stdin=listed)
    assert "line 3: no one" in said
    assert "2 added, 0 known, 1 skipped." in said
    again = ("add", "-", "--reason", "unsubscribed")
    assert "0 added, 1 known" in volley(stack, *again, stdin="ANN@x.example")
    volley(stack, "add", "-", stdin="nobody", status=1)
    shown = volley(stack, "list", "ann")
    assert "ann@x.example  unsubscribed since " in shown
    assert "by cli" in shown
    assert "@y.example" in volley(stack, "why", "zoe@y.example")
    assert "not on the list" in volley(stack, "why", "zoe@z.example")
    number = shown.split()[0]
    assert "can be mailed again" in volley(stack, "lift", number)
    assert "does not exist" in volley(stack, "lift", number, status=1)
    volley(stack, "forget", "bob@x.example")
    assert "bob" not in volley(stack, "list")
    assert "#" in volley(stack, "why", "bob@x.example")
    assert "@" in volley(stack, "forget", "bob", status=1)


def test_how_mail_is_received_is_told(stack: Stack) -> None:
    use(stack.settings)
    done = CliRunner().invoke(main, ("received",), env=stack.env)
    assert (done.exit_code, done.output) == (0, "Nothing was sent.\n")
    store(stack.db, "ann@x.example\nbob@y.example", send=True)
    deliver(stack.db, *[(AttemptResult.SENT, 250, "2.0.0", "250 ok")] * 2)
    for options in (("--days", "7"), ("--campaign", "1"), ("--by", "sender")):
        done = CliRunner().invoke(main, ("received", *options), env=stack.env)
        assert done.exit_code == 0, done.output
        last = done.output.splitlines()[-1].split()
        assert last[-5:] == ["2", "2", "0", "0", "0"]
