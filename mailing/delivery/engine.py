"""The engine of a worker process: claims, composes, transmits, records, announces.

One event loop, in a thread of its own, holds all SMTP connections, those of each sender in an outlet of
their own. One database thread commits, in
each round, whatever has come together since the last: results, work handed back, the worker's lease,
and the next claims. While it commits, more results gather, so the groups grow with the load and
durability costs one commit per group. After the commit the news goes out in a third thread: a slow
Redis never slows the sending.
"""

from __future__ import annotations

import asyncio
import functools
import os
import threading
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
import uvloop
from sqlalchemy.exc import DBAPIError

from mailing.campaigns import lifecycle, versions
from mailing.campaigns import queries as campaigns
from mailing.core import clock, database_errors
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason
from mailing.core.side_thread import SideThread
from mailing.core.states import CampaignState
from mailing.delivery import group_commit
from mailing.delivery.pool import Work
from mailing.delivery.turns import Ending, Turns
from mailing.delivery.worklist import Job, Worklist
from mailing.ledger import leases, rests
from mailing.ledger.results import Trace
from mailing.messages import compose
from mailing.messages.compose import ComposeError, MergeError
from mailing.redis import events
from mailing.smtp import verdicts
from mailing.smtp.replies import Stage
from mailing.smtp.session import Delivery, Mail

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailing.campaigns.queries import Campaign
    from mailing.core.database import Database
    from mailing.delivery.outlets import Outlets
    from mailing.delivery.worklist import ActiveCampaign
    from mailing.ledger.claims import Claim
    from mailing.ledger.leases import WorkerNotice
    from mailing.messages.compose import Message, Prepared

LOOK_S = 0.25  # between two looks at the states of the campaigns that are being sent
CERTAIN_S = 0.9  # how long what they saw counts: a pause takes effect within a second (P4)
GATHER_S = 0.003  # after a commit: results that come within it share the next, or as many as connections
RETRY_S = 0.5  # after a commit that failed
LEASE_MARGIN_S = 5.0
NEWS_KEPT = 20_000  # events that wait for a slow Redis; older ones are dropped, viewers read the database

T = TypeVar("T")
log = structlog.get_logger()


class Engine:
    """Sends batches for one worker process, from ``start`` to ``stop``."""

    def __init__(self, database: Database, client: events.Client, outlets: Outlets) -> None:
        self.name = leases.name_of(os.getpid())
        self._database = database
        self._writer = database.writer()
        self._client = client
        self._outlets = outlets
        self._worker_id = 0
        self._beaten_at = 0.0  # steady s; the lease counts from here
        self._noticed: WorkerNotice | None = None  # the notice that was told last; none: tell at once
        self._done = 0
        self.consuming = True  # whether Celery brings batches; only told, to whoever looks
        self._enough = 1  # outcomes that are worth a commit
        self._committed_at = 0.0  # when the last round ended
        self._looked_at = 0.0  # when the campaigns' states were last read
        self._worklist, self._turns = Worklist(), Turns()
        self._news: deque[dict[str, Any]] = deque(maxlen=NEWS_KEPT)
        self.halted = False
        self._ending = False
        self._database_thread = SideThread("volley-database")
        self._news_thread = SideThread("volley-news")
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
            and not self._outlets[active.account].holds(work.claim.domain)
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
        self._settle(work.claim, delivery, started_at, active, trace)
        if self._worklist.unrecorded >= self._enough:
            self._wake.set()

    def hand_back(self, work: Work) -> None:
        """Take back work whose dot never left; the next round queues it again."""
        self._worklist.hand_back(work.claim)
        if self._worklist.unrecorded >= self._enough:
            self._wake.set()

    def _settle(
        self, claim: Claim, delivery: Delivery, started_at: int, active: ActiveCampaign, trace: Trace
    ) -> None:
        outlet, campaign = self._outlets[active.account], active.campaign
        closed_ms = campaign.schedule.closed_ms(claim.first_tried_at, now_ms())
        most_ms = campaign.give_up_after * 1000 + closed_ms
        self._worklist.settle(outlet.result(claim, delivery, started_at, most_ms, trace))

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
        self._wake, self._told, self._looked = asyncio.Event(), asyncio.Event(), asyncio.Event()
        await self._register()
        self._outlets.open(self)
        announcing = asyncio.create_task(self._announce())
        self._ready.set()
        closing: asyncio.Task[None] | None = None
        while not self._ending or closing is None or not closing.done() or self._worklist.held:
            if self.halted and closing is None:
                closing = asyncio.create_task(self._outlets.close())
            await self._gather(busy=bool(self._worklist.jobs or self._worklist.held or closing))
            await self._commit()
            self._outlets.check()
        await self._database_thread.run(self._end)
        announcing.cancel()

    async def _send(self, batch_id: int, seconds: float) -> Ending:
        if self.halted:
            return Ending.HANDED_BACK
        at_work = self._worklist.at_work
        turn = await self._until_it_works(lambda: self._turns.take(self._database, batch_id, at_work))
        if turn is None:
            return Ending.STOPPED
        batch, campaign = turn.batch, turn.campaign
        active = self._worklist.active(campaign.id)
        if active is None:
            prepared = await self._prepare(campaign, campaign.version)
            if prepared is None:
                return Ending.STOPPED
            active = self._worklist.activate(campaign, prepared, self._outlets.of(campaign).account)
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

    def _rooms(self) -> dict[str, int]:
        """Return how many claims the next commit may bring for each sender: what it records makes room."""
        return {
            account: 0 if self.halted else outlet.room(self._worklist.in_hand(account))
            for account, outlet in self._outlets.items()
        }

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
            log.warning("the database cannot be written to; trying again", reason=self._reason(error))
            self._worklist.failed(entry)
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
        self._news.extend(brought.news)
        self._told.set()
        self._outlets.take_rests(entry, brought)
        for claim, active in self._worklist.committed(entry, brought):
            if claim.version in active.prepared or await self._renew(active, claim.version):
                self._compose(claim, active)
            else:
                self._worklist.hand_back(claim)
        if not brought.lease_held:
            log.warning("the lease was lost; registering again", worker_id=self._worker_id)
            self._worker_id = 0
            self._outlets.withdraw()
            await self._register()
        elif brought.closed or any(it is not CampaignState.SENDING for it in brought.states.values()):
            self._outlets.withdraw()
        resting = self._outlets.resting
        self._outlets.withdraw(resting)
        self._worklist.end_jobs(clock.steady_s(), halted=self.halted, resting=resting)

    def _reason(self, error: DBAPIError) -> str:
        return database_errors.sentence(error, self._database.url)

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
        message = await self._until_it_works(lambda: self._message(campaign, version))
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

    def _compose(self, claim: Claim, active: ActiveCampaign) -> None:
        try:
            prepared = active.prepared[claim.version]
            filled = prepared.fill(claim.recipient_id, claim.email, claim.name, claim.fields, now_ms())
        except MergeError as error:
            why = Reason("message.cannot-be-composed", reason=error.reason)
            failure = Delivery(verdicts.of(verdicts.FAILED), None, why, Stage.MAIL, alive=True)
            self._settle(claim, failure, now_ms(), active, Trace())
            return
        outlet = self._outlets[active.account]
        sender, recipient = prepared.envelope_from, outlet.recipient(active.campaign, claim.email)
        mail = Mail(sender, recipient, filled.head, filled.needs_smtputf8, clean=True, tail=filled.tail)
        outlet.lane.put(Work(claim, mail))

    async def _announce(self) -> None:
        while True:
            await self._told.wait()
            self._told.clear()
            news = list(self._news)
            self._news.clear()
            if news:
                await self._news_thread.run(functools.partial(events.publish, self._client, news))

    # The database thread.

    async def _until_it_works(self, do: Callable[[], T]) -> T:
        while True:
            try:
                return await self._database_thread.run(do)
            except DBAPIError as error:
                log.warning("the database cannot be used; trying again", reason=self._reason(error))
                await asyncio.sleep(RETRY_S)

    async def _register(self) -> None:
        def register() -> tuple[float, int]:
            begun = clock.steady_s()
            with self._database.write() as connection:
                rests.end_others(connection, list(self._outlets))
                return begun, leases.register(connection, self.name)

        self._noticed = None
        self._beaten_at, self._worker_id = await self._until_it_works(register)

    def _message(self, campaign: Campaign, version: int) -> Message:
        with self._database.read() as connection:
            return campaigns.whole_message(connection, versions.at(connection, campaign, version))

    async def _pause(self, campaign_id: int, reason: Reason) -> None:
        def pause() -> bool:
            with self._database.write() as connection:
                return lifecycle.pause(connection, campaign_id, reason)

        if await self._until_it_works(pause):
            self._news.append(events.campaign_changed(campaign_id, CampaignState.PAUSED))
            self._told.set()

    def _end(self) -> None:
        with self._database.write() as connection:
            leases.end(connection, self._worker_id)
