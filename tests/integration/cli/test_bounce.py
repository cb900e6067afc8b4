"""``volley bounce``: reports from files or piped in, each recorded once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from mailing.core import logs
from tasks.app import use
from tests.integration.bounces.test_recording import address_of, sent_campaign
from tests.support import bounces
from webapp.cli.commands import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.stack import Stack


@pytest.fixture
def stack(make_stack: Callable[..., Stack], monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A Volley of which nothing runs."""
    monkeypatch.setattr(logs, "configure", lambda _kind, **_more: None)
    return make_stack()


def volley(stack: Stack, *arguments: str, stdin: bytes = b"") -> str:
    use(stack.settings)
    done = CliRunner().invoke(main, ("bounce", *arguments), input=stdin, env=stack.env)
    assert done.exit_code == 0, done.output
    return done.output


def test_reports_are_recorded_from_a_pipe_and_from_files(stack: Stack, tmp_path: Path) -> None:
    campaign_id = sent_campaign(stack.db)
    raw = bounces.dsn(to=address_of(stack.db, campaign_id))
    said = volley(stack, stdin=raw)
    assert f"bounced: ann@x.example in campaign {campaign_id}, there is no such mailbox, suppressed" in said
    assert "recorded before" in volley(stack, stdin=raw)
    files = [tmp_path / "vacation.eml", tmp_path / "full.eml"]
    files[0].write_bytes(bounces.VACATION)
    files[1].write_bytes(bounces.EXIM)
    lines = volley(stack, *map(str, files)).splitlines()
    assert "auto-reply: no recipient found" in lines[0]
    assert "bounced: no recipient found, mailbox full" in lines[1]


def test_the_address_of_the_envelope_can_be_said(stack: Stack) -> None:
    campaign_id = sent_campaign(stack.db)
    to = address_of(stack.db, campaign_id, "bob@x.example")
    assert "bob@x.example" in volley(stack, "--to", to, stdin=bounces.EXIM)
