"""The engine of a worker process: claims, composes, transmits, records, announces.

One event loop, in a thread of its own, holds all SMTP connections, those of each sender in an outlet of
their own. One database thread commits, in each round, whatever has come together since the last: results,
work handed back, the worker's lease, and the next claims. While it commits, more results gather, so the
groups grow with the load and durability costs one commit per group. After the commit the news goes out in
a third thread: a slow Redis never slows the sending.
"""

from __future__ import annotations

import asyncio
import os
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import structlog
import uvloop
from sqlalchemy.exc import DBAPIError

from mailing.core import clock
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason
from mailing.core.side_thread import SideThread
from mailing.core.states import AttemptResult, CampaignState
from mailing.delivery import group_commit
from mailing.delivery.announcer import Announcer
from mailing.delivery.desk import RETRY_S, Desk
from mailing.delivery.meters import Meters
from mailing.delivery.pool import Work
from mailing.delivery.rooms import Rooms
from mailing.delivery.turns import Ending, Turns
from mailing.delivery.worklist import Job, Worklist
from mailing.ledger import leases
from mailing.ledger.results import Trace
from mailing.messages import compose
from mailing.messages.compose import ComposeError, MergeError
from mailing.redis import events
from mailing.senders.permits import Permits
from mailing.smtp import verdicts
from mailing.smtp.replies import Stage
from mailing.smtp.session import Delivery

if TYPE_CHECKING:
    from mailing.campaigns.queries import Campaign
    from mailing.core.database import Database
    from mailing.core.reasons import Words
    from mailing.delivery.outlets import Outlet, Outlets
    from mailing.delivery.worklist import ActiveCampaign
    from mailing.ledger.claims import Claim
    from mailing.ledger.leases import WorkerNotice
    from mailing.messages.compose import Prepared
    from mailing.senders.windows import Window

LOOK_S = 0.25  # between two looks at the states of the campaigns that are being sent
CERTAIN_S = 0.9  # how long what they saw counts: a pause takes effect within a second (P4)
GATHER_S = 0.003  # after a commit: results that come within it share the next, or as many as connections
LEASE_MARGIN_S = 5.0

T = TypeVar("T")
log = structlog.get_logger()


class Engine:
    """Sends batches for one worker process, from ``start`` to ``stop``."""

    def __init__(self, database: Database, client: events.Client, outlets: Outlets) -> None:
        self.name = leases.name_of(os.getpid())
        self._writer = database.writer()
        self._outlets = outlets
        self._wake, self._looked = asyncio.Event(), asyncio.Event()
        self._announcer = Announcer(client)
        self._meters = Meters(Permits(client), database, self._wake.set, self._used_up)
        self._worker_id = 0
        self._beaten_at = 0.0  # steady s; the lease counts from here
        self._noticed: WorkerNotice | None = None  # the notice that was told last; none: tell at once
        self._done = 0
        self.consuming = True  # whether Celery brings batches; only told, to whoever looks
        self._enough = 1  # outcomes that are worth a commit
        self._committed_at = 0.0  # when the last round ended
        self._looked_at = 0.0  # when the campaigns' states were last read
        self._worklist, self._turns = Worklist(), Turns()
        self._resting: set[asyncio.Task[None]] = set()
        self.halted = False
        self._ending = False
        self._database_thread = SideThread("volley-database")
        self._desk = Desk(database, self._database_thread)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="volley-engine", daemon=True)

    # Called from other threads.

    def start(self) -> None:
        """Begin; returns once the worker is registered and takes batches."""
        self._thread.start()
        self._ready.wait()

    @property
    def running(self) -> bool:
        """Whether the engine works; a process whose engine died must end."""
        return self._thread.is_alive()

    def send(self, batch_id: int, seconds: float) -> Ending:
        """Claim what waits in a batch, for at most ``seconds``; returns when there is no more to claim.

        What was claimed is sent and recorded by the engine afterwards.
        """
        return asyncio.run_coroutine_threadsafe(self._send(batch_id, seconds), self._loop).result()

    def take_batches(self, *, consuming: bool) -> None:
        """Note whether Celery brings batches, and tell it with a beat at once."""
        self.consuming = consuming
        self._loop.call_soon_threadsafe(self._beat_now)

    def resize(self, connections: int) -> None:
        """Have so many SMTP connections from now on, and tell it with a beat at once."""

        def resize() -> None:
            self._outlets.resize(connections)
            self._beat_now()

        self._loop.call_soon_threadsafe(resize)

    def halt(self) -> None:
        """Claim no more, from now on; what is in flight goes on, what is not is handed back."""
        self.halted = True
        self._loop.call_soon_threadsafe(self._wake.set)

    def stop(self, within_s: float) -> bool:
        """Halt, and end once all that was in flight is recorded; False if that took longer."""
        self._ending = True
        self.halt()
        self._thread.join(within_s)
        return not self._thread.is_alive()

    # What the lanes ask and tell, in the event loop.

    def may_send(self, work: Work) -> bool:
        """Whether the campaign is sending, and the lease that covers the claim is certainly held."""
        active = self._worklist.active(work.claim.campaign_id)
        return (
            active is not None
            and active.sending
            and not self.halted
            and (outlet := self._outlets.get(work.claim.account)) is not None
            and not outlet.holds(work.claim.domain)
            and work.claim.worker_id == self._worker_id
            and clock.steady_s() < self._beaten_at + leases.LEASE_S - LEASE_MARGIN_S
        )

    async def may_leave(self, work: Work) -> bool:
        """Answer the same from a reading of the database that is recent enough to know of a pause.

        After a freeze, or while the database is locked or away, there is none: then nothing leaves until
        there is.
        """
        asked = clock.steady_s()
        if asked > self._looked_at + CERTAIN_S:
            while self._looked_at < asked:
                self._wake.set()
                await self._looked.wait()
        return self.may_send(work)

    def report(self, work: Work, delivery: Delivery, started_at: int, trace: Trace) -> None:
        """Take the outcome of a transmission; the next round records it."""
        active = self._worklist.active(work.claim.campaign_id)
        assert active is not None  # it stays as long as anything of it is held
        unreached = trace.connection is None and delivery.verdict.result is AttemptResult.DEFERRED
        if unreached and (other := self._other(work.claim, active)):
            self._pass_on(work, active, other)
            return
        self._settle(work.claim, delivery, started_at, active, trace)
        if self._worklist.unrecorded >= self._enough:
            self._wake.set()

    def hand_back(self, work: Work) -> None:
        """Take back work whose dot never left; the next round queues it again."""
        self._return(work.claim)
        if self._worklist.unrecorded >= self._enough:
            self._wake.set()

    def _settle(
        self, claim: Claim, delivery: Delivery, started_at: int, active: ActiveCampaign, trace: Trace
    ) -> None:
        outlet, campaign = self._outlets.whose(claim.account), active.campaign
        closed_ms = campaign.schedule.closed_ms(claim.first_tried_at, now_ms())
        most_ms = campaign.give_up_after * 1000 + closed_ms
        result = outlet.result(claim, delivery, started_at, most_ms, trace)
        self._meters.end(claim, spent=result.used)
        if result.ruling:
            result = result._replace(others=self._other(claim, active) is not None)
        self._worklist.settle(result)

    def _return(self, claim: Claim) -> None:
        self._meters.end(claim, spent=False)
        self._worklist.hand_back(claim)

    def _other(self, claim: Claim, active: ActiveCampaign) -> Outlet | None:
        """Return another sender of the campaign that works."""
        accounts = (it for it in self._outlets.of(active.campaign) if it != claim.account)
        return next((it for it in map(self._outlets.get, accounts) if it and it.works), None)

    def _pass_on(self, work: Work, active: ActiveCampaign, other: Outlet) -> None:
        """Have mail that could not reach its server go by another at once, if that is within its limits."""
        may = other.may_replace(self._outlets.whose(work.claim.account))
        if not may or not self._meters.take_one(other, active.campaign):
            self.hand_back(work)
            return
        self._meters.end(work.claim, spent=False)
        other.lane.put(work._replace(claim=self._worklist.pass_on(work.claim, other.account)))

    # The event loop.

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._main())
        except Exception:  # the thread's end: whatever it was, it must be seen
            log.exception("the sending engine failed")
        finally:
            self._ready.set()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self._register()
        self._outlets.open(self)
        announcing = asyncio.create_task(self._announcer.run())
        self._ready.set()
        closing: asyncio.Task[None] | None = None
        while not self._ending or closing is None or not closing.done() or self._worklist.held:
            if self.halted and closing is None:
                closing = asyncio.create_task(self._outlets.close())
            await self._gather(busy=bool(self._worklist.jobs or self._worklist.held or closing))
            await self._commit()
            self._outlets.check()
        await self._meters.close()
        await self._desk.end(self._worker_id)
        announcing.cancel()

    async def _send(self, batch_id: int, seconds: float) -> Ending:
        if self.halted:
            return Ending.HANDED_BACK
        turn = await self._desk.turn(self._turns, batch_id, self._worklist.at_work)
        if turn is None:
            return Ending.STOPPED
        batch, campaign = turn.batch, turn.campaign
        active = self._worklist.active(campaign.id)
        if active is None:
            prepared = await self._prepare(campaign, campaign.version)
            if prepared is None:
                return Ending.STOPPED
            await self._follow(await self._desk.revision())
            active = self._worklist.activate(campaign, prepared)
        if fault := self._outlets.fault(active.campaign):
            await self._pause(campaign.id, fault, self._outlets.revision)
            return Ending.STOPPED
        until = clock.steady_s() + seconds
        job = Job(batch, active, batch.first_id - 1, until, self._loop.create_future())
        self._worklist.add(job)
        self._wake.set()
        ending = await job.ended
        return self._turns.over(turn, ending, in_vain=not active.held and job.cursor < batch.first_id)

    async def _gather(self, *, busy: bool) -> None:
        """Wait until there is something to commit, or it is time to look at the campaigns again."""
        self._wake.clear()
        if not self._worklist.unrecorded and not self._worklist.could_claim(self._rooms()):
            await self._woken_within(LOOK_S if busy else leases.BEAT_S)
        self._enough = min(self._outlets.connections, self._worklist.held)
        if self._worklist.unrecorded < self._enough:
            self._wake.clear()
            await self._woken_within(self._committed_at + GATHER_S - clock.steady_s())
        self._enough = 1

    def _beat_now(self) -> None:
        self._noticed = None
        self._wake.set()

    async def _woken_within(self, seconds: float) -> None:
        timer = self._loop.call_later(max(0.0, seconds), self._wake.set)
        await self._wake.wait()
        timer.cancel()

    def _rooms(self) -> Rooms:
        """Return how many claims the next commit may bring: what it records makes room."""
        worklist = self._worklist
        return Rooms(self._outlets, self._meters, worklist.waits, None if self.halted else worklist.in_hand)

    async def _follow(self, revision: object) -> None:
        """Have the senders that there are now, if the database says that they have changed."""
        if revision == self._outlets.revision:
            return
        limited = [account for account, it in self._outlets.items() if it.limits or it.receiver_limits]
        self._outlets.take(await self._desk.kept(self._outlets, limited))

    def _used_up(self, outlet: Outlet, window: Window, wait_ms: int, lane: str) -> None:
        """Have a sender rest, or one lane, whose limit is used up for long."""
        self._resting.add(task := asyncio.create_task(self._desk.rest(outlet, window, wait_ms, lane)))
        task.add_done_callback(self._resting.discard)

    async def _commit(self) -> None:
        begun, notice = clock.steady_s(), self._outlets.notice
        seen = {account: outlet.rests.rest for account, outlet in self._outlets.items()}
        slow = {account: outlet.lanes for account, outlet in self._outlets.items()}
        entry = self._worklist.next_round(self._worker_id, self.name, self._rooms(), seen, slow)
        if begun - self._looked_at < LOOK_S:
            entry = replace(entry, watched=())
        if begun - self._beaten_at >= leases.BEAT_S / 2 or notice != self._noticed:
            entry = replace(entry, status=self._status())
        try:
            brought = await self._database_thread.run(lambda: group_commit.commit(self._writer, entry))
        except DBAPIError as error:
            log.warning("the database cannot be written to; trying again", reason=self._desk.reason(error))
            self._worklist.failed(entry)
            self._meters.made(entry, None)
            await asyncio.sleep(RETRY_S)
            return
        self._committed_at = clock.steady_s()
        if entry.watched:
            self._looked_at = begun
            self._looked.set()  # for those who wait for it now
            self._looked.clear()
        self._done += len(entry.results)
        if entry.status is not None and brought.lease_held:
            self._beaten_at, self._noticed = begun, notice
        self._announcer.tell(brought.news)
        self._outlets.take_rests(entry, brought)
        self._meters.made(entry, brought)
        for claim, active in self._worklist.committed(entry, brought):
            await self._begin(claim, active)
        if brought.senders is not None:
            await self._follow(brought.senders)
        self._meters.let_go({active.campaign.id for active in self._worklist.all_active})
        if not brought.lease_held:
            log.warning("the lease was lost; registering again", worker_id=self._worker_id)
            self._worker_id = 0
            self._outlets.withdraw()
            await self._register()
        elif brought.closed or any(it is not CampaignState.SENDING for it in brought.states.values()):
            self._outlets.withdraw()
        self._outlets.withdraw(self._outlets.resting)
        self._worklist.end_jobs(clock.steady_s(), halted=self.halted, rests=self._outlets.rests)

    def _status(self) -> leases.Status:
        return leases.Status(
            notice=self._outlets.notice.words,
            notice_kind=self._outlets.notice.kind,
            consuming=self.consuming and not self.halted,
            connections=self._outlets.connections,
            in_flight=self._worklist.held,
            done=self._done,
            memory=leases.resident_bytes(),
            campaign_id=self._worklist.campaign_id,
        )

    async def _prepare(self, campaign: Campaign, version: int) -> Prepared | None:
        """Compile a version of a campaign's message; None where it cannot be, and the campaign is paused."""
        message = self._outlets.addressed(await self._desk.message(campaign, version))
        try:
            return await asyncio.to_thread(compose.prepare, message, token=campaign.token, domain=None)
        except ComposeError as error:  # another Volley stored it
            await self._pause(campaign.id, error.reason)
            return None

    async def _renew(self, active: ActiveCampaign, version: int) -> bool:
        """Compile the version that a claim names: the message was corrected. Return whether it can be."""
        prepared = await self._prepare(active.campaign, version)
        active.prepared |= {version: prepared} if prepared else {}
        return prepared is not None

    async def _begin(self, claim: Claim, active: ActiveCampaign) -> None:
        renewed = claim.version in active.prepared or await self._renew(active, claim.version)
        if fault := self._outlets.fault(active.campaign):  # the senders or keys have changed since
            await self._pause(claim.campaign_id, fault, self._outlets.revision)
        usable = renewed and not fault and claim.account in self._outlets
        self._compose(claim, active) if usable else self._return(claim)

    def _compose(self, claim: Claim, active: ActiveCampaign) -> None:
        prepared = active.prepared[claim.version]
        try:
            filled = prepared.fill(claim.recipient_id, claim.email, claim.name, claim.fields, now_ms())
        except MergeError as error:
            why = Reason("message.cannot-be-composed", reason=error.reason)
            failure = Delivery(verdicts.of(verdicts.FAILED), None, why, Stage.MAIL, alive=True)
            self._settle(claim, failure, now_ms(), active, Trace())
            return
        mail = self._outlets.mail(active.campaign, claim, prepared.envelope_from, filled)
        self._outlets[claim.account].lane.put(Work(claim, mail))

    async def _register(self) -> None:
        self._noticed = None
        self._beaten_at, self._worker_id, kept = await self._desk.register(self.name, self._outlets)
        self._meters.begin(self._worker_id)
        self._outlets.take(kept)

    async def _pause(self, campaign_id: int, reason: Words, seen: object = None) -> None:
        if await self._desk.pause(campaign_id, reason, seen):
            self._announcer.tell([events.campaign_changed(campaign_id, CampaignState.PAUSED)])
