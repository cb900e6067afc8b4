"""The engine of a worker process: claims, composes, transmits, records, announces.

One event loop, in a thread of its own, holds all SMTP connections. One database thread commits, in
each round, whatever has come together since the last: results, work handed back, the worker's lease,
and the next claims. While it commits, more results gather, so the groups grow with the load and
durability costs one commit per group. After the commit the news goes out in a third thread: a slow
Redis never slows the sending.
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
import uvloop
from sqlalchemy.exc import DBAPIError

from mailing import backoff, batches, campaigns, composing, events, rounds, workers
from mailing.composing import MergeError
from mailing.lanes import Lane, Work
from mailing.ledger import Result
from mailing.models import now_ms
from mailing.replies import Stage, Verdict
from mailing.smtp import Delivery, Mail, Timeouts
from mailing.states import AttemptResult, CampaignState

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis

    from mailing.batches import Batch
    from mailing.campaigns import Campaign
    from mailing.composing import Prepared
    from mailing.database import Database
    from mailing.ledger import Claim
    from mailing.rounds import Outcome, Round
    from mailing.senders import Sender

TICK_S = 0.25  # how long a pause can go unseen
RETRY_S = 0.5  # after a commit that failed
LEASE_MARGIN_S = 5.0
NEWS_KEPT = 20_000  # events that wait for a slow Redis; older ones are dropped, viewers read the database

T = TypeVar("T")
log = structlog.get_logger()


class Ending(StrEnum):
    """Why the engine is done with a batch."""

    EMPTY = "empty"  # nobody waits in it any more
    YIELDED = "yielded"  # its time is up: queue it again
    STOPPED = "stopped"  # the campaign is not sending
    HANDED_BACK = "handed back"  # this worker is stopping: queue it again for another one


@dataclass(slots=True, eq=False)
class _Order:
    """A campaign that this process is sending: its compiled message, and how much of it is held."""

    campaign: Campaign
    prepared: Prepared
    sending: bool = True
    held: int = 0


@dataclass(slots=True, eq=False)
class _Job:
    """One run of a batch: where its claims have got to, and until when it may claim."""

    batch: Batch
    order: _Order
    cursor: int
    until: float
    ended: asyncio.Future[Ending]

    def want(self, limit: int) -> rounds.Want:
        return rounds.Want(self.batch.campaign_id, self.cursor, self.batch.last_id, limit)


class Engine:
    """Sends batches for one worker process, from ``start`` to ``stop``."""

    def __init__(
        self, database: Database, client: redis.Redis, sender: Sender, timeouts: Timeouts | None = None
    ) -> None:
        self.name = workers.name_of(os.getpid())
        self._database = database
        self._client = client
        self._sender = sender
        self._timeouts = timeouts or Timeouts()
        self._worker_id = 0
        self._lease_until = 0.0
        self._jobs: list[_Job] = []
        self._orders: dict[int, _Order] = {}
        self._held: set[int] = set()  # recipients claimed and not yet recorded
        self._results: list[Result] = []
        self._returned: list[Claim] = []
        self._in_doubt = False  # a commit failed: it may have happened all the same
        self._news: deque[dict[str, Any]] = deque(maxlen=NEWS_KEPT)
        self.halted = False
        self._ending = False
        self._database_thread = ThreadPoolExecutor(1, "volley-database")
        self._news_thread = ThreadPoolExecutor(1, "volley-news")
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

    # What the lane asks and tells, in the event loop.

    def may_send(self, work: Work) -> bool:
        """Whether the campaign is sending, and the lease that covers the claim is certainly held."""
        order = self._orders.get(work.claim.campaign_id)
        return (
            order is not None
            and order.sending
            and not self.halted
            and work.claim.worker_id == self._worker_id
            and time.monotonic() < self._lease_until
        )

    def report(self, work: Work, delivery: Delivery, started_at: int) -> None:
        """Take the outcome of a transmission; the next round records it."""
        self._results.append(
            self._decide(work.claim, delivery, started_at, self._orders[work.claim.campaign_id].campaign)
        )
        self._wake.set()

    def hand_back(self, work: Work) -> None:
        """Take back work whose dot never left; the next round queues it again."""
        self._returned.append(work.claim)
        self._wake.set()

    def _decide(self, claim: Claim, delivery: Delivery, started_at: int, campaign: Campaign) -> Result:
        """Turn a verdict into the recipient's fate: when to try again, or that it is enough."""
        now = now_ms()
        result, due_at = delivery.verdict.result, None
        if result is AttemptResult.DEFERRED:
            if now - claim.first_tried_at >= campaign.give_up_after * 1000:
                result = AttemptResult.FAILED
            else:
                asked = delivery.verdict.asked_delay_s
                due_at = now + int(1000 * backoff.next_delay_s(claim.attempt, random.random(), asked))  # noqa: S311 - jitter
        return Result(
            claim=claim,
            result=result,
            server=self._sender.server,
            started_at=started_at,
            ended_at=now,
            code=delivery.reply.code if delivery.reply else None,
            enhanced=delivery.enhanced,
            reply=delivery.text,
            due_at=due_at,
        )

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
        self._wake, self._told = asyncio.Event(), asyncio.Event()
        await self._register()
        self._lane = Lane(self._sender, self, self._timeouts)
        announcing = asyncio.create_task(self._announce())
        self._ready.set()
        closing: asyncio.Task[None] | None = None
        while not self._ending or closing is None or not closing.done() or self._held:
            if self.halted and closing is None:
                closing = asyncio.create_task(self._lane.close())
            await self._gather(closing)
            await self._commit()
        await self._in_database(self._end)
        announcing.cancel()

    async def _send(self, batch_id: int, seconds: float) -> Ending:
        if self.halted:
            return Ending.HANDED_BACK
        batch, campaign = await self._until_it_works(lambda: self._load(batch_id))
        if batch is None or campaign is None or campaign.state is not CampaignState.SENDING:
            return Ending.STOPPED
        order = self._orders.get(campaign.id)
        if order is None:
            prepared = composing.prepare(campaign.message, token=campaign.token, domain=None)
            order = self._orders[campaign.id] = _Order(campaign, prepared)
        order.sending = True
        until = self._loop.time() + seconds
        job = _Job(batch, order, batch.first_id - 1, until, self._loop.create_future())
        self._jobs.append(job)
        self._jobs.sort(key=lambda job: (job.order.campaign.priority, job.batch.id))
        self._wake.set()
        return await job.ended

    async def _gather(self, closing: asyncio.Task[None] | None) -> None:
        """Wait until there is something to commit, or it is time to look at the campaigns again."""
        self._wake.clear()
        if self._results or self._returned or (self._jobs and self._lane.room(len(self._held))):
            return
        busy = self._jobs or self._held or closing
        try:
            async with asyncio.timeout(TICK_S if busy else workers.BEAT_S):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _commit(self) -> None:
        jobs = self._jobs_to_claim_for()
        entry = self._round(jobs)
        begun = time.monotonic()
        try:
            outcome = await self._in_database(lambda: rounds.commit(self._database, entry))
        except DBAPIError as error:
            log.warning("the database cannot be written to; trying again", reason=str(error.orig))
            self._results[:0], self._returned[:0] = entry.results, entry.returned
            self._in_doubt = True
            await asyncio.sleep(RETRY_S)
            return
        self._in_doubt = False
        if outcome.lease_held:
            self._lease_until = begun + workers.LEASE_S - LEASE_MARGIN_S
        self._forget([*(result.claim for result in entry.results), *entry.returned])
        self._news.extend(outcome.news)
        self._told.set()
        for order in self._orders.values():
            order.sending = outcome.states.get(order.campaign.id) is CampaignState.SENDING
        self._take_claims(jobs, outcome)
        if not outcome.lease_held:
            log.warning("the lease was lost; registering anew", worker_id=self._worker_id)
            self._worker_id = 0
            self._lane.withdraw()
            await self._register()
        elif not all(order.sending for order in self._orders.values()):
            self._lane.withdraw()
        self._end_jobs()

    def _jobs_to_claim_for(self) -> list[tuple[_Job, int]]:
        """Share the lane's room: the most urgent first, what it cannot use to the next."""
        room = 0 if self.halted else self._lane.room(len(self._held))
        chosen = []
        for job in self._jobs:
            if room <= 0:
                break
            limit = min(room, job.batch.last_id - job.cursor)
            chosen.append((job, limit))
            room -= limit
        return chosen

    def _round(self, jobs: list[tuple[_Job, int]]) -> Round:
        results, self._results = self._results, []
        returned, self._returned = self._returned, []
        leaving = Counter(result.claim.campaign_id for result in results)
        leaving.update(claim.campaign_id for claim in returned)
        at_work = {job.batch.campaign_id for job in self._jobs}
        return rounds.Round(
            worker_id=self._worker_id,
            worker_name=self.name,
            notice=self._lane.notice,
            results=results,
            returned=returned,
            wants=[job.want(limit) for job, limit in jobs],
            watched=list(self._orders),
            finishing=[
                id_
                for id_, order in self._orders.items()
                if order.held == leaving[id_] and id_ not in at_work
            ],
            held=set(self._held) if self._in_doubt else None,
        )

    def _forget(self, claims: list[Claim]) -> None:
        for claim in claims:
            self._held.discard(claim.recipient_id)
            self._orders[claim.campaign_id].held -= 1
        at_work = {job.batch.campaign_id for job in self._jobs}
        for id_ in [id_ for id_, order in self._orders.items() if not order.held and id_ not in at_work]:
            del self._orders[id_]

    def _take_claims(self, jobs: list[tuple[_Job, int]], outcome: Outcome) -> None:
        for (job, limit), claims in zip(jobs, outcome.claimed, strict=False):
            for claim in claims:
                self._held.add(claim.recipient_id)
                job.order.held += 1
                self._compose(claim, job.order)
            if claims:
                job.cursor = claims[-1].recipient_id
            if job.order.sending and (len(claims) < limit or job.cursor >= job.batch.last_id):
                self._end_job(job, Ending.EMPTY)

    def _compose(self, claim: Claim, order: _Order) -> None:
        try:
            filled = order.prepared.fill(claim.recipient_id, claim.email, claim.name, claim.fields, now_ms())
        except MergeError as error:
            verdict = Verdict(AttemptResult.FAILED)
            text = f"The message cannot be composed for this recipient: {error}"
            self._results.append(
                self._decide(
                    claim, Delivery(verdict, None, text, Stage.MAIL, alive=True), now_ms(), order.campaign
                )
            )
            return
        mail = Mail(order.prepared.envelope_from, claim.email, filled.data, filled.needs_smtputf8)
        self._lane.put(Work(claim, mail))

    def _end_jobs(self) -> None:
        for job in list(self._jobs):
            if self.halted:
                self._end_job(job, Ending.HANDED_BACK)
            elif not job.order.sending:
                self._end_job(job, Ending.STOPPED)
            elif self._loop.time() > job.until:
                self._end_job(job, Ending.YIELDED)

    def _end_job(self, job: _Job, ending: Ending) -> None:
        self._jobs.remove(job)
        if not job.ended.done():
            job.ended.set_result(ending)

    async def _announce(self) -> None:
        while True:
            await self._told.wait()
            self._told.clear()
            news = list(self._news)
            self._news.clear()
            if news:
                await self._loop.run_in_executor(self._news_thread, events.publish, self._client, news)

    # The database thread.

    async def _in_database(self, do: Callable[[], T]) -> T:
        return await self._loop.run_in_executor(self._database_thread, do)

    async def _until_it_works(self, do: Callable[[], T]) -> T:
        while True:
            try:
                return await self._in_database(do)
            except DBAPIError as error:
                log.warning("the database cannot be used; trying again", reason=str(error.orig))
                await asyncio.sleep(RETRY_S)

    async def _register(self) -> None:
        def register() -> tuple[float, int]:
            begun = time.monotonic()
            with self._database.write() as connection:
                return begun, workers.register(connection, self.name)

        begun, self._worker_id = await self._until_it_works(register)
        self._lease_until = begun + workers.LEASE_S - LEASE_MARGIN_S

    def _load(self, batch_id: int) -> tuple[Batch | None, Campaign | None]:
        with self._database.write() as connection:
            batch = batches.take(connection, batch_id)
            return batch, campaigns.get(connection, batch.campaign_id) if batch else None

    def _end(self) -> None:
        with self._database.write() as connection:
            workers.end(connection, self._worker_id)
