"""Time moved: what was sent is as long ago as if so many hours had passed since."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from tests.support.stack import Stack

HOUR_MS = 3_600_000


def pass_by(stack: Stack, hours: float) -> None:
    """Have the usage of all senders, the log, the paces and the rests be older by so many hours.

    Redis forgets its permits: it takes them from the database again. Nothing may be under way meanwhile.
    """
    ms = int(hours * HOUR_MS)
    with stack.redis as client:
        for key in client.scan_iter("*permits:*"):
            client.delete(key)
    with stack.db.write() as connection:
        for statement, by in (
            ("UPDATE sender_usage SET slot = slot - :by", ms // 60_000),
            ("UPDATE paces SET slot = slot - :by", ms // 1_000),
            ("UPDATE attempts SET started_at = started_at - :by, ended_at = ended_at - :by", ms),
            ("UPDATE rests SET since = since - :by, until = until - :by", ms),
        ):
            connection.execute(text(statement), {"by": by})
