"""What cannot be read: a file as a whole, or one row of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing.core.reasons import ReasonError

if TYPE_CHECKING:
    from mailing.core.reasons import Reason


class UnreadableError(ReasonError):
    """A file is no list that can be read; the reason says why, and what to do."""


class FaultyRow(list[str]):
    """A row that cannot be read: its one cell is the text of it, as far as that goes."""

    __slots__ = ("reason",)

    def __init__(self, text: str, reason: Reason) -> None:
        super().__init__((text,))
        self.reason = reason
