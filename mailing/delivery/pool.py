"""A lane: this process's SMTP connections to one sender, and the claimed mail that waits for them.

Connections live across batches. Each one is a task that takes mail, opens its session when it needs
one, and reports every outcome. The lane says how much more mail it has room for, and is as wide as the
server likes: one that refuses connections, or asks to be spared, is given less, on fewer of them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol

import structlog

from mailing.core.clock import now_ms
from mailing.core.reasons import Reason
from mailing.core.states import AttemptResult
from mailing.delivery.width import Width
from mailing.ledger.leases import NoticeKind, WorkerNotice
from mailing.ledger.results import Trace
from mailing.smtp.replies import Stage
from mailing.smtp.rulebook import Follows
from mailing.smtp.session import Delivery, Mail, Session, SmtpError, Timeouts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mailing.core.reasons import Words
    from mailing.ledger.claims import Claim
    from mailing.smtp.account import Sender
    from mailing.smtp.verdicts import Verdict

IDLE_S = 10.0  # a connection without mail is closed after this
RECYCLE_AFTER = 500  # messages on one connection: polite to servers that count
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0  # between tries to reach a server that cannot be reached
FULL_S = 5.0  # until the next try at a server that takes no connection of ours besides those of others
log = structlog.get_logger()


class Work(NamedTuple):
    """One claimed recipient with its composed message."""

    claim: Claim
    mail: Mail


@dataclass(slots=True, eq=False)
class _Line:
    """An open session, which of the worker's connections it is, and the message that it sends next."""

    session: Session
    number: int
    used: bool = False
    ahead: Work | None = None


@dataclass(slots=True, eq=False)
class _Waiter:
    """A connection without mail, since when (loop time, s) it has none, and whether it is open."""

    work: asyncio.Future[Work | None]
    since: float
    open: bool


class Owner(Protocol):
    """Who owns the work: asked before each message, and told what became of it."""

    def may_send(self, work: Work) -> bool:
        """Whether this message may still be sent, as far as is known."""

    async def may_leave(self, work: Work) -> bool:
        """The same for certain, which may take a look: asked last, before the text leaves."""

    def report(self, work: Work, delivery: Delivery, started_at: int, trace: Trace) -> None:
        """Take the outcome of a transmission, or of the vain try to open a connection."""

    def hand_back(self, work: Work) -> None:
        """Take back work whose dot never left."""


class Lane:
    """The connections of one worker process to one sender."""

    def __init__(self, sender: Sender, owner: Owner, timeouts: Timeouts) -> None:
        self.sender = sender
        self.notice = WorkerNotice()
        self._owner = owner
        self._timeouts = timeouts
        self._ready: deque[Work] = deque()
        self._alone: deque[_Line] = deque()  # busy, and no mail chosen to send next
        self._idle: list[_Waiter] = []
        self._interruptible: set[asyncio.Task[None]] = set()  # nothing is in transit on them
        self._open = self._opened = 0
        self._sleeping = 0  # connections that wait until they may try again
        self._most = RECYCLE_AFTER  # messages on one connection, as far as this server has told
        self._failures = 0
        self._retry_at = 0.0
        self._width = Width(sender.connections)
        self._closing = False
        self._tasks = [asyncio.create_task(self._serve()) for _ in range(sender.connections)]

    def room(self, held: int) -> int:
        """Return how much more may be claimed when ``held`` is: two per connection at most (P3)."""
        if self._closing:
            return 0
        now = asyncio.get_running_loop().time()
        if self.failing:
            return 0 if self.down else max(0, 1 - held)
        if self._width.is_over(now):
            self.notice = WorkerNotice()
            while self._ready and self._free():
                self.put(self._ready.popleft())
        return max(0, 2 * self._width.room(now) - held)

    @property
    def failing(self) -> bool:
        """Whether the server could not be reached when it was tried last."""
        return bool(self._failures) and not self._open

    @property
    def down(self) -> bool:
        """Whether it is not even tried again yet."""
        return self.failing and asyncio.get_running_loop().time() < self._retry_at

    def put(self, work: Work) -> None:
        """Give the lane work; never more than ``room`` said."""
        if waiter := self._free():
            self._idle.remove(waiter)
            waiter.work.set_result(work)
        elif self._alone:
            line = self._alone.popleft()
            line.ahead = work
            line.session.follow(work.mail)
        else:
            self._ready.append(work)

    def resize(self, connections: int) -> None:
        """Have so many connections from now on; surplus ones end after the message that they are sending."""
        self.sender = replace(self.sender, connections=connections)
        self._width.resize(connections)
        wanted = 0 if self._closing else connections - len(self._tasks)
        self._tasks += [asyncio.create_task(self._serve()) for _ in range(wanted)]
        if self._surplus:
            self._dismiss(lambda _: True)

    @property
    def _surplus(self) -> bool:
        return len(self._tasks) > self.sender.connections

    def _free(self) -> _Waiter | None:
        """Return a connection that waits for work: an open one where no more may be opened."""
        if not self._idle or not self._too_wide(1):
            return self._idle[-1] if self._idle else None
        return next((waiter for waiter in reversed(self._idle) if waiter.open), None)

    @property
    def _lines(self) -> int:
        """How many connections are open or about to be."""
        at_work = len(self._tasks) - len(self._idle) - self._sleeping
        return at_work + sum(waiter.open for waiter in self._idle)

    def _too_wide(self, more: int = 0) -> bool:
        """Whether this server likes fewer connections than are open or about to be, and ``more``."""
        return self._width.spared and self._lines + more > self._width.connections

    def withdraw(self) -> None:
        """Hand back all waiting work that may not be sent any more."""
        for work in self._drain():
            if self._owner.may_send(work):
                self._ready.append(work)
            else:
                self._owner.hand_back(work)

    def check(self) -> None:
        """Close idle connections.

        Raise the error that ended a task: it held work that nobody else knows of.
        """
        now = asyncio.get_running_loop().time()
        if self._idle and any(waiter.open and now - waiter.since > IDLE_S for waiter in self._idle):
            self._dismiss(lambda waiter: waiter.open and now - waiter.since > IDLE_S)
        for task in self._tasks:
            if task.done() and not task.cancelled() and (error := task.exception()):
                raise error

    async def close(self) -> None:
        """Hand back what waits, let what is in flight end, and close the connections."""
        self._closing = True
        for work in self._drain():
            self._owner.hand_back(work)
        self._dismiss(lambda _: True)
        for task in self._interruptible:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for work in self._drain():
            self._owner.hand_back(work)

    def _drain(self) -> list[Work]:
        drained = list(self._ready)
        self._ready.clear()
        return drained

    def _dismiss(self, chosen: Callable[[_Waiter], bool]) -> None:
        dismissed = [waiter for waiter in self._idle if chosen(waiter)]
        self._idle = [waiter for waiter in self._idle if not chosen(waiter)]
        for waiter in dismissed:
            waiter.work.set_result(None)

    async def _serve(self) -> None:
        me = asyncio.current_task()
        assert me is not None
        line: _Line | None = None
        ahead: Work | None = None
        vain = 0  # tries to connect, one after the other
        try:
            while ahead is not None or not self._closing:
                if ahead is None and self._surplus:
                    self._tasks.remove(me)
                    return
                work = ahead or await self._take(line)
                ahead = None
                if work is None:
                    await self._close(line)
                    line = None
                    continue
                if not self._owner.may_send(work):
                    self._owner.hand_back(work)
                    continue
                if line is not None and not line.session.usable:
                    await self._close(line)  # the server closed it while it was idle
                    line = None
                if line is None:
                    line = await self._connect(work, vain)
                    vain = 0 if line else vain + 1
                if line is not None:
                    ahead = await self._deliver(line, work)
                    spare = ahead is None and self._too_wide()
                    if spare or not line.session.usable or self._left(line) <= 0:
                        await self._close(line)
                        line = None
        finally:
            await self._close(line)

    async def _deliver(self, line: _Line, work: Work) -> Work | None:
        """Send one message; return the one whose turn is next here, its envelope perhaps sent already."""
        session = line.session
        line.ahead, alone = None, False
        if self._left(line) > 1 and not self._surplus and not self._too_wide():
            line.ahead = self._take_ahead()
            if alone := line.ahead is None:
                self._alone.append(line)
        started_at = now_ms()
        delivery = await session.deliver(
            work.mail, line.ahead.mail if line.ahead else None, partial(self._owner.may_leave, work)
        )
        if alone and line.ahead is None:
            self._alone.remove(line)
        now = asyncio.get_running_loop().time()
        if self._width.heard(delivery.verdict, work.claim.domain, now):
            self._slowed(delivery.words)
        if delivery.verdict.goes_on and self._goes_on(line, work, delivery):
            return line.ahead
        delivery = delivery._replace(verdict=_or_waits(delivery.verdict))
        if delivery.verdict.result is AttemptResult.RETURNED and delivery.verdict.ruling is None:
            self._owner.hand_back(work)  # nothing of it left, and nobody is at fault
        else:
            connect_ms = None if line.used else session.connect_ms
            times = (connect_ms, delivery.envelope_ms, delivery.dot_ms)
            trace = Trace(line.number, session.tls, *times, delivery.dialogue)
            self._owner.report(work, delivery, started_at, trace)
        line.used = True
        return line.ahead

    def _left(self, line: _Line) -> int:
        """Return how many more messages go over this connection."""
        return min(self._most, line.session.most or self._most) - line.session.taken

    def _goes_on(self, line: _Line, work: Work, delivery: Delivery) -> bool:
        """Send a mail another way at once, where the server only dislikes this connection; if there is one.

        On a new connection's first mail there is none: whoever refuses that means something else.
        """
        if delivery.verdict.follows is Follows.NARROW:
            if self._lines == 1:
                self._hold(FULL_S)
                return False
            fewer = min(self._width.connections, self._lines) - 1
            self._width.spare(fewer, asyncio.get_running_loop().time())
            self._slowed(delivery.words)
            if line.ahead:
                self.put(line.ahead)
                line.ahead = None
        else:
            carried = line.session.taken - (delivery.stage is not Stage.MAIL)
            if carried < 1:
                return False
            if delivery.verdict.follows is Follows.RECYCLE:
                self._most = min(self._most, carried)
        log.info("smtp connection abandoned", server=self.sender.server, reason=str(delivery.words))
        self.put(work)
        return True

    async def _take(self, line: _Line | None) -> Work | None:
        """Wait for work; None once an open connection has been idle for too long, or at the end."""
        if self._ready and (line is not None or not self._too_wide()):
            return self._ready.popleft()
        loop = asyncio.get_running_loop()
        waiter = _Waiter(loop.create_future(), loop.time(), open=line is not None)
        self._idle.append(waiter)
        return await waiter.work

    def _take_ahead(self) -> Work | None:
        """Take the mail whose envelope goes out behind this one's dot."""
        if not self._ready or self._closing:
            return None
        work = self._ready.popleft()
        if self._owner.may_send(work):
            return work
        self._owner.hand_back(work)
        return None

    async def _connect(self, work: Work, vain: int) -> _Line | None:
        started_at = now_ms()
        try:
            with self._may_be_interrupted():
                session = await Session.open(self.sender, self._timeouts)
        except SmtpError as error:
            await self._refused(work, error, started_at, vain)
            return None
        except asyncio.CancelledError:
            self._owner.hand_back(work)
            raise
        self._open += 1
        self._opened += 1
        self._failures = 0
        if self.notice.kind is NoticeKind.HELD_UP:
            self.notice = WorkerNotice()
        return _Line(session, self._opened)

    async def _refused(self, work: Work, error: SmtpError, started_at: int, vain: int) -> None:
        """Defer the work with the reason, unless other connections work: then they do it."""
        if self._open and not self._closing:
            self.put(work)
            self._sleeping += 1
            try:
                with self._may_be_interrupted():
                    await asyncio.sleep(_pause_s(vain))  # the server takes no more connections than it has
            finally:
                self._sleeping -= 1
            return
        delivery = Delivery(_or_waits(error.verdict), error.reply, error.reason, error.stage, alive=False)
        if self._hold(_pause_s(self._failures)):
            log.warning("smtp server cannot be used", server=self.sender.server, reason=str(error))
        self.notice = WorkerNotice(NoticeKind.HELD_UP, error.reason)
        for refused in [work, *self._drain()]:
            self._owner.report(refused, delivery, started_at, Trace(dialogue=error.dialogue))

    def _hold(self, seconds: float) -> bool:
        """Try no connection for a while; return whether that was not decided already."""
        now = asyncio.get_running_loop().time()
        if now < self._retry_at:
            return False
        self._retry_at = now + seconds
        self._failures += 1
        return True

    async def _close(self, line: _Line | None) -> None:
        if line:
            self._open -= 1
            await line.session.close()

    def _slowed(self, words: Words) -> None:
        throttled = Reason("smtp.throttled", server=self.sender.server, reply=words)
        self.notice = WorkerNotice(NoticeKind.SLOWED, throttled)

    @contextmanager
    def _may_be_interrupted(self) -> Iterator[None]:
        task = asyncio.current_task()
        assert task is not None
        self._interruptible.add(task)
        try:
            yield
        finally:
            self._interruptible.discard(task)


def _or_waits(verdict: Verdict) -> Verdict:
    """Return that the mail waits for a connection, where others use all that the server allows."""
    narrow = verdict.follows is Follows.NARROW
    return replace(verdict, result=AttemptResult.RETURNED) if narrow else verdict


def _pause_s(vain: int) -> float:
    """Return the seconds until the next try to connect after ``vain`` ones before this one."""
    return min(FIRST_PAUSE_S * 2.0 ** min(vain, 16), LONGEST_PAUSE_S)
