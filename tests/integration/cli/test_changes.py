"""The command line: a message is corrected, a failure limit changed, a follow-up made, a canary sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mailing.campaigns import lifecycle
from mailing.core import logs
from mailing.core.states import AttemptResult, CampaignAction
from mailing.ledger.breaker import Breaker
from tests.integration.cli.test_commands import volley
from tests.support.web import DRAFT, campaign_in, deliver, store

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.stack import Stack

SENT = (AttemptResult.SENT, 250, "2.0.0", "250 2.0.0 Ok")
GONE = (AttemptResult.FAILED, 550, "5.1.1", "550 5.1.1 no such user")
LIST = "ann@one.example\nben@two.example\ncat@two.example"


@pytest.fixture
def stack(make_stack: Callable[..., Stack]) -> Stack:
    """A Volley of which nothing runs."""
    return make_stack()


@pytest.fixture(autouse=True)
def _no_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands run in this process: they must not redirect its log."""
    monkeypatch.setattr(logs, "configure", lambda _kind, **_more: None)


def paused(stack: Stack) -> None:
    store(stack.db, LIST, send=True)
    with stack.db.write() as connection:
        lifecycle.act(connection, 1, CampaignAction.PAUSE)


def test_a_paused_message_is_corrected_in_the_parts_that_are_given(stack: Stack) -> None:
    paused(stack)
    done = volley(stack, "correct", "1", "--subject", "Sorry, {{ name }}")
    assert done.exit_code == 0, done.output
    assert "version 2" in done.output
    campaign = campaign_in(stack.db, 1)
    assert campaign
    assert (campaign.subject, campaign.text, campaign.version) == ("Sorry, {{ name }}", DRAFT.text, 2)
    again = volley(stack, "correct", "1", "--text-file", "-", stdin=b"Your code: {{ code }}")
    assert again.exit_code == 1
    assert "no such column" in again.output
    assert volley(stack, "correct", "1").exit_code == 2


def test_only_a_paused_campaign_is_corrected(stack: Stack) -> None:
    store(stack.db, LIST, send=True)
    done = volley(stack, "correct", "1", "--subject", "Sorry")
    assert done.exit_code == 1
    assert "isn't possible" in done.output


@pytest.mark.parametrize(
    ("options", "limit"),
    [
        (("5",), Breaker(5)),
        (("30", "--of-last", "50", "--at-least", "10"), Breaker(30, 50, 10)),
        (("0",), Breaker(0)),
        (("0", "--complaints", "0"), None),
        (("5", "--complaints", "0"), Breaker(5, complaints=0)),
    ],
)
def test_the_failure_limit_is_changed_and_turned_off(
    stack: Stack, options: tuple[str, ...], limit: Breaker | None
) -> None:
    paused(stack)
    assert volley(stack, "failure-limit", "1", *options).exit_code == 0
    campaign = campaign_in(stack.db, 1)
    assert campaign
    assert campaign.breaker == limit
    refused = volley(stack, "failure-limit", "1", "5", "--of-last", "10")
    assert refused.exit_code == 1
    assert "at most 10" in refused.output


def test_a_follow_up_goes_to_those_that_are_named(stack: Stack) -> None:
    store(stack.db, LIST, send=True)
    deliver(stack.db, GONE, SENT, GONE)
    done = volley(stack, "follow-up", "1", "--state", "failed", "--search", "@two.example")
    assert done.output.endswith("Draft 2 has 1 recipient.\n")
    assert volley(stack, "follow-up", "1", "--reply", "nonsense").exit_code == 2
    nobody = volley(stack, "follow-up", "1", "--state", "unknown")
    assert nobody.exit_code == 1
    assert "No recipient" in nobody.output
