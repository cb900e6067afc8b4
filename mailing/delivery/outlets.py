"""The outlets of a worker process, one for each sender: its lane, its rest, its share of the claims.

So nothing waits for the limits of another sender, or for its server. ``Outlets.of`` is the one place that
decides by which senders a campaign goes: what is rehearsed goes to the demo inbox, and nothing else does so
by its outlet.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from mailing.bounces import tokens
from mailing.bounces.tokens import Returns
from mailing.campaigns import recipes
from mailing.core import clock
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason
from mailing.core.states import AttemptResult
from mailing.delivery import outcome
from mailing.delivery.outcome import Tries
from mailing.delivery.pool import Lane
from mailing.domains import signers
from mailing.domains.dkim import Signer
from mailing.ledger import lanes, rests
from mailing.ledger.leases import WorkerNotice
from mailing.ledger.results import Result
from mailing.messages.headers import write_address
from mailing.senders import opening, store
from mailing.senders.limits import NONE
from mailing.senders.store import SenderError
from mailing.smtp.account import REHEARSALS, Sender
from mailing.smtp.envelope import Mail
from mailing.smtp.session import Timeouts
from mailing.suppression import leaving

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from sqlalchemy import Connection

    from mailing.campaigns.queries import Campaign
    from mailing.core.database import Database
    from mailing.core.reasons import Words
    from mailing.delivery.group_commit import Committed, Round
    from mailing.delivery.pool import Owner
    from mailing.ledger.claims import Claim
    from mailing.ledger.results import Trace
    from mailing.messages.compose import Filled, Message
    from mailing.senders.limits import Limits
    from mailing.senders.store import Account
    from mailing.smtp.session import Delivery

REHEARSED_HASTE = 20.0  # by which the waits between two tries are shorter in a rehearsal


class Outlet:
    """A sender as this process uses it. The ``lane`` is there once it was opened."""

    lane: Lane

    def __init__(self, sender: Sender, *, name: str = "", limits: Limits = NONE, fixed: bool = False) -> None:
        self.sender = sender
        self.account = sender.account
        self.name = name or sender.server
        self.limits = limits
        self.troubled = False  # whether its page says that it can't send
        self.warms_up = False  # whether its limit of a day is that of its warm-up
        self.receiver_limits: Mapping[str, Limits] = {}
        self.fixed = fixed  # whether its number of connections is its own
        self.rests = rests.Seen()
        self.lanes = lanes.NONE  # the slow ones, as they were read last
        self.returns: Returns | None = None  # where what comes back is sent to
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
            sender_id=self.sender.id or None,
            heals=self.troubled and fate.result is AttemptResult.SENT,
        )

    @property
    def out(self) -> bool:
        """Whether nothing goes by it now: the next sender of a campaign takes its place."""
        return self.rests.holds or self.lane.down

    @property
    def works(self) -> bool:
        """Whether there is no doubt that mail goes by it."""
        return not (self.out or self.doubtful)

    @property
    def doubtful(self) -> bool:
        """Whether one email shows if it works again, while all others go by the next sender."""
        return self.lane.failing or (self.rests.rest is not None and self.rests.rest.lasts)

    def may_replace(self, other: Outlet) -> bool:
        """Whether what was composed for another may go by it: signed as it signs, and at once."""
        return not self.receiver_limits and self.sender.signs == other.sender.signs

    def envelope(self, campaign: Campaign, claim: Claim, usual: str) -> tuple[str, str]:
        """Return from whom and to whom the envelope of a campaign's email is.

        The sender is the email's own where bounces have a domain, and else the ``usual`` one. The demo inbox
        reads in the recipient how it is to answer; the email is the same.
        """
        recipient = write_address(recipes.tagged(campaign, claim.email) if self.sender.demo else claim.email)
        if self.returns is None or campaign.rehearses is not None:
            return usual, recipient
        return self.returns.address(claim.recipient_id, campaign.token), recipient


class Kept(NamedTuple):
    """The senders as they are kept, in order: each one opened, or the reason why it cannot be.

    And by domain who signs its mail, or why nobody can.
    """

    revision: object
    senders: Sequence[tuple[Account, Sender | Words]]
    signers: Mapping[str, Signer | Reason]

    @property
    def accounts(self) -> list[str]:
        """Those whose rests last on."""
        return [REHEARSALS, *(sender.account for _, sender in self.senders if isinstance(sender, Sender))]


class Outlets(Mapping[str, Outlet]):
    """All outlets of a process, by the account of their sender."""

    def __init__(
        self,
        *,
        mail: Sender,
        rehearsals: Sender,
        secret_key: str = "",
        timeouts: Timeouts | None = None,
        database: Database | None = None,
        bounce_domain: str = "",
        site: str = "",
    ) -> None:
        if mail.demo or not rehearsals.demo:
            raise ValueError("Rehearsals go to the demo inbox, and mail to a server that need not be it.")
        self._default, self._secret_key, self._database = mail, secret_key, database
        self._bounce_domain, self._site = bounce_domain, site
        self._returns: Returns | None = None
        self._by_account = {REHEARSALS: Outlet(rehearsals)}
        self._kept = Kept(None, (), {})
        self._ways: dict[tuple[int, ...] | None, tuple[str, ...]] = {}  # of campaigns by these senders
        self._connections = mail.connections
        self._timeouts = timeouts or Timeouts()
        self._owner: Owner | None = None
        self._leaving: dict[Outlet, asyncio.Task[None]] = {}
        self.remark = WorkerNotice()  # told where nothing keeps mail from leaving

    def __getitem__(self, account: str) -> Outlet:
        return self._by_account[account]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_account)

    def __len__(self) -> int:
        return len(self._by_account)

    def of(self, campaign: Campaign) -> tuple[str, ...]:
        """Return the accounts by which a campaign goes, in order: by the next while the first cannot.

        None: of what it names nothing can be used, and ``fault`` says why.
        """
        if campaign.rehearses is not None:
            return (REHEARSALS,)
        key = tuple(campaign.senders) if campaign.senders else None
        if key not in self._ways:
            found = (sender.account for _, sender in self._named(campaign) if isinstance(sender, Sender))
            self._ways[key] = tuple(dict.fromkeys(found))
        return self._ways[key]

    def rests(self, campaign: Campaign) -> bool:
        """Whether a campaign waits because all its senders do."""
        return all(self[account].rests.holds for account in self.of(campaign))

    def fault(self, campaign: Campaign) -> Words | None:
        """Return why nothing of a campaign can leave: it has no sender, or nobody who can sign."""
        if ways := self.of(campaign):
            signer = signers.find(self._kept.signers, campaign.sender_from)
            signs = any(self[account].sender.signs for account in ways)
            return signer if isinstance(signer, Reason) and signs else None
        faults = (why for _, why in self._named(campaign) if not isinstance(why, Sender))
        return next(faults, Reason("sender.not-found"))

    def mail(self, campaign: Campaign, claim: Claim, usual: str, filled: Filled) -> Mail:
        """Return an email of a campaign as it leaves by one of its senders: signed, where that does so."""
        outlet, head = self[claim.account], filled.head
        signer = signers.find(self._kept.signers, campaign.sender_from) if outlet.sender.signs else None
        if isinstance(signer, Signer):
            head = signer.fields(head, filled.tail, now_ms() // 1000) + head
        sender, recipient = outlet.envelope(campaign, claim, usual)
        return Mail(sender, recipient, head, filled.needs_smtputf8, clean=True, tail=filled.tail)

    def addressed(self, message: Message) -> Message:
        """Return a message whose header says where emails to unsubscribe are taken, if they are."""
        if not (self._bounce_domain and message.list_fields):
            return message
        return replace(message, list_fields=replace(message.list_fields, mail_domain=self._bounce_domain))

    def _named(self, campaign: Campaign) -> Iterable[tuple[Account, Sender | Words]]:
        opened = {account.id: sender for account, sender in self._kept.senders}
        accounts = store.chosen((account for account, _ in self._kept.senders), campaign.senders)
        return ((account, opened[account.id]) for account in accounts)

    @property
    def revision(self) -> object:
        """Of the senders that are known here: another one in the database says that they have changed."""
        return self._kept.revision

    def begin(self, connection: Connection) -> Kept:
        """Have the sender and the public URL of the settings among what is kept; return all senders."""
        store.keep_default(connection, self._default)
        leaving.begin_site(connection, self._site)
        if self._bounce_domain:
            self._returns = Returns(self._bounce_domain, tokens.stored(connection))
        return self.read(connection)

    def read(self, connection: Connection) -> Kept:
        """Read the senders as they are now."""

        def opened(account: Account) -> Sender | Words:
            try:
                return opening.usable(account, self._secret_key, self._default, self._database)
            except SenderError as error:
                return error.reason

        found = [(account, opened(account)) for account in store.every(connection)]
        return Kept(signers.revision(connection), found, signers.every(connection, self._secret_key))

    def take(self, kept: Kept) -> None:
        """Have an outlet for each of these senders, in the event loop; what the others send goes on."""
        self._kept, before = kept, dict(self._by_account)
        self._ways.clear()
        wanted = {REHEARSALS: before.pop(REHEARSALS)}
        for account, sender in kept.senders:
            if not isinstance(sender, Sender):
                continue
            outlet, fixed = before.get(sender.account), account.connections is not None
            if outlet is None or outlet.sender != sender:
                changed = Outlet(sender, fixed=fixed)
                if outlet:
                    changed.rests, changed.lanes = outlet.rests, outlet.lanes
                outlet = changed
                self._open(outlet)
            else:
                del before[sender.account]
            outlet.name, outlet.limits, outlet.returns = account.name, account.limits_today, self._returns
            outlet.troubled = bool(account.trouble)
            outlet.warms_up = account.limits_today != account.limits
            outlet.receiver_limits = account.receiver_limits
            wanted[sender.account] = outlet
        self._by_account = wanted
        for outlet in before.values():
            self._leaving[outlet] = leaving = asyncio.create_task(outlet.lane.close())
            leaving.add_done_callback(partial(self._has_left, outlet))

    def _has_left(self, outlet: Outlet, _closed: asyncio.Task[None]) -> None:
        del self._leaving[outlet]

    def whose(self, account: str) -> Outlet:
        """Return the outlet by which an email went, also if no more go by it: its sender was changed."""
        leaving = (outlet for outlet in self._leaving if outlet.account == account)
        return self.get(account) or next(leaving)

    def open(self, owner: Owner) -> None:
        """Open all lanes, in the event loop."""
        self._owner = owner
        for outlet in self.values():
            self._open(outlet)

    def _open(self, outlet: Outlet) -> None:
        if self._owner:
            outlet.open(self._owner, self._timeouts)
            if not outlet.fixed:
                outlet.lane.resize(self._connections)

    @property
    def connections(self) -> int:
        """How many SMTP connections each of them may open, where a sender does not say so itself."""
        return self._connections

    @property
    def notice(self) -> WorkerNotice:
        """What keeps mail from leaving as fast as it could. A rehearsal's troubles are told on its page."""
        told = (outlet.lane.notice for account, outlet in self.items() if account != REHEARSALS)
        return next((notice for notice in told if notice.words), self.remark)

    @property
    def resting(self) -> Collection[str]:
        """The accounts for which nothing at all may be sent now."""
        return [account for account, outlet in self.items() if outlet.rests.holds]

    def resize(self, connections: int) -> None:
        """Have so many connections in each lane from now on."""
        self._connections = connections
        for outlet in self.values():
            if not outlet.fixed:
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
            if outlet := self.get(account):
                outlet.rests.take(rest, denied=denied, now_s=clock.steady_s())
        for account, found in brought.lanes.items():
            if outlet := self.get(account):
                changed, outlet.lanes = found.slow != outlet.lanes.slow, found
                if changed:
                    outlet.lane.withdraw()

    def check(self) -> None:
        """Let go of idle connections; raise what broke one's task."""
        for outlet in self.values():
            outlet.lane.check()

    async def close(self) -> None:
        """Hand back what waits, let what is in flight end, and close all connections."""
        await asyncio.gather(*self._leaving.values(), *(outlet.lane.close() for outlet in self.values()))
