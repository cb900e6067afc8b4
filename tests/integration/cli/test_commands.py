"""The command line: what it prints, what it does, how it exits."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from click.testing import CliRunner

from mailing.campaigns.drafts import Draft
from mailing.core import logs
from mailing.core.states import AttemptResult, RecipientState
from mailing.ledger import rests
from mailing.senders import store as senders
from mailing.smtp.account import Sender
from tasks.app import use
from tests.support.clock import within
from tests.support.stack import wait_until
from tests.support.web import deliver, store
from webapp.cli.commands import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    from tests.support.stack import Stack


@pytest.fixture
def stack(make_stack: Callable[..., Stack]) -> Stack:
    """A Volley with a message to send, of which nothing runs yet."""
    stack = make_stack()
    (stack.folder / "text.txt").write_text("Dear {{ name or email }}")
    return stack


@pytest.fixture(autouse=True)
def _no_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands run in this process: they must not redirect its log."""
    monkeypatch.setattr(logs, "configure", lambda _kind, **_more: None)


def volley(stack: Stack, *arguments: str, stdin: bytes = b"") -> Result:
    """Run a command to its end, in this process. ``output`` is what a terminal would show."""
    use(stack.settings)
    return CliRunner().invoke(main, arguments, input=stdin, env=stack.env)


def send(stack: Stack, pasted: str, *options: str, subject: str = "Hi") -> Result:
    text = str(stack.folder / "text.txt")
    return volley(
        stack, "send", "--subject", subject, "--text-file", text, *options, "-", stdin=pasted.encode()
    )


def start(stack: Stack, *arguments: str, **streams: Any) -> subprocess.Popen[bytes]:
    """Run a command as a process of its own."""
    command = [sys.executable, "-W", "error", "-m", "webapp.cli.commands", *arguments]
    return stack.keeper.start(command, env=stack.env | {"COLUMNS": "100"}, **streams)


def start_send(stack: Stack, n: int, *options: str, **streams: Any) -> subprocess.Popen[bytes]:
    """Send to ``n`` addresses, as a process of its own."""
    path = stack.folder / "list.txt"
    path.write_text(addresses(n))
    text = str(stack.folder / "text.txt")
    return start(stack, "send", "--subject", "Hi", "--text-file", text, *options, str(path), **streams)


def addresses(n: int) -> str:
    return "\n".join(f"u{number}@example.org" for number in range(n))


def test_a_list_is_sent_and_the_exit_says_that_all_went_well(stack: Stack):
    stack.start("redis", "inbox", "worker", "beat")
    path = stack.folder / "list.txt"
    path.write_text(addresses(20) + "\nu1@example.org", encoding="utf-8-sig")
    text = str(stack.folder / "text.txt")
    done = volley(stack, "send", "--yes", "--subject", "Hi {{ email }}", "--text-file", text, str(path))
    assert "20 addresses, 1 duplicate merged, 0 lines skipped." in done.output
    assert "Campaign 1 is finished: 20 sent of 20." in done.output
    assert done.exit_code == 0
    assert stack.campaign(1).counts[RecipientState.SENT] == 20


def test_failures_are_told_in_groups_and_the_exit_says_so(stack: Stack):
    stack.start("redis", "inbox", "worker", "beat")
    done = send(stack, "a@example.org x+bounce@example.org y+bounce@example.org nonsense", "--yes")
    assert '1 line skipped.\n  line 1: nonsense\n    Missing "@"' in done.output
    assert "Campaign 1 is finished: 1 sent, 2 failed of 3." in done.output
    assert "2 failed: this mailbox doesn't exist, 550 5.1.1 (x+bounce@example.org and 1 more)" in done.output
    assert "    550 5.1.1 <x+bounce@example.org>" in done.output
    assert done.exit_code == 1
    again = volley(stack, "status", "1")
    assert again.exit_code == 0
    assert again.output in done.output


def test_without_redis_and_workers_the_command_waits_and_says_why(stack: Stack):
    """Ctrl-C leaves the campaign as it is, and says how to stop it."""
    log = stack.folder / "cli.log"
    with log.open("wb") as output:
        process = start_send(stack, 1, stdout=output, stderr=output)
    wait_until(lambda: "No worker is running" in log.read_text(), "the command says what is missing")
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 1
    assert "The campaign is saved. Sending starts when Redis accepts work again." in log.read_text()
    assert "To stop it: volley pause 1" in log.read_text()
    assert stack.campaign(1).state == "sending"
    stack.start("redis", "inbox", "worker", "beat")
    stack.wait_for(1)


def test_a_command_in_the_background_of_a_script_ignores_ctrl_c_as_others_do(stack: Stack):
    path, text = stack.folder / "list.txt", stack.folder / "text.txt"
    path.write_text(addresses(1))
    send = ["send", "--subject", "Hi", "--text-file", text, path]
    shell = ["sh", "-c", """trap '' INT; exec "$0" -m webapp.cli.commands "$@\"""", sys.executable, *send]
    process = stack.keeper.start(shell, env=stack.env, stdout=subprocess.PIPE)
    assert process.stdout
    while b"No worker is running" not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGINT)
    volley(stack, "cancel", "1")
    assert process.wait(60) == 1
    assert b"Campaign 1 is canceled" in process.stdout.read()


def test_a_campaign_is_paused_resumed_and_canceled(stack: Stack):
    process = start_send(stack, 3, stdout=subprocess.PIPE)
    assert process.stdout
    wait_until(lambda: stack_has(stack, 1), "the campaign is stored")
    paused = volley(stack, "pause", "1")
    assert (paused.exit_code, "Campaign 1 is paused: 3 queued." in paused.output) == (0, True)
    assert process.wait(60) == 1
    assert "To resume: volley resume 1" in process.stdout.read().decode()
    process.stdout.close()
    assert "is sending" in volley(stack, "resume", "1").output
    assert "is canceled: 3 canceled." in volley(stack, "cancel", "1").output
    again = volley(stack, "cancel", "1")
    assert (again.exit_code, "cancel isn't possible" in again.output) == (1, True)


def test_what_failed_is_retried_and_what_is_unknown_resent_or_marked(stack: Stack):
    store(stack.db, "b@example.org c@example.org d@example.org", Draft("a@example.org", "s", "t"), send=True)
    lost = (AttemptResult.UNKNOWN, None, "", "lost")
    deliver(stack.db, (AttemptResult.FAILED, 554, "5.4.7", "554 expired"), lost, lost)
    none = volley(stack, "retry", "1", "--deferred")
    assert (none.exit_code, "0 recipients changed." in none.output) == (0, True)
    assert "1 recipient changed." in volley(stack, "retry", "1", "--failed").output
    assert "2 recipients changed." in volley(stack, "resend-unknown", "1").output
    deliver(stack.db, lost, lost, lost)
    marked = volley(stack, "mark-sent", "1")
    assert "3 recipients changed.\nCampaign 1 is sending: 3 sent." in marked.output
    volley(stack, "cancel", "1")
    refused = volley(stack, "retry", "1")
    assert (refused.exit_code, "is canceled" in refused.output) == (1, True)


def test_those_who_wait_are_left_out_or_given_up_only_where_it_is_said_whom(stack: Stack):
    store(
        stack.db, "b@example.org c@example.org d@other.example", Draft("a@example.org", "s", "t"), send=True
    )
    deliver(stack.db, (AttemptResult.RETURNED, 554, "5.7.1", "554 5.7.1 no"))
    vague = volley(stack, "skip", "1")
    assert (vague.exit_code, "Choose emails" in vague.output) == (2, True)
    assert volley(stack, "fail", "1", "--reply", "nonsense").exit_code == 2
    assert "0 recipients changed." in volley(stack, "skip", "1", "--deferred").output
    assert "1 recipient changed." in volley(stack, "fail", "1", "--reply", "554-5.7.1").output
    skipped = volley(stack, "skip", "1", "--queued", "--search", "@other.example")
    assert "Campaign 1 is sending: 1 queued, 1 failed, 1 canceled." in skipped.output


def test_the_status_says_why_the_sender_waits_and_until_when(stack: Stack):
    store(stack.db, "b@example.org", Draft("a@example.org", "s", "t"), send=True)
    with stack.db.write() as connection:
        senders.keep_default(connection, Sender("mx", 25))
        rests.begin(connection, "mx:25", 600, "452 daily quota", tried_at=0)
    told = volley(stack, "status", "1").output
    assert "Sending resumes automatically at 20" in told
    assert "    452 daily quota" in told


def test_the_hours_until_it_is_given_up_are_stored(stack: Stack):
    log = stack.folder / "cli.log"
    with log.open("wb") as output:
        start_send(stack, 1, "--give-up-hours", "3", stdout=output, stderr=output)
    wait_until(lambda: "No worker is running" in log.read_text(), "the campaign is stored")
    assert stack.campaign(1).give_up_after == 3 * 3600


def stack_has(stack: Stack, campaign_id: int) -> bool:
    with stack.db.read() as connection:
        return bool(
            connection.exec_driver_sql(f"SELECT count(*) FROM campaigns WHERE id = {campaign_id}").scalar()
        )


@pytest.mark.parametrize(
    "command", ["status", "pause", "resume", "cancel", "retry", "resend-unknown", "mark-sent"]
)
def test_an_unknown_campaign_is_told(stack: Stack, command: str):
    done = volley(stack, command, "7")
    assert done.exit_code == 1
    assert "ampaign" in done.output
    assert "Traceback" not in done.output


def test_status_prints_what_the_api_returns(stack: Stack):
    store(stack.db, "b@example.org", Draft("a@example.org", "s", "t"))
    answer = orjson.loads(volley(stack, "status", "1", "--json").output)
    assert (answer["id"], answer["state"], answer["counts"]["queued"]) == (1, "draft", 1)


@pytest.mark.parametrize(
    ("pasted", "options", "subject", "words"),
    [
        ("", [], "Hi", "list: The list has no valid addresses."),
        ("nobody", [], "Hi", "list: The list has no valid addresses."),
        ("a@example.org", [], "Hi\r\nBcc: x@example.org", "subject: The subject has a line break"),
        ("a@example.org", ["--from", "a@example.org\nX: y"], "Hi", "from: Enter one sender address"),
        ("a@example.org", [], "{{ city }}", "{{ city }}"),
        ("a@example.org", [], "  ", "subject: Must not be empty"),
        ("a@example.org", ["--priority", "10"], "Hi", "0<=x<=9"),
        ("a@example.org", ["--give-up-hours", "0"], "Hi", "1<=x<=168"),
        ("a@example.org", ["--html-file", "/nowhere/x.html"], "Hi", "/nowhere/x.html"),
    ],
)
def test_what_cannot_be_sent_is_refused_and_nothing_is_stored(
    stack: Stack, pasted: str, options: list[str], subject: str, words: str
):
    done = send(stack, pasted, *options, subject=subject)
    assert done.exit_code != 0
    assert words in done.output
    assert "Traceback" not in done.output
    assert not stack_has(stack, 1)


def test_a_list_that_is_no_text_is_refused(stack: Stack):
    text = str(stack.folder / "text.txt")
    done = volley(stack, "send", "--subject", "x", "--text-file", text, "-", stdin=b"\xff\xfe\x00\x81")
    assert (done.exit_code, "UTF-8" in done.output) == (1, True)


def test_a_person_is_asked_before_anything_is_sent(stack: Stack):
    here, there = pty.openpty()
    process = start_send(stack, 2, stdin=there, stdout=there, stderr=there)
    os.close(there)
    shown = b""
    while b"[y/N]" not in shown:
        shown += os.read(here, 1000)
    assert b"Send to 2 addresses?" in shown
    os.write(here, b"n\n")
    assert process.wait(60) == 1
    os.close(here)
    assert not stack_has(stack, 1)


def test_a_terminal_shows_a_bar(stack: Stack):
    stack.start("redis", "inbox", "worker", "beat")
    here, there = pty.openpty()
    process = start_send(stack, 30, "--yes", stdin=there, stdout=there, stderr=there)
    os.close(there)
    shown = b""
    while b"is finished" not in shown:
        shown += os.read(here, 1000)
    assert process.wait(60) == 0
    os.close(here)
    assert re.search(rb"Campaign 1  \[#{20}\]  100%  30 sent", shown)


def test_check_says_of_each_part_whether_it_works(stack: Stack):
    with within(12):
        done = volley(stack, "check")
    assert done.exit_code == 1
    marks = {line.split()[1]: line[0] for line in done.output.splitlines()}
    assert marks == {"settings": "✓", "database": "✓", "redis": "✗", "smtp": "✗", "workers": "✗"}
    stack.start("redis", "inbox", "worker")
    done = volley(stack, "check")
    assert (done.exit_code, done.output.count("✓")) == (0, 5), done.output


def test_check_tells_all_faulty_settings(stack: Stack):
    stack.env |= {"VOLLEY_BIND": "x", "VOLLEY_SMTP_URL": "http://x"}
    done = volley(stack, "check")
    assert done.exit_code == 1
    told = {line.split()[2]: line[0] for line in done.output.splitlines()}
    assert told == {"VOLLEY_BIND:": "✗", "VOLLEY_SMTP_URL:": "✗"}
    other = volley(stack, "status", "1")
    assert (other.exit_code, "These settings are invalid" in other.output) == (1, True)


def test_a_database_without_tables_is_told(stack: Stack, tmp_path: Path):
    stack.env["VOLLEY_DATABASE_URL"] = f"sqlite:///{tmp_path / 'empty.sqlite'}"
    done = volley(stack, "status", "1")
    assert done.exit_code == 1
    assert "volley check" in done.output
    assert "make migrate" in volley(stack, "check").output


def test_lanes_are_shown_and_steered(stack: Stack):
    store(stack.db, "a@gmail.com b@x.example", send=True)
    with stack.db.write() as connection:
        senders.keep_default(connection, stack.settings.sender)
    assert "gmail: 0 sent of 1, 0/min, free" in volley(stack, "lanes", "1").output
    assert volley(stack, "steer-lane", "1", "gmail", "pause").exit_code == 0
    assert "gmail: 0 sent of 1, 0/min, paused\n    Paused by a person" in volley(stack, "lanes", "1").output
    assert volley(stack, "steer-lane", "1", "gmail", "resume").exit_code == 0
    refused = volley(stack, "steer-lane", "1", "gmail", "resume")
    assert (refused.exit_code, "isn't slowed down" in refused.output) == (1, True)
