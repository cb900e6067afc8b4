"""The outlets of a worker process, one for each sender: its lane, its rest, its share of the claims.

So nothing waits for the limits of another sender, or for its server. ``Outlets.of`` is the one place that
decides by which sender a campaign goes: what is rehearsed goes to the demo inbox, and nothing else does so
by its outlet.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mailing.campaigns import recipes
from mailing.core import clock
from mailing.core.clock import now_ms
from mailing.delivery import outcome
from mailing.delivery.outcome import Tries
from mailing.delivery.pool import Lane
from mailing.ledger import lanes, rests
from mailing.ledger.results import Result
from mailing.messages.headers import write_address
from mailing.smtp.session import Timeouts

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from mailing.campaigns.queries import Campaign
    from mailing.delivery.group_commit import Committed, Round
    from mailing.delivery.pool import Owner
    from mailing.ledger.claims import Claim
    from mailing.ledger.leases import WorkerNotice
    from mailing.ledger.results import Trace
    from mailing.smtp.account import Sender
    from mailing.smtp.session import Delivery

REHEARSED_HASTE = 20.0  # by which the waits between two tries are shorter in a rehearsal


class Outlet:
    """A sender as this process uses it. The ``lane`` is there once it was opened."""

    lane: Lane

    def __init__(self, sender: Sender) -> None:
        self.sender = sender
        self.account = sender.account
        self.rests = rests.Seen()
        self.lanes = lanes.NONE  # the slow ones, as they were read last
        self.haste = REHEARSED_HASTE if sender.demo else 1.0

    def open(self, owner: Owner, timeouts: Timeouts) -> None:
        """Open its lane, in the event loop."""
        self.lane = Lane(self.sender, owner, timeouts)

    def room(self, in_hand: int) -> int:
        """Return how many claims may be made for it, by a process that has some ``in_hand``."""
        return self.rests.room(self.lane.room(in_hand), in_hand, clock.steady_s())

    def holds(self, domain: str) -> bool:
        """Whether nothing may be sent to a domain now: all of the sender rests, or its lane."""
        return self.rests.holds or (bool(self.lanes) and self.lanes.holds(domain, now_ms()))

    def result(self, claim: Claim, delivery: Delivery, started_at: int, most_ms: int, trace: Trace) -> Result:
        """Turn a verdict into the fate of a recipient, who is tried for ``most_ms`` at most."""
        now, reply = now_ms(), delivery.reply
        rested = self.rests.time_since(claim.first_tried_at, now)
        tries = Tries(claim.attempt, claim.first_tried_at, most_ms, rested, self.haste)
        text, chance = reply.text if reply else "", random.random()  # noqa: S311 - jitter
        fate = outcome.fate(delivery.verdict, text, tries, now, chance)
        return Result(
            claim=claim,
            result=fate.result,
            server=self.sender.server,
            started_at=started_at,
            ended_at=now,
            code=reply.code if reply else None,
            enhanced=delivery.enhanced,
            reply=delivery.words,
            due_at=fate.due_at,
            trace=trace,
            ruling=fate.ruling,
            account=self.account,
        )

    def recipient(self, campaign: Campaign, email: str) -> str:
        """Return to whom the envelope of a campaign's email is addressed.

        The demo inbox reads there how it is to answer; the email is the same.
        """
        return write_address(recipes.tagged(campaign, email) if self.sender.demo else email)


class Outlets(Mapping[str, Outlet]):
    """All outlets of a process, by the account of their sender."""

    def __init__(self, *, mail: Sender, rehearsals: Sender, timeouts: Timeouts | None = None) -> None:
        if mail.demo or not rehearsals.demo:
            raise ValueError("Rehearsals go to the demo inbox, and mail to a server that need not be it.")
        self._mail, self._rehearsals = Outlet(mail), Outlet(rehearsals)
        self._by_account = {outlet.account: outlet for outlet in (self._mail, self._rehearsals)}
        self._timeouts = timeouts or Timeouts()

    def __getitem__(self, account: str) -> Outlet:
        return self._by_account[account]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_account)

    def __len__(self) -> int:
        return len(self._by_account)

    def of(self, campaign: Campaign) -> Outlet:
        """Return by which a campaign goes, today and for ever: whether it is a rehearsal never changes."""
        return self._mail if campaign.rehearses is None else self._rehearsals

    @property
    def connections(self) -> int:
        """How many SMTP connections each of them may open."""
        return self._mail.lane.sender.connections

    @property
    def notice(self) -> WorkerNotice:
        """What keeps mail from leaving as fast as it could. A rehearsal's troubles are told on its page."""
        return self._mail.lane.notice

    @property
    def resting(self) -> Collection[str]:
        """The accounts for which nothing at all may be sent now."""
        return [account for account, outlet in self.items() if outlet.rests.holds]

    def open(self, owner: Owner) -> None:
        """Open all lanes, in the event loop."""
        for outlet in self.values():
            outlet.open(owner, self._timeouts)

    def resize(self, connections: int) -> None:
        """Have so many connections in each lane from now on."""
        for outlet in self.values():
            outlet.lane.resize(connections)

    def withdraw(self, accounts: Collection[str] | None = None) -> None:
        """Hand back what waits in these lanes, or all, and may not be sent any more."""
        for account in self if accounts is None else accounts:
            self[account].lane.withdraw()

    def take_rests(self, entry: Round, brought: Committed) -> None:
        """Take the rests and slow lanes that a commit has read, and whether it was denied claims."""
        wanted = {want.account for want in entry.wants}
        made = zip(entry.wants, brought.claimed, strict=False)
        granted = {want.account for want, claimed in made if claimed is not None}
        for account, rest in brought.rests.items():
            denied = account in wanted - granted
            self[account].rests.take(rest, denied=denied, now_s=clock.steady_s())
        for account, found in brought.lanes.items():
            changed, self[account].lanes = found.slow != self[account].lanes.slow, found
            if changed:
                self[account].lane.withdraw()

    def check(self) -> None:
        """Let go of idle connections; raise what broke one's task."""
        for outlet in self.values():
            outlet.lane.check()

    async def close(self) -> None:
        """Hand back what waits, let what is in flight end, and close all connections."""
        await asyncio.gather(*(outlet.lane.close() for outlet in self.values()))
