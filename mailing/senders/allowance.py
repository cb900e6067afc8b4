"""The allowance of a round: to whom a sender limits its mail by receiver, and the permits in hand. Pure.

Whom nothing limits is left to others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailing.senders import limits
from mailing.senders.limits import OTHERS

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    from mailing.senders.limits import Limits


@dataclass(frozen=True, slots=True)
class Allowance:
    """The limits of a sender by receiver, and how many ``permits`` there are for each that is waited for."""

    table: Mapping[str, Limits]
    permits: Mapping[str, int]

    @property
    def of_all(self) -> bool:
        """Whether no receiver is without a limit."""
        return OTHERS in self.table

    @property
    def names(self) -> Sequence[str]:
        """The receivers that are limited by name."""
        return sorted(self.table.keys() - {OTHERS})

    def limits(self, receiver: str) -> bool:
        """Whether a receiver is limited."""
        return bool(limits.of_receiver(self.table, receiver))

    def room(self, waits: Mapping[str, int] | None, without: Container[str] = ()) -> int:
        """Return for how many of those who wait, by receiver, there are permits, ``without`` some receivers.

        Where nobody has looked who waits it is worth a look: 1.
        """
        if waits is None:
            return 1
        meant = ((receiver, n) for receiver, n in waits.items() if receiver not in without)
        return sum(min(n, self.permits.get(receiver, 0)) for receiver, n in meant)

    def pick(self, waiting: Iterable[tuple[int, str]], most: int) -> dict[int, str]:
        """Pick up to ``most`` of those who wait, given as id and receiver, as far as there are permits."""
        left, picked = dict(self.permits), dict[int, str]()
        for id_, receiver in waiting:
            if len(picked) >= most:
                break
            if left.get(receiver, 0) > 0:
                left[receiver] -= 1
                picked[id_] = receiver
        return picked

    def less(self, used: Iterable[str]) -> Allowance:
        """Return what is left after one email to each of these receivers."""
        left = dict(self.permits)
        for receiver in used:
            left[receiver] -= 1
        return Allowance(self.table, left)
