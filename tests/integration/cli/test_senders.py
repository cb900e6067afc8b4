"""``volley senders``: added, changed, tried, put in order, used by a campaign, deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from mailing.core import logs
from mailing.senders import opening, store
from mailing.senders.limits import Limits
from mailing.senders.routes import Route
from tasks.app import use
from tests.support.smtp_server import EXTENSIONS, serving
from tests.support.web import campaign_in
from tests.support.web import store as store_campaign
from webapp.cli.commands import main

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    from mailing.senders.store import Account
    from tests.support.stack import Stack


@pytest.fixture
def stack(make_stack: Callable[..., Stack], monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A Volley of which nothing runs."""
    monkeypatch.setattr(logs, "configure", lambda _kind, **_more: None)
    return make_stack()


def volley(stack: Stack, *arguments: str, stdin: str = "", status: int = 0) -> str:
    use(stack.settings)
    done: Result = CliRunner().invoke(main, ("senders", *arguments), input=stdin, env=stack.env)
    assert done.exit_code == status, done.output
    return done.output


def senders(stack: Stack) -> list[Account]:
    with stack.db.read() as connection:
        return list(store.every(connection))


def test_a_sender_is_added_tried_and_shown_and_its_password_is_in_no_command(stack: Stack) -> None:
    with serving(extensions=(*EXTENSIONS, "AUTH PLAIN"), login=("club", "hunter2")) as server:
        there = ("--host", "127.0.0.1", "--port", str(server.port), "--tls", "none")
        asked = ("--name", "Club", *there, "--user", "club", "--password", "--per-day", "500")
        said = volley(stack, "add", *asked, stdin="hunter2\n")
        assert "volley senders test 2" in said
        dialogue = volley(stack, "test", "2")
        assert "AUTH PLAIN" in dialogue
        assert "hunter2" not in dialogue
        volley(stack, "change", "2", "--password", stdin="wrong\n")
        assert "rejected the sign-in" in volley(stack, "test", "2", status=1)
    listed = volley(stack, "list")
    assert "2  Club  127.0.0.1:" in listed
    assert "500 per day" in listed
    account = senders(stack)[-1]
    assert opening.usable(account, stack.settings.secret_key, stack.settings.sender).password == "wrong"


def test_a_preset_brings_the_rest_and_the_page_to_connect(stack: Stack) -> None:
    said = volley(stack, "add", "--preset", "microsoft", "--user", "c@example.org", "--client-id", "mine")
    assert "/senders/2" in said
    assert senders(stack)[-1].limits == Limits(per_minute=30, per_24h=10_000)
    assert "not connected" in volley(stack, "test", "2", status=1)


def test_what_cannot_be_used_is_one_line(stack: Stack) -> None:
    assert "must be a whole number" in volley(
        stack, "add", "--host", "a.example", "--per-hour", "-5", status=1
    )
    assert "Give --host" in volley(stack, "add", status=2)
    assert "does not exist" in volley(stack, "test", "99", status=1)
    assert "can't be deleted" in volley(stack, "delete", "1", status=1)


def test_a_campaign_uses_senders_in_order_with_limits_of_its_own(stack: Stack) -> None:
    volley(stack, "add", "--name", "Second", "--host", "b.example")
    campaign_id = store_campaign(stack.db, "a@one.example")
    volley(stack, "use", str(campaign_id), "2", "1", "--per-minute", "60")
    campaign = campaign_in(stack.db, campaign_id)
    assert campaign
    assert campaign.route == Route((2, 1), Limits(per_minute=60))
    assert "is used by campaigns" in volley(stack, "delete", "2", status=1)
    volley(stack, "use", str(campaign_id))
    volley(stack, "move", "2", "1")
    assert [account.id for account in senders(stack)] == [2, 1]
    assert "Second was deleted" in volley(stack, "delete", "2")


def test_a_warmup_is_begun_shown_changed_and_ended(stack: Stack) -> None:
    volley(stack, "add", "--host", "smtp.example.org", "--per-day", "300")
    assert volley(stack, "warmup", "2") == "No warm-up.\n"
    shown = volley(stack, "warmup", "2", "--first", "100").splitlines()
    assert [line.split("  ")[1] for line in shown] == ["0 of 100", "200", "300"]
    shown = volley(stack, "warmup", "2", "--growth", "10").splitlines()
    assert [line.split("  ")[1] for line in shown][:3] == ["0 of 100", "110", "121"]
    assert "first day" in volley(stack, "warmup", "2", "--target", "5", status=1)
    assert volley(stack, "warmup", "2", "--end") == "No warm-up.\n"
