"""A campaign that real workers sent has a receipt, which the command line writes and checks."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from mailing.campaigns.drafts import Draft
from mailing.core import logs
from mailing.core.states import CampaignState, RecipientState
from mailing.ledger.tables import dialogues
from tests.integration.cli.test_commands import volley
from tests.support.receipts import ANOTHER, KEY, person, receipt
from tests.support.smtp_server import DROP, EXTENSIONS, serving
from tests.support.stack import wait_until
from tests.support.web import store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.stack import Stack

DRAFT = Draft("Club <club@sender.example>", "Hello", "Dear {{ email }}, the words of the message.\n")
PASSWORD = "s3cret-of-ann"


@pytest.fixture(autouse=True)
def _no_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands run in this process: they must not redirect its log."""
    monkeypatch.setattr(logs, "configure", lambda _kind, **_more: None)


def answers() -> dict[str, Callable]:
    """A server that repeats the password with what it refuses."""

    async def dot(transaction):
        (who,) = transaction.recipients
        refusal = f"550 5.1.1 {who} is gone, {PASSWORD}\r\n".encode()
        return {"gone@a.example": refusal, "lost@a.example": DROP}.get(who)

    return {"dot": dot}


def test_what_real_workers_sent_is_in_it_and_what_was_said_is_kept_without_secrets(
    make_stack: Callable[..., Stack],
) -> None:
    stack, people = (
        make_stack(),
        ["gone@a.example", "lost@a.example", *(f"u{n}@a.example" for n in range(30))],
    )
    signing_in = (*EXTENSIONS, "AUTH PLAIN")
    with serving(answers(), extensions=signing_in, login=("ann", PASSWORD)) as server:
        stack.env["VOLLEY_SMTP_URL"] = f"smtp://ann:{PASSWORD}@127.0.0.1:{server.port}"
        stack.start("redis", "worker", "beat")
        campaign_id = stack.send(DRAFT, people)
        wait_until(lambda: stack.campaign(campaign_id).state is CampaignState.FINISHED, "it is finished")
    assert stack.campaign(campaign_id).counts[RecipientState.SENT] == 30
    file = stack.folder / "receipt.jsonl"
    done = volley(stack, "receipt", str(campaign_id), str(file))
    assert done.exit_code == 0, done.output
    key = done.output.split()[-1]
    checked = volley(stack, "verify", str(file), "--key", key)
    assert checked.exit_code == 0, checked.output
    assert "30 sent, 1 failed, 1 unknown of 32, with 32 attempts." in checked.output
    assert "Genuine: 34 lines, none changed since they were signed with the key you named." in checked.output
    with stack.db.read() as connection:
        said = (
            connection.execute(select(dialogues.c.lines).order_by(dialogues.c.recipient_id)).scalars().all()
        )
    assert len(said) == 2
    assert "RCPT TO:<gone@a.example>" in said[0]
    assert "550 5.1.1 gone@a.example is gone" in said[0]
    assert "RCPT TO:<lost@a.example>" in said[1]
    assert "dialogue.text" in said[1]
    for lines in said:
        assert PASSWORD not in lines
        assert "words of the message" not in lines


def test_a_campaign_that_is_not_over_has_none_and_no_file_is_left(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack()
    store(stack.db, "ann@one.example", send=True)
    file = stack.folder / "receipt.jsonl"
    done = volley(stack, "receipt", "1", str(file))
    assert done.exit_code == 1
    assert "Campaign 1 has no receipt yet." in done.output
    assert volley(stack, "receipt", "9", str(file)).exit_code == 1
    assert not [*stack.folder.glob("receipt*")]
    nowhere = volley(stack, "receipt", "1", str(stack.folder / "nowhere" / "receipt.jsonl"))
    assert nowhere.exit_code == 1


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "receipt.jsonl"
    path.write_bytes(receipt(person(3), person(5, "failed")))
    return path


def verify(file: Path, *options: str):
    """Check a file where there is no Volley at all."""
    from click.testing import CliRunner  # noqa: PLC0415

    from webapp.cli.commands import main  # noqa: PLC0415

    return CliRunner().invoke(main, ["verify", str(file), *options], env={"VOLLEY_DATABASE_URL": "nonsense"})


def test_a_receipt_is_checked_without_settings_or_database(file: Path) -> None:
    done = verify(file)
    assert done.exit_code == 0, done.output
    assert "Whole: 4 lines, none changed since they were signed. By whom is not checked." in done.output
    assert "1 sent, 1 failed of 2, with 2 attempts." in done.output
    assert "Genuine" not in done.output


def test_the_wrong_line_is_named(file: Path) -> None:
    file.write_bytes(file.read_bytes().replace(b"a5@example.org", b"b5@example.org"))
    done = verify(file)
    assert done.exit_code == 1
    assert f"{file}: Line 3 was changed, or the line before it was replaced." in done.output


def test_a_receipt_of_another_key_is_refused(file: Path) -> None:
    file.write_bytes(receipt(person(3), key=ANOTHER))
    done = verify(file, "--key", KEY.public_key().public_bytes_raw().hex())
    assert done.exit_code == 1
    assert "another key" in done.output


def test_what_somebody_wrote_into_a_file_does_not_steer_the_terminal(file: Path) -> None:
    evil = {"id": 7, "subject": "\x1b]0;owned\x07\u202eNews", "rehearses": None, "state": "finished"}
    file.write_bytes(receipt(head={"campaign": evil}))
    done = verify(file)
    assert done.exit_code == 0
    assert "\x1b" not in done.output
    assert "\u202e" not in done.output


@pytest.mark.parametrize("odd", [[], "x", None, 7, {"id": [], "rehearses": {}}])
def test_odd_things_in_a_signed_file_are_no_malfunction(file: Path, odd: object) -> None:
    file.write_bytes(receipt(head={"campaign": odd}))
    done = verify(file)
    assert done.exit_code == (0 if isinstance(odd, dict) else 1)
    assert done.exception is None or isinstance(done.exception, SystemExit)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    assert "No such file" in verify(tmp_path / "nowhere").output
    folder = verify(tmp_path)
    assert folder.exit_code != 0
    assert "Traceback" not in folder.output
    assert stat.S_ISDIR(tmp_path.stat().st_mode)
