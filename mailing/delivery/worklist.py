"""What a worker process has in hand: batches it claims from, recipients it holds, results to record.

No sockets, no database, no event loop: the engine asks for the next round of the group commit, has it
committed, and tells what came of it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mailing.core.states import CampaignState, RecipientState
from mailing.delivery import group_commit, taking, turns
from mailing.delivery.turns import Ending

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from mailing.campaigns.queries import Campaign
    from mailing.delivery.group_commit import Committed, Round, Route
    from mailing.delivery.rooms import Rooms
    from mailing.delivery.taking import Taken
    from mailing.ledger.batches import Batch
    from mailing.ledger.claims import Claim
    from mailing.ledger.lanes import Lanes
    from mailing.ledger.rests import Rest
    from mailing.ledger.results import Result
    from mailing.messages.compose import Prepared

LINGERING = 4  # jobs of one process that only go on with narrow lanes
LIMITED = 32  # the same where they go on with receivers that a sender limits: then the latest
LIMITED_S = 10.0  # for which one waits for permits, longer than until its batch is given out again


@dataclass(slots=True, eq=False)
class ActiveCampaign:
    """A campaign that this process is sending: its senders, and how much is held.

    ``prepared`` has the compiled versions of its message. ``unrecorded`` of what is held has its outcome, for
    the next commit.
    """

    campaign: Campaign
    prepared: dict[int, Prepared]
    priority: int
    sending: bool = True
    held: int = 0
    unrecorded: int = 0

    def follow(self, route: Route | None) -> None:
        """Go by other senders, or within other limits, if a person has changed them."""
        if route and route != (self.campaign.senders, self.campaign.limits):
            self.campaign = replace(self.campaign, **route._asdict())


@dataclass(slots=True, eq=False)
class Job:
    """One run of a batch: where its claims have got to, and until when (monotonic s) it may claim.

    One that ``lingers`` has ended for whoever waits for it: it only goes on with lanes that are narrow or
    limited. ``waits`` says how many wait for each receiver that a sender limits, by its account.
    """

    batch: Batch
    active: ActiveCampaign
    cursor: int
    until: float
    ended: asyncio.Future[Ending]
    lingers: bool = False
    waits: dict[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def line(self) -> turns.Line:
        """How it stands in line for claims."""
        it = self.active
        in_hand, most = it.held - it.unrecorded, self.batch.last_id - self.cursor
        return turns.Line(it.priority, it.campaign.id, self.batch.id, in_hand, most)

    def end(self, ending: Ending) -> None:
        """Tell who waits for the batch."""
        if not self.ended.done():
            self.ended.set_result(ending)


class Worklist:
    """The jobs, the held recipients and the unrecorded results of one process."""

    def __init__(self) -> None:
        self._jobs: list[Job] = []
        self._active: dict[int, ActiveCampaign] = {}
        self._held: set[int] = set()  # recipients claimed and not yet recorded
        self._results: list[Result] = []
        self._returned: list[Claim] = []
        self._in_hand: Counter[str] = Counter()  # by account: held, and without an outcome
        self._wishes: list[tuple[Job, str, int, bool]] = []  # those of the round that is being committed
        self._in_doubt = False  # a commit failed: it may have happened all the same

    @property
    def held(self) -> int:
        """How many recipients are claimed and not yet recorded."""
        return len(self._held)

    @property
    def jobs(self) -> int:
        """How many batches are being claimed from."""
        return len(self._jobs)

    @property
    def campaign_id(self) -> int | None:
        """The campaign whose turn it is, if there is any."""
        first = min(self._jobs, key=lambda job: job.line, default=None)
        return first.batch.campaign_id if first else next(iter(self._active), None)

    @property
    def at_work(self) -> Mapping[int, turns.AtWork]:
        """What is claimed from, by campaign."""
        found: dict[int, turns.AtWork] = {}
        for job in (job for job in self._jobs if not job.lingers):
            before = found.get(job.batch.campaign_id, turns.NOTHING)
            found[job.batch.campaign_id] = turns.AtWork(
                before.jobs + 1, max(before.last_id, job.batch.last_id)
            )
        return found

    @property
    def unrecorded(self) -> int:
        """How many outcomes wait for the next commit."""
        return len(self._results) + len(self._returned)

    def active(self, campaign_id: int) -> ActiveCampaign | None:
        """Return a campaign that this process is sending; None if it is not."""
        return self._active.get(campaign_id)

    @property
    def all_active(self) -> Collection[ActiveCampaign]:
        """All campaigns that this process is sending."""
        return self._active.values()

    def activate(self, campaign: Campaign, prepared: Prepared) -> ActiveCampaign:
        """Begin to send a campaign."""
        begun = ActiveCampaign(campaign, {campaign.version: prepared}, campaign.priority)
        return self._active.setdefault(campaign.id, begun)

    def in_hand(self, account: str) -> int:
        """Return how many recipients are held for a sender, those left out that have their outcome."""
        return self._in_hand[account]

    def waits(self, account: str) -> Mapping[str, int]:
        """Return how many wait in all batches for each receiver that a sender limits."""
        found = Counter[str]()
        for job in self._jobs:
            found.update(job.waits.get(account, {}))
        return found

    def could_claim(self, rooms: Rooms) -> bool:
        """Whether there is room for claims from a batch."""
        return any(
            rooms.fit(account, job.active, self._line(job, account, rooms)).most
            for job in self._jobs
            for account in rooms.ways(job.active)
        )

    def add(self, job: Job) -> None:
        """Begin to claim from a batch, in place of one that goes on with it."""
        self._jobs = [it for it in self._jobs if not it.lingers or it.batch.id != job.batch.id]
        job.active.sending = True
        self._jobs.append(job)

    def settle(self, result: Result) -> None:
        """Keep a result for the next commit."""
        self._results.append(result)
        self._has_outcome(result.claim)

    def hand_back(self, claim: Claim) -> None:
        """Keep a claim that was not sent for the next commit."""
        self._returned.append(claim)
        self._has_outcome(claim)

    def pass_on(self, claim: Claim, account: str) -> Claim:
        """Have a claim go by another sender."""
        self._in_hand[claim.account] -= 1
        self._in_hand[account] += 1
        return claim._replace(account=account, limited="")

    def _has_outcome(self, claim: Claim) -> None:
        self._active[claim.campaign_id].unrecorded += 1
        self._in_hand[claim.account] -= 1

    def next_round(
        self,
        worker_id: int,
        worker_name: str,
        rooms: Rooms,
        rests: Mapping[str, Rest | None],
        lanes: Mapping[str, Lanes],
    ) -> Round:
        """Return what the next commit carries: everything unrecorded, and claims for the ``rooms``.

        The ``rests`` and slow ``lanes`` are those of the senders, as they were seen last.
        """
        results, self._results = self._results, []
        returned, self._returned = self._returned, []
        at_work = {job.batch.campaign_id for job in self._jobs}
        finishing = [
            id_ for id_, it in self._active.items() if it.held == it.unrecorded and id_ not in at_work
        ]
        self._wishes = list(self._share(rooms))
        for active in self._active.values():
            active.unrecorded = 0
        return group_commit.Round(
            worker_id=worker_id,
            worker_name=worker_name,
            results=results,
            returned=returned,
            wants=[
                taking.Want(account, job.batch, job.cursor, limit, beside, job.waits.get(account))
                for job, account, limit, beside in self._wishes
            ],
            watched=list(self._active),
            finishing=finishing,
            held=frozenset(self._held) if self._in_doubt else None,
            rests=rests,
            lanes=lanes,
            allowances=rooms.carry({account for _, account, _, _ in self._wishes}),
        )

    def failed(self, entry: Round) -> None:
        """Take back a round whose commit failed, or seemed to."""
        self._results[:0], self._returned[:0] = entry.results, entry.returned
        for claim in (*(result.claim for result in entry.results), *entry.returned):
            self._active[claim.campaign_id].unrecorded += 1
        self._in_doubt = True

    def committed(self, entry: Round, outcome: Committed) -> list[tuple[Claim, ActiveCampaign]]:
        """Take note of a commit; return the new claims, to be composed and sent."""
        self._in_doubt = False
        self._forget(result.claim for result in entry.results)
        self._forget(entry.returned)
        for id_, state in outcome.states.items():
            if active := self._active.get(id_):
                active.sending = state is CampaignState.SENDING and id_ not in outcome.closed
                active.priority = outcome.priorities.get(id_, active.priority)
                active.follow(outcome.routes.get(id_))
        taken = []
        for (job, account, _, _), found in zip(self._wishes, outcome.claimed, strict=False):
            if found is None:
                continue
            if found.waits is not None:
                job.waits[account] = found.waits
            self._in_hand[account] += len(found.claims)
            for claim in found.claims:
                self._held.add(claim.recipient_id)
                job.active.held += 1
                taken.append((claim, job.active))
            job.cursor = max(job.cursor, found.cursor)
            if any(claim.limited for claim in found.claims) and job in self._jobs:
                self._jobs.remove(job)  # the others' turn
                self._jobs.append(job)
            if job.cursor >= job.batch.last_id:
                self._at_its_end(job, found)
        self._go_back(entry)
        self._drop_idle_orders()
        return taken

    def _go_back(self, entry: Round) -> None:
        """Claim again from where recipients wait again, handed back or failed by the sender's fault."""
        again = [result.claim for result in entry.results if result.state is RecipientState.QUEUED]
        for claim in (*again, *entry.returned):
            for job in self._jobs:
                if job.batch.first_id <= claim.recipient_id <= job.cursor:
                    job.waits.clear()
                    job.cursor = job.cursor if job.lingers else claim.recipient_id - 1

    def end_jobs(self, now: float, *, halted: bool, rests: Callable[[Campaign], bool]) -> None:
        """End the jobs that may not claim any more at ``now`` (monotonic s), also where all senders rest."""
        for job in list(self._jobs):
            if halted:
                self._end(job, Ending.HANDED_BACK)
            elif not job.active.sending:
                self._end(job, Ending.STOPPED)
            elif rests(job.active.campaign):
                self._end(job, Ending.RESTING)
            elif now > job.until + (LIMITED_S if job.lingers and any(job.waits.values()) else 0):
                self._end(job, Ending.YIELDED)

    def _share(self, rooms: Rooms) -> Iterator[tuple[Job, str, int, bool]]:
        """Share each sender's room among its jobs; those that linger ask besides: few find anybody.

        But those who wait for limited receivers take part, as far as there are permits.
        """
        for job in (job for job in self._jobs if job.lingers):
            for account in rooms.ways(job.active):
                if rooms.may_be_slow(account) and rooms.take(account, job.active, 1, beside=True):
                    yield job, account, 1, True
        for account, room in rooms.left.items():
            lines = [
                (job, rooms.fit(account, job.active, line))
                for job in self._jobs
                if account in rooms.ways(job.active) and (line := self._line(job, account, rooms)).most
            ]
            if room > 0 and lines:
                shares = turns.share(room, [line for _, line in lines])
                for (job, _), limit in zip(lines, shares, strict=True):
                    if n := rooms.take(account, job.active, limit):
                        yield job, account, n, False

    def _line(self, job: Job, account: str, rooms: Rooms) -> turns.Line:
        """Return how a job stands in line for claims by a sender."""
        limited = rooms.limited(account, job.waits.get(account)) if job.lingers else 0
        return job.line._replace(most=limited) if job.lingers else job.line

    def _at_its_end(self, job: Job, found: Taken) -> None:
        """End a job, or have it linger where those are left whose lanes are narrow."""
        if not job.lingers:
            job.lingers = found.narrow and self._may_linger(job)
            job.end(Ending.RESTING if found.rests else Ending.EMPTY)
        if not (job.lingers and found.narrow):
            self._end(job, Ending.RESTING)

    def _may_linger(self, job: Job) -> bool:
        """Whether there is room for one more that lingers; limited receivers have whoever came last wait."""
        others = [it for it in self._jobs if it.lingers]
        if len(others) >= LIMITED and any(job.waits.values()):
            self._end(others[0], Ending.RESTING)
        return len(others) < LINGERING or any(job.waits.values())

    def _end(self, job: Job, ending: Ending) -> None:
        if job in self._jobs:  # it may have ended by another sender
            self._jobs.remove(job)
            job.end(ending)

    def _forget(self, claims: Iterable[Claim]) -> None:
        for claim in claims:
            self._held.discard(claim.recipient_id)
            self._active[claim.campaign_id].held -= 1

    def _drop_idle_orders(self) -> None:
        at_work = {job.batch.campaign_id for job in self._jobs}
        for id_ in [id_ for id_, active in self._active.items() if not active.held and id_ not in at_work]:
            del self._active[id_]
