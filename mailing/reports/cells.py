"""A whole campaign at a glance: the state of each recipient, one byte each, in the order of their ids."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import func, select

from mailing.core.states import RecipientState
from mailing.core.tables import recipients

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

MOST = 1_000_000  # recipients that are read; a wall has no room for more
CODES = dict(zip(RecipientState, b"q>dsfuxc", strict=True))
"""The byte that stands for each state."""
_NOBODY = ord(".")


class Cells(NamedTuple):
    """``runs``: first id and length of each unbroken row of ids. ``codes``: the states along them."""

    runs: tuple[tuple[int, int], ...]
    codes: str


def of(connection: Connection, campaign_id: int) -> Cells:
    """Return the states of the first ``MOST`` recipients of a campaign."""
    own = recipients.c.campaign_id == campaign_id
    ids = select(recipients.c.id).where(own).order_by(recipients.c.id).limit(MOST).subquery()
    first, last = connection.execute(select(func.min(ids.c.id), func.max(ids.c.id))).one()
    if first is None:
        return Cells((), "")
    cells = bytearray([_NOBODY]) * (last - first + 1)
    for state, code in CODES.items():
        found = select(recipients.c.id).where(own, recipients.c.state == state, recipients.c.id <= last)
        for id_ in connection.execute(found).scalars():
            cells[id_ - first] = code
    return Cells(tuple(_runs(cells, first)), cells.translate(None, bytes([_NOBODY])).decode())


def _runs(cells: bytearray, first: int) -> Iterator[tuple[int, int]]:
    """Find the unbroken rows. Other campaigns stored at the same time took the ids between them."""
    at = first
    for there, row in groupby(cells, lambda code: code != _NOBODY):
        length = sum(1 for _ in row)
        if there:
            yield at, length
        at += length
