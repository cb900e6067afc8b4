"""Rooms: how many claims a round may make, for which campaign and by which sender."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from mailing.campaigns.queries import Campaign
    from mailing.delivery.meters import Meters
    from mailing.delivery.outlets import Outlets
    from mailing.delivery.turns import Line
    from mailing.senders.allowance import Allowance


class Wanting(Protocol):
    """A campaign that wants claims."""

    campaign: Campaign


class Rooms:
    """The rooms of one round: what is ``left`` of each sender's. What one campaign takes others cannot."""

    def __init__(
        self,
        outlets: Outlets,
        meters: Meters,
        waits: Callable[[str], Mapping[str, int]],
        in_hand: Callable[[str], int] | None,
    ) -> None:
        """Find the room beside what is ``in_hand`` of each sender; None: there is none at all.

        ``waits`` says of a sender with limits by receiver how many wait for each of them.
        """
        self._outlets, self._meters = outlets, meters
        self.left = {
            account: outlet.room(in_hand(account)) if in_hand else 0 for account, outlet in outlets.items()
        }
        self._allowances = {
            account: meters.allowance(outlet, waits(account), self.left[account])
            for account, outlet in outlets.items()
            if outlet.receiver_limits
        }

    def ways(self, active: Wanting) -> Sequence[str]:
        """Return by which of its senders a campaign may go: those to be tried again, then one that works."""
        accounts, found = self._outlets.of(active.campaign), []
        for account in accounts:
            outlet = self._outlets[account]
            if len(accounts) > 1 and outlet.out:
                continue
            found.append(account)
            if not outlet.doubtful:
                break
        return found

    def limited(self, account: str, waits: Mapping[str, int] | None) -> int:
        """Return for how many of those who wait for receivers that a sender limits there are permits.

        Slow lanes have their own way.
        """
        allowance, slow = self._allowances.get(account), self._outlets[account].lanes.slow
        return allowance.room(waits, slow) if allowance else 0

    def may_be_slow(self, account: str) -> bool:
        """Whether a batch may wait for slow lanes of a sender, and not only for its limits."""
        return account not in self._allowances or bool(self._outlets[account].lanes)

    def carry(self, accounts: Collection[str]) -> Mapping[str, Allowance]:
        """Take the permits for all receivers that these senders limit; the unused ones are put back."""
        carried = {account: it for account, it in self._allowances.items() if account in accounts}
        for account, allowance in carried.items():
            self._meters.carry(account, allowance)
        return carried

    def fit(self, account: str, active: Wanting, line: Line) -> Line:
        """Return a line that wants no more than its campaign may send by a sender."""
        return line._replace(most=self._permitted(account, active, min(line.most, self.left[account])))

    def take(self, account: str, active: Wanting, wanted: int, *, beside: bool = False) -> int:
        """Take room for up to ``wanted`` claims; return for how many.

        What is taken ``beside`` the others leaves the room to them.
        """
        n = self._permitted(account, active, min(self.left[account], wanted))
        if n and (meter := self._meters.of(self._outlets[account], active.campaign)):
            meter.take(n)
        self.left[account] -= 0 if beside else n
        return n

    def _permitted(self, account: str, active: Wanting, wanted: int) -> int:
        if wanted <= 0:
            return 0
        meter = self._meters.of(self._outlets[account], active.campaign)
        return meter.room(wanted) if meter else wanted
