"""The command line schedules campaigns, and says how they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from mailing.core import logs
from mailing.core.states import CampaignState
from tasks.app import use
from tests.support.web import store
from webapp.cli.commands import main

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    from tests.support.stack import Stack

ZONE = ("--time-zone", "Asia/Ho_Chi_Minh")


@pytest.fixture(autouse=True)
def _no_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands run in this process: they must not redirect its log."""
    monkeypatch.setattr(logs, "configure", lambda _kind, **_more: None)


def volley(stack: Stack, *arguments: str, stdin: bytes = b"") -> Result:
    use(stack.settings)
    return CliRunner().invoke(main, arguments, input=stdin, env=stack.env)


def test_a_campaign_is_scheduled_moved_kept_to_hours_made_urgent_and_taken_back(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack()
    text = stack.folder / "text.txt"
    text.write_text("Dear {{ name or email }}")
    send = ("send", "--subject", "Hi", "--text-file", str(text), "--yes")
    made = volley(stack, *send, "--at", "2030-12-01 08:00", *ZONE, "-", stdin=b"ann@x.example")
    assert made.exit_code == 0, made.output
    assert "Campaign 1 is scheduled for 2030-12-01 08:00 (Asia/Ho_Chi_Minh)." in made.output
    moved = volley(stack, "schedule", "1", "--at", "2031-01-01 09:00")
    assert "for 2031-01-01 09:00 (Asia/Ho_Chi_Minh)" in moved.output
    assert "from 08:00 to 20:00 only" in volley(stack, "hours", "1", "--hours", "08:00-20:00").output
    assert "Its priority is 0." in volley(stack, "priority", "1", "0").output
    assert "a draft again" in volley(stack, "unschedule", "1").output
    assert stack.campaign(1).state is CampaignState.DRAFT


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--at", "2030-12-01 08:00"), "Enter the time zone"),
        (("--at", "2020-12-01 08:00", *ZONE), "has passed"),
        (("--at", "2030-12-01 08:00", "--time-zone", "Mars"), "no time zone called Mars"),
        ((), "Choose the date and time"),
    ],
)
def test_what_cannot_be_meant_ends_with_a_sentence_and_changes_nothing(
    make_stack: Callable[..., Stack], options: tuple[str, ...], said: str
) -> None:
    stack = make_stack()
    store(stack.db, "ann@x.example")
    refused = volley(stack, "schedule", "1", *options)
    assert refused.exit_code == 1
    assert said in refused.output
    assert stack.campaign(1).state is CampaignState.DRAFT
