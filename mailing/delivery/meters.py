"""Meters: one process's permits for what a campaign or a receiver is sent by a sender.

They are asked for ahead of the claims. A meter asks Redis in the background, so nothing waits for its answer
but the claims that need it. It holds what it was granted until an outcome is known, and gives back what
cannot be used.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from functools import cached_property, partial
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

import structlog
from redis import RedisError
from sqlalchemy.exc import SQLAlchemyError

from mailing.core import clock
from mailing.core.clock import now_ms
from mailing.core.side_thread import SideThread
from mailing.ledger import usage
from mailing.senders import limits as sender_limits
from mailing.senders.allowance import Allowance
from mailing.senders.permits import LEASE_MS, Answer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

    from mailing.campaigns.queries import Campaign
    from mailing.core.database import Database
    from mailing.delivery.group_commit import Committed, Round
    from mailing.delivery.outlets import Outlet
    from mailing.ledger.claims import Claim
    from mailing.senders.limits import Limits
    from mailing.senders.permits import Permits, Scope
    from mailing.senders.windows import Window

EVERY_S = 0.005  # between two requests, unless the claims wait for one
EASY_EVERY_S = 0.05  # the same while nothing binds
AHEAD = 4  # times what is wanted: asked for while nothing binds, and again below half of it
AHEAD_S = 2 * EASY_EVERY_S  # or what is used in so long, if that is more
WANTED_S = 1.0  # for how long what was wanted counts as wanted
LONGEST_S = 2.0  # until the next request: a limit may be raised, and a holder put some back
UNUSED_S = 0.2  # after which permits that no claim wanted go back
LONG_MS = 60_000  # a wait from which on a sender rests, in all processes, and others take its place
CLOSE_S = 5.0  # for how long the end of a process waits for Redis
AWAY_S = 0.5  # until the next request where the last failed

FORGOTTEN_S = 5.0  # after which the meter of a receiver ends that nobody waits for

_Key = tuple[str, int | str]  # a sender's account; a campaign, or a receiver that the sender limits

log = structlog.get_logger()


class Meters:
    """The meters of a process: one for each campaign by each sender, where either is limited.

    And one for each receiver that a sender limits and that somebody waits for: of the batches at hand, and so
    of not more receivers than these have recipients. ``wake`` is called when claims may be made; ``used_up``
    is told of a sender that has to wait for long, or one lane of it, and for how many ms.
    """

    def __init__(
        self,
        permits: Permits,
        database: Database,
        wake: Callable[[], None],
        used_up: Callable[[Outlet, Window, int, str], None],
    ) -> None:
        self._permits, self._database, self._wake, self._used_up = permits, database, wake, used_up
        self._meters: dict[_Key, Meter] = {}
        self._limited: dict[_Key, tuple[Outlet, Campaign | None]] = {}
        self._thread = SideThread("volley-permits")
        self._worker_id = 0
        self._begun: asyncio.Task[None] | None = None

    def begin(self, worker_id: int) -> None:
        """Ask as this worker from now on."""
        self._worker_id = worker_id
        self._begun = asyncio.create_task(self._begin())

    async def _begin(self) -> None:
        with suppress(RedisError, OSError, SQLAlchemyError):  # the first to ask will see
            await self._thread.run(self._permits.begin)

    @cached_property
    def _beside(self) -> SideThread:
        """The thread for receivers: there may be many of them, for which no campaign waits."""
        return SideThread("volley-receivers")

    def of(self, outlet: Outlet, campaign: Campaign) -> Meter | None:
        """Return the meter of a campaign by a sender; None where neither is limited."""
        key = outlet.account, campaign.id
        if key in self._limited:
            self._limited[key] = outlet, campaign
        meter = self._meters.get(key)
        if meter is None and (outlet.limits or campaign.limits):
            meter = self._open(key, outlet, campaign)
        return meter

    def allowance(self, outlet: Outlet, waits: Mapping[str, int], room: int) -> Allowance:
        """Return for how many of those who wait for receivers that a sender limits there are permits.

        More are asked for, as many as there is ``room`` for, but not for lanes at rest.
        """
        permits, now = {}, now_ms()
        for receiver, n in waits.items() if room > 0 else ():
            lane = outlet.lanes.slow.get(receiver)
            if not sender_limits.of_receiver(outlet.receiver_limits, receiver) or (lane and lane.holds(now)):
                continue
            key = outlet.account, receiver
            self._limited[key] = outlet, None
            meter = self._meters.get(key) or self._open(key, outlet, None)
            permits[receiver] = meter.room(min(n, room))
        return Allowance(outlet.receiver_limits, permits)

    def carry(self, account: str, allowance: Allowance) -> None:
        """Take all permits of an allowance into a round."""
        for receiver, n in allowance.permits.items():
            self._meters[account, receiver].take(n)

    def _open(self, key: _Key, outlet: Outlet, campaign: Campaign | None) -> Meter:
        ask, tell = partial(self._ask, key), partial(self._tell, key)
        self._limited[key] = outlet, campaign
        meter = self._meters[key] = Meter(ask, tell)
        return meter

    def take_one(self, outlet: Outlet, campaign: Campaign) -> bool:
        """Take a permit for one more email; return whether there is one."""
        meter = self.of(outlet, campaign)
        if meter and not meter.room(1):
            return False
        if meter:
            meter.take(1)
        return True

    def made(self, entry: Round, brought: Committed | None) -> None:
        """Take which claims a round has brought, and put back the permits of all others."""
        claimed = brought.claimed if brought else []
        for want, taken in zip_longest(entry.wants, claimed):
            if meter := self._meters.get((want.account, want.batch.campaign_id)):
                meter.put_back(want.limit - (len(taken.claims) if taken else 0))
        for account, allowance in entry.allowances.items():
            theirs = (taken.claims for taken in claimed if taken)
            used = Counter(it.limited for made in theirs for it in made if it.account == account)
            for receiver, n in allowance.permits.items():
                self._meters[account, receiver].put_back(n - used[receiver])

    def end(self, claim: Claim, *, spent: bool) -> None:
        """Take the outcome of a claim."""
        for which in (claim.campaign_id, claim.limited):
            if meter := self._meters.get((claim.account, which)):
                meter.end(spent=spent)

    def let_go(self, held: Collection[int]) -> None:
        """Close the meters of campaigns of which nothing is held or sent any more, and of receivers."""
        for key in [key for key, meter in self._meters.items() if key[1] not in held and meter.idle]:
            if isinstance(key[1], int) or self._meters[key].forgotten:
                del self._limited[key]
                self._meters.pop(key).cancel()

    async def close(self) -> None:
        """Give back all that is not used; what Redis does not take in time counts as spent later."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await asyncio.gather(*(meter.close() for meter in self._meters.values()))

    async def _ask(self, key: _Key, asked: Asked) -> Answer:
        scopes = self._scopes(key)
        if not scopes:  # the limits were taken away
            return Answer(asked.want)
        holder = f"{self._worker_id}:{key[1]}:{self._limited[key][0].sender.id}"

        def ask() -> Answer:
            answer = self._permits.ask(holder, scopes, want=asked.want, held=asked.held, done=asked.done)
            if answer.forgotten:
                with self._database.read() as connection:
                    spent = list(usage.spent(connection, answer.forgotten, now_ms()))
                self._permits.refill(answer.forgotten, spent)
            return answer

        return await (self._thread if isinstance(key[1], int) else self._beside).run(ask)

    def _scopes(self, key: _Key) -> Sequence[Scope]:
        (outlet, campaign), now = self._limited[key], now_ms()
        limited: list[tuple[str, int, Limits, str]]
        if campaign:
            limited = [
                ("sender", outlet.sender.id, outlet.limits, ""),
                ("campaign", campaign.id, sender_limits.load(campaign.limits), ""),
            ]
        else:
            receiver = str(key[1])
            by = sender_limits.of_receiver(outlet.receiver_limits, receiver)
            limited = [("sender", outlet.sender.id, by, receiver)]
        return [usage.scope(kind, id_, limits, now, to) for kind, id_, limits, to in limited if limits]

    def _tell(self, key: _Key, answer: Answer) -> None:
        outlet, campaign = self._limited[key]
        if answer.granted:
            self._wake()
        if answer.window and answer.wait_ms >= LONG_MS and answer.scope.startswith("sender:"):
            lane = str(key[1]) if campaign is None else ""
            self._used_up(outlet, answer.window, answer.wait_ms, lane)


class Asked(NamedTuple):
    """What is asked of Redis: permits wanted, those still held, those spent since."""

    want: int
    held: int
    done: int


class Meter:
    """The permits for one campaign by one sender, from its start to ``close``."""

    def __init__(self, ask: Callable[[Asked], Awaitable[Answer]], tell: Callable[[Answer], None]) -> None:
        self._ask, self._tell = ask, tell
        self._unused = self._taken = self._done = self._wanted = self._used = 0
        self._pace = 0.0  # permits that are used in ``AHEAD_S``
        self._wanted_at = self._asked_at = self._granted_at = 0.0  # steady s
        self._ask_at = 0.0  # not before, after a refusal
        self._plenty = True
        self._asking = False
        self._kick, self._hurry = asyncio.Event(), asyncio.Event()
        self._task = asyncio.create_task(self._run())

    def room(self, wanted: int) -> int:
        """Return for how many of the claims that are ``wanted`` there are permits; more are asked for."""
        now = clock.steady_s()
        self._wanted, self._wanted_at = wanted, now
        if self._unused < wanted and now >= self._ask_at:
            self._hurry.set()
        if self._missing(now):
            self._kick.set()
        return min(self._unused, wanted)

    def take(self, n: int) -> None:
        """Take permits for so many claims."""
        self._unused -= n
        self._taken += n
        self._used += n

    def put_back(self, n: int) -> None:
        """Put back permits for claims that were not made."""
        self._unused += n
        self._taken -= n
        self._used -= n

    def end(self, *, spent: bool) -> None:
        """Take the outcome of a claim; one that was handed back spent nothing."""
        self._taken = max(0, self._taken - 1)  # it may be from before there was a limit
        self._done += spent
        self._kick.set()

    @property
    def idle(self) -> bool:
        """Whether nothing is held, nothing is left to tell, and no answer is awaited."""
        return not (self._unused or self._taken or self._done or self._asking)

    @property
    def forgotten(self) -> bool:
        """Whether for a while nobody has asked whether there is room."""
        return clock.steady_s() - self._wanted_at > FORGOTTEN_S

    def cancel(self) -> None:
        """End it; nothing is held."""
        self._task.cancel()

    async def close(self) -> None:
        """Give back what is not used."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._wanted = self._unused = 0
        await self._request(0)

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._kick.wait(), self._rest_s())
            self._kick.clear()
            now = clock.steady_s()
            want = self._missing(now)
            stale = self._taken + self._unused and now - self._asked_at > LEASE_MS / 3000
            if not (want or self._done or stale or self._unwanted(now)):
                continue
            pause = self._asked_at + (EASY_EVERY_S if self._plenty else EVERY_S) - now
            if pause > 0 and not self._hurry.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._hurry.wait(), pause)
                want = self._missing(clock.steady_s())
            self._hurry.clear()
            if self._unwanted(now):
                self._unused = self._wanted = want = 0
            await self._request(want)

    def _rest_s(self) -> float:
        """Return for how long nothing has to be asked, if nobody wants anything."""
        waiting = self._ask_at - clock.steady_s()
        return waiting if waiting > 0 else UNUSED_S if self._unused else LEASE_MS / 4000

    def _missing(self, now: float) -> int:
        if now < self._ask_at or now - self._wanted_at > WANTED_S:
            return 0
        if not self._plenty:
            return max(0, self._wanted - self._unused)
        ahead = max(self._wanted * AHEAD, round(self._pace))
        return ahead - self._unused if self._unused < ahead / 2 else 0

    def _unwanted(self, now: float) -> bool:
        return self._unused > 0 and now - max(self._wanted_at, self._granted_at) > UNUSED_S

    async def _request(self, want: int) -> None:
        asked = Asked(want, self._unused + self._taken, self._done)
        now = clock.steady_s()
        self._pace = self._used * AHEAD_S / max(now - self._asked_at, EVERY_S)
        self._done = self._used = 0
        self._asked_at = now
        self._asking = True
        try:
            answer = await self._ask(asked)
        except (RedisError, OSError, SQLAlchemyError) as error:
            self._done += asked.done
            self._ask_at = clock.steady_s() + AWAY_S
            log.warning("limits cannot be asked for; nothing limited is sent", reason=str(error))
            return
        finally:
            self._asking = False
        self._unused += answer.granted
        if answer.granted:
            self._granted_at = clock.steady_s()
        if want:
            self._plenty = answer.granted == want
            wait_s = min(answer.wait_ms / 1000, LONGEST_S)
            self._ask_at = 0.0 if self._plenty else clock.steady_s() + wait_s
            self._tell(answer)
