"""Dialogues are stored with the result of the attempt, kept for some days, and forgotten in small strides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select, update

from mailing.core.clock import now_ms
from mailing.core.reasons import Reason
from mailing.core.states import AttemptResult
from mailing.ledger import dialogues, results
from mailing.ledger.dialogues import Attempt
from mailing.ledger.results import Trace
from mailing.ledger.tables import dialogues as table
from mailing.smtp.dialogue import Line, Side
from mailing.smtp.replies import Stage
from tasks import upkeep
from tests.integration.ledger.test_ledger import claim, result, store, worker

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from mailing.core.database import Database
    from mailing.ledger.results import Result

LINES = (
    Line(0, Side.NOTE, Stage.CONNECT, Reason("dialogue.connecting", server="mx:25")),
    Line(7, Side.CLIENT, Stage.RCPT, "RCPT TO:<ann@example.org>"),
    Line(9, Side.SERVER, Stage.RCPT, "550-5.1.1 no\n550 5.1.1 such üser"),
    Line(12, Side.NOTE, None, Reason("connection.timeout", n="30")),
)


def refused(db: Database, n: int, lines: Sequence[Line] = LINES) -> list[Result]:
    """Let so many attempts fail, each with its dialogue."""
    campaign_id = store(db, n)
    claims = claim(db, worker(db), campaign_id, n)
    return [
        result(it, AttemptResult.FAILED)._replace(trace=Trace(dialogue=lines), ended_at=now_ms())
        for it in claims
    ]


def settled(db: Database, ended: list[Result], *, at_once: bool = True) -> None:
    with db.write() as connection:
        results.settle(connection, ended, at_once=at_once)


def kept(db: Database) -> int:
    with db.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def of(db: Database, recipient_id: int) -> dict[Attempt, Sequence[Line]]:
    with db.read() as connection:
        return dict(dialogues.of_recipient(connection, recipient_id, 10))


def aged(db: Database, days: int) -> None:
    with db.write() as connection:
        connection.execute(update(table).values(ended_at=table.c.ended_at - days * dialogues.DAY_MS))


def test_what_was_said_is_read_again_as_it_was(db: Database) -> None:
    ended = refused(db, 2)
    settled(db, ended)
    first = ended[0]
    assert of(db, first.claim.recipient_id) == {
        Attempt(first.claim.attempt, AttemptResult.FAILED, first.ended_at): list(LINES)
    }
    assert of(db, 10**6) == {}


def test_an_attempt_that_sent_keeps_none(db: Database) -> None:
    ended = [it._replace(result=AttemptResult.SENT, trace=Trace()) for it in refused(db, 2)]
    settled(db, ended)
    assert kept(db) == 0


def test_a_result_that_is_recorded_twice_keeps_one(db: Database) -> None:
    ended = refused(db, 3)
    settled(db, ended)
    settled(db, ended, at_once=False)
    assert kept(db) == 3


def test_of_a_long_dialogue_the_beginning_and_the_end_are_kept(db: Database) -> None:
    long = [Line(n, Side.SERVER, Stage.HELLO, f"{n} " + "x" * 5_000) for n in range(300)]
    ended = refused(db, 1, long)
    settled(db, ended)
    (lines,) = of(db, ended[0].claim.recipient_id).values()
    assert len(lines) == dialogues.KEPT_LINES
    assert (lines[0].ms, lines[-1].ms) == (0, 299)
    assert max(len(str(line.words)) for line in lines) == dialogues.KEPT_LINE


def test_they_are_forgotten_after_their_days_and_no_more_of_them_at_once_than_is_told(db: Database) -> None:
    settled(db, refused(db, 5))
    aged(db, 29)
    with db.write() as connection:
        assert dialogues.forget(connection, 30, 100) == 0
    aged(db, 2)
    settled(db, refused(db, 1))
    with db.write() as connection:
        assert dialogues.forget(connection, 30, 3) == 3
        assert dialogues.forget(connection, 30, 3) == 2
        assert dialogues.forget(connection, 30, 3) == 0
    assert kept(db) == 1


def test_the_sweep_forgets_them_and_keeps_none_where_none_are_wanted(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled(db, refused(db, 5))
    monkeypatch.setattr(upkeep.processes, "dialogue_days", lambda: 1)
    upkeep.Carrying(db).go_round()
    assert kept(db) == 5
    monkeypatch.setattr(upkeep.processes, "dialogue_days", lambda: 0)
    upkeep.Carrying(db).go_round()
    assert kept(db) == 0
