"""A lane: this process's SMTP connections to one sender, and the claimed mail that waits for them.

Connections live across batches. Each one is a task that takes mail, opens its session when it needs
one, and reports every outcome. The lane says how much more mail it has room for; that is the only
brake: a server that refuses connections, or asks to be spared, is given less.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol

import structlog

from mailing.ledger import Trace
from mailing.models import now_ms
from mailing.smtp import Delivery, Mail, Session, SmtpError, Timeouts
from mailing.states import AttemptResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mailing.ledger import Claim
    from mailing.senders import Sender

IDLE_S = 10.0  # a connection without mail is closed after this
RECYCLE_AFTER = 500  # messages on one connection: polite to servers that count
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0  # between tries to reach a server that cannot be reached
SPARED_S = 30.0  # how long a server that asked to be sent less is given less

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
        self.notice = ""
        self._owner = owner
        self._timeouts = timeouts
        self._ready: deque[Work] = deque()
        self._alone: deque[_Line] = deque()  # busy, with nothing to send next
        self._idle: list[_Waiter] = []
        self._interruptible: set[asyncio.Task[None]] = set()  # nothing of theirs is on the wire
        self._open = self._opened = 0
        self._failures = 0
        self._retry_at = 0.0
        self._width = float(sender.connections)
        self._spared_until = 0.0
        self._closing = False
        self._tasks = [asyncio.create_task(self._serve()) for _ in range(sender.connections)]

    def room(self, held: int) -> int:
        """Return how much more may be claimed when ``held`` is: two per connection at most (P3)."""
        if self._closing:
            return 0
        if self._failures and not self._open:
            waiting = asyncio.get_running_loop().time() < self._retry_at
            return 0 if waiting else max(0, 1 - held)
        if self._spared_until and asyncio.get_running_loop().time() > self._spared_until:
            self._spared_until, self._width, self.notice = 0.0, float(self.sender.connections), ""
        return max(0, 2 * int(self._width) - held)

    def put(self, work: Work) -> None:
        """Give the lane work; never more than ``room`` said."""
        if self._idle:
            self._idle.pop().work.set_result(work)
        elif self._alone:
            line = self._alone.popleft()
            line.ahead = work
            line.session.follow(work.mail)
        else:
            self._ready.append(work)

    def resize(self, connections: int) -> None:
        """Have so many connections from now on; surplus ones end after the message that they are sending."""
        self.sender = replace(self.sender, connections=connections)
        self._width = min(self._width, connections) if self._spared_until else float(connections)
        wanted = 0 if self._closing else connections - len(self._tasks)
        self._tasks += [asyncio.create_task(self._serve()) for _ in range(wanted)]
        if self._surplus:
            self._dismiss(lambda _: True)

    @property
    def _surplus(self) -> bool:
        return len(self._tasks) > self.sender.connections

    def withdraw(self) -> None:
        """Hand back all waiting work that may not be sent any more."""
        for work in self._drain():
            if self._owner.may_send(work):
                self._ready.append(work)
            else:
                self._owner.hand_back(work)

    def check(self) -> None:
        """Let go of idle connections; raise what broke one's task: it held work that nobody else knows of."""
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
                    if not line.session.usable or line.session.delivered >= RECYCLE_AFTER:
                        await self._close(line)
                        line = None
        finally:
            await self._close(line)

    async def _deliver(self, line: _Line, work: Work) -> Work | None:
        """Send one message; return the one whose turn is next here, its envelope perhaps sent already."""
        session = line.session
        line.ahead, alone = None, False
        if session.delivered + 1 < RECYCLE_AFTER and not self._surplus:
            line.ahead = self._take_ahead()
            if alone := line.ahead is None:
                self._alone.append(line)
        started_at = now_ms()
        delivery = await session.deliver(
            work.mail, line.ahead.mail if line.ahead else None, partial(self._owner.may_leave, work)
        )
        if alone and line.ahead is None:
            self._alone.remove(line)
        self._adapt(delivery)
        if delivery.verdict.result is AttemptResult.RETURNED and not delivery.verdict.sender_fault:
            self._owner.hand_back(work)  # nothing of it left, and nobody is at fault
        else:
            connect_ms = None if line.used else session.connect_ms
            trace = Trace(line.number, session.tls, connect_ms, delivery.envelope_ms, delivery.dot_ms)
            self._owner.report(work, delivery, started_at, trace)
        line.used = True
        return line.ahead

    async def _take(self, line: _Line | None) -> Work | None:
        """Wait for work; None once an open connection has been idle for too long, or at the end."""
        if self._ready:
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
        self.notice = ""
        return _Line(session, self._opened)

    async def _refused(self, work: Work, error: SmtpError, started_at: int, vain: int) -> None:
        """Defer the work with the reason, unless other connections work: then they do it."""
        if self._open and not self._closing:
            self.put(work)
            with self._may_be_interrupted():
                await asyncio.sleep(_pause_s(vain))  # the server takes no more connections than it has
            return
        delivery = Delivery(error.verdict, error.reply, str(error), error.stage, alive=False)
        now = asyncio.get_running_loop().time()
        if now >= self._retry_at:
            self._retry_at = now + _pause_s(self._failures)
            self._failures += 1
            log.warning("smtp server cannot be used", server=self.sender.server, reason=str(error))
        self.notice = f"{self.sender.server}: {error}"
        for refused in [work, *self._drain()]:
            self._owner.report(refused, delivery, started_at, Trace())

    async def _close(self, line: _Line | None) -> None:
        if line:
            self._open -= 1
            await line.session.close()

    def _adapt(self, delivery: Delivery) -> None:
        if delivery.verdict.slow_down:
            self._width = max(1.0, self._width / 2)
            self._spared_until = asyncio.get_running_loop().time() + SPARED_S
            self.notice = f"{self.sender.server} asks to be sent less: {delivery.text}"

    @contextmanager
    def _may_be_interrupted(self) -> Iterator[None]:
        task = asyncio.current_task()
        assert task is not None
        self._interruptible.add(task)
        try:
            yield
        finally:
            self._interruptible.discard(task)


def _pause_s(vain: int) -> float:
    """Return the seconds until the next try to connect after ``vain`` ones before this one."""
    return min(FIRST_PAUSE_S * 2.0 ** min(vain, 16), LONGEST_PAUSE_S)
