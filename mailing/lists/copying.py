"""A list on its way from a draft into its rehearsal, piece by piece, within the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, literal, select

from mailing.core.clock import now_ms
from mailing.core.states import RecipientState
from mailing.core.tables import recipients
from mailing.ledger import batches, counters
from mailing.lists import surveys
from mailing.lists.surveys import Survey

if TYPE_CHECKING:
    from sqlalchemy import Connection

_SAME = ("email", "domain", "name", "fields")


class Copying:
    """A draft's recipients, copied in the order of their ids, each piece in a transaction of its own.

    Its remarks stay where they are. Whoever goes on sees to it that nobody has changed the draft meanwhile.
    """

    def __init__(self, draft_id: int, campaign_id: int, total: int) -> None:
        self._from, self._to, self._total = draft_id, campaign_id, total
        self._after = self._last_id = 0
        self.left = total  # recipients that are not copied yet

    def go_on(self, connection: Connection, rows: int) -> int:
        """Copy up to about ``rows`` more; return how many. A piece ends with a batch, or it is the last."""
        batch = batches.size(self._total)
        rows = -(-rows // batch) * batch
        mine = recipients.c.campaign_id == self._from, recipients.c.state == RecipientState.QUEUED
        piece = select(recipients.c.id).where(*mine, recipients.c.id > self._after)
        ids = connection.execute(piece.order_by(recipients.c.id).limit(rows)).scalars().all()
        if ids:
            columns = [recipients.c[name] for name in _SAME]
            copied = (
                select(literal(self._to), *columns, literal(RecipientState.QUEUED.value), literal(now_ms()))
                .where(*mine, recipients.c.id > self._after, recipients.c.id <= ids[-1])
                .order_by(recipients.c.id)
            )
            names = ["campaign_id", *_SAME, "state", "changed_at"]
            connection.execute(insert(recipients).from_select(names, copied))
            counters.add(connection, self._to, RecipientState.QUEUED, len(ids))
            self._after = ids[-1]
            self._last_id = batches.cut(connection, self._to, self._total, after=self._last_id)
        self.left = self.left - len(ids) if ids else 0
        if not self.left:
            found = surveys.load(connection, self._from)
            surveys.store(connection, self._to, Survey(found.shapes, found.domains))
        return len(ids)
