"""The SMTP dialogues of attempts that did not send: kept with the result, for some days, and then forgotten.

No message and nothing that signs in is in them: ``smtp.dialogue`` leaves both out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import orjson
from sqlalchemy import delete, select, tuple_

from mailing.core import reasons
from mailing.core.clock import now_ms
from mailing.core.statements import run_many
from mailing.core.states import AttemptResult
from mailing.ledger.tables import dialogues
from mailing.smtp.dialogue import Line, Side
from mailing.smtp.replies import Stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

KEPT_LINES, KEPT_LINE = 60, 1_000  # characters; the reply itself is kept whole with the attempt
DAY_MS = 24 * 3600 * 1000
_KEEP = (
    "INSERT INTO dialogues (recipient_id, number, result, ended_at, lines) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT DO NOTHING"
)


class Said(NamedTuple):
    """The dialogue of one attempt. ``ended_at`` in ms since 1970."""

    recipient_id: int
    number: int
    result: AttemptResult
    ended_at: int
    lines: Sequence[Line]


class Attempt(NamedTuple):
    """Which attempt of a recipient it was."""

    number: int
    result: AttemptResult
    ended_at: int


def keep(connection: Connection, said: Sequence[Said]) -> None:
    """Store dialogues; one that is there already stays."""
    run_many(
        connection,
        _KEEP,
        [(it.recipient_id, it.number, it.result.value, it.ended_at, dump(it.lines)) for it in said],
    )


def of_recipient(connection: Connection, recipient_id: int, most: int) -> Mapping[Attempt, Sequence[Line]]:
    """Return the dialogues of a recipient that are still kept, of the ``most`` latest attempts."""
    statement = select(dialogues).where(dialogues.c.recipient_id == recipient_id)
    rows = connection.execute(statement.order_by(dialogues.c.ended_at.desc()).limit(most))
    return {Attempt(row.number, AttemptResult(row.result), row.ended_at): load(row.lines) for row in rows}


def forget(connection: Connection, days: int, rows: int) -> int:
    """Delete at most ``rows`` dialogues of attempts that ended more than ``days`` ago; return how many."""
    key = tuple_(*dialogues.primary_key.columns)
    old = select(*dialogues.primary_key.columns).where(dialogues.c.ended_at <= now_ms() - days * DAY_MS)
    return connection.execute(delete(dialogues).where(key.in_(old.limit(rows)))).rowcount


def dump(lines: Sequence[Line]) -> str:
    """Return lines as JSON: the first and the last of them, if there are more than are kept."""
    kept = lines if len(lines) <= KEPT_LINES else (*lines[: KEPT_LINES // 2], *lines[-KEPT_LINES // 2 :])
    return orjson.dumps(
        [
            (it.ms, it.side, it.stage, str(it.words)[:KEPT_LINE], *([dumped] if dumped else []))
            for it in kept
            for dumped in (reasons.dump(it.words),)
        ]
    ).decode()


def load(dumped: str) -> Sequence[Line]:
    """Return the lines that ``dump`` made JSON of."""
    return [
        Line(ms, Side(side), Stage(stage) if stage else None, reasons.load(words, *(code or [None])))
        for ms, side, stage, words, *code in orjson.loads(dumped)
    ]
