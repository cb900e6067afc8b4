"""An operator's rulebook, through real workers against a server that refuses on purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing.campaigns.drafts import Draft
from mailing.core.states import RecipientState, WorkerState
from mailing.ledger import leases
from mailing.reports.worker_roster import Roster
from tests.support.smtp_server import serving
from tests.support.stack import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.stack import Stack

DRAFT = Draft("Club <club@sender.example>", "Hello", "Dear {{ email }}.\n")
RULE = """\
[[rule]]
id = "moving-house"
words = 'we are moving house'
scope = "recipient"
follows = "wait"
wait = 3600
source = "a small host, 2026-11-26"
example = { stage = "rcpt", reply = "550 5.1.1 We are moving house" }
"""


def notices(stack: Stack) -> set[str]:
    with stack.db.read() as connection:
        return {str(worker.notice) for worker in leases.alive(connection)}


def test_its_rules_hold_a_mistake_is_told_on_the_workers_page_and_a_correction_takes_effect(
    make_stack: Callable[..., Stack],
) -> None:
    with serving({"rcpt": b"550 5.1.1 We are moving house\r\n"}) as server:
        stack = make_stack()
        file = stack.folder / "own.toml"
        file.write_text(RULE)
        stack.env |= {"VOLLEY_RULEBOOK": str(file), "VOLLEY_SMTP_URL": f"smtp://127.0.0.1:{server.port}"}
        stack.start("redis", "worker", "beat")
        first = stack.send(DRAFT, ["ann@one.example"])
        stack.wait_for_count(first, RecipientState.DEFERRED, 1)
        file.write_text(RULE.replace('"wait"', '"later"'))
        told = (
            f"The rulebook {file} has a mistake, so the rules read before stay in effect. Line 5, rule moving"
        )
        wait_until(lambda: all(it.startswith(told) for it in notices(stack)), "all workers tell the line")
        with stack.db.read() as connection:
            states = {row.state for row in Roster().look(connection, 0.0)}
        assert states == {WorkerState.IDLE}  # it keeps nobody from sending
        second = stack.send(DRAFT, ["bob@one.example"])
        stack.wait_for_count(second, RecipientState.DEFERRED, 1)
        file.write_text(RULE.replace("wait = 3600\n", "").replace('"wait"', '"fail"'))
        wait_until(lambda: notices(stack) == {""}, "all workers have read it")
        third = stack.send(DRAFT, ["cid@one.example"])
        stack.wait_for(third)
        assert stack.campaign(third).counts[RecipientState.FAILED] == 1
