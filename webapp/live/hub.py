"""The hub: one Redis subscription for all open pages of this web process.

A viewer subscribes first, then reads the database, then waits to be told that something changed and
reads again (P5). So news that is lost, repeated or late can never make a page lie; it can only make
it late. While Redis is away every viewer is told to read the database each ``FALLBACK_S``, and once
more when it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, defaultdict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, TypeVar
from weakref import WeakValueDictionary

import orjson
import redis
import structlog
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from sqlalchemy.exc import SQLAlchemyError

from mailing.redis import events
from mailing.redis import prefix as redis_prefix

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence

    from redis.asyncio.client import PubSub

T = TypeVar("T")
Happened: TypeAlias = "Sequence[tuple[bytes, dict[str, Any]]]"
FALLBACK_S = 2.0  # how often the database is read while there are no news
SILENCE_S = 5.0  # Redis is asked whether it is there after this long without a message
UPDATE_S = 0.25  # at most four readings a second of the same thing
FEED_LIMIT = 2_000  # news kept for a program that does not read them
_CONFIRM_S = 2.0
_KEYS = {
    "recipient": {"recipient"},
    "returned": {"recipient"},
    "claimed": {"recipients"},
}  # what a viewer looks for in an event

log = structlog.get_logger(__name__)


class Listener(Protocol):
    """Someone who hears what is published on the channels they asked for."""

    def hear(self, happened: Happened) -> None:
        """Take what was published together: each event and its line of JSON."""

    def miss(self) -> None:
        """Learn that events may have been lost."""

    def end(self) -> None:
        """Learn that this web process stops."""


@dataclass(frozen=True, slots=True)
class News:
    """What changed since a viewer last asked. ``at`` is the loop's time: a reading must be newer."""

    rows: frozenset[int]
    at: float


class Viewer:
    """One open page. It remembers at most the ids of the rows it shows, however slowly it reads."""

    def __init__(self, rows: Iterable[int] = ()) -> None:
        self.rows = frozenset(rows)
        self._over = asyncio.Event()
        self._changed: set[int] = set()
        self._awake = asyncio.Event()

    def hear(self, happened: Happened) -> None:
        """Note which of the shown rows changed."""
        if self.rows:
            for _line, event in happened:
                if event["type"] in {"recipient", "returned"}:
                    if event["recipient"] in self.rows:
                        self._changed.add(event["recipient"])
                elif event["type"] == "claimed":
                    self._changed.update(self.rows.intersection(event["recipients"]))
                else:
                    self._changed.update(self.rows)
        self._awake.set()

    def miss(self) -> None:
        """Count every row as changed."""
        self._changed.update(self.rows)
        self._awake.set()

    def end(self) -> None:
        """Wake those who wait: the stream ends."""
        self._over.set()
        self._awake.set()

    @property
    def ended(self) -> bool:
        """Whether this web process stops."""
        return self._over.is_set()

    async def rest(self, seconds: float) -> None:
        """Wait, but not beyond the end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._over.wait()

    async def news(self, timeout_s: float) -> News | None:
        """Wait for a change and return it; None if nothing happened for ``timeout_s``."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._awake.wait()
        except TimeoutError:
            return None
        return self.take()

    def take(self) -> News:
        """Return what changed until now, without waiting."""
        self._awake.clear()
        changed, self._changed = frozenset(self._changed), set()
        return News(changed, asyncio.get_running_loop().time())


class Feed:
    """Every event of a channel as it was published, for programs. ``missed`` says that some were lost."""

    def __init__(self) -> None:
        self.ended = self.missed = False
        self._lines: deque[bytes] = deque()
        self._awake = asyncio.Event()

    def hear(self, happened: Happened) -> None:
        """Keep the events, or forget them all if nobody reads."""
        if len(self._lines) + len(happened) > FEED_LIMIT:
            self._lines.clear()
            self.missed = True
        self._lines.extend(line for line, _event in happened)
        self._awake.set()

    def miss(self) -> None:
        """Remember that events may have been lost."""
        self.missed = True
        self._awake.set()

    def end(self) -> None:
        """Wake those who wait: the stream ends."""
        self.ended = True
        self._awake.set()

    async def lines(self, timeout_s: float) -> list[bytes]:
        """Wait for events and return them; nothing if there were none for ``timeout_s``."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._awake.wait()
        self._awake.clear()
        lines = list(self._lines)
        self._lines.clear()
        return lines


class Reading(Generic[T]):
    """One thing read from the database for all who want it, at most once per ``UPDATE_S``."""

    def __init__(self, load: Callable[[], Awaitable[T]]) -> None:
        self._load = load
        self._lock = asyncio.Lock()
        self._value: T | None = None
        self._started_at = float("-inf")

    async def get(self, since: float) -> T:
        """Return the thing as it was at ``since`` (the loop's time) or later."""
        loop = asyncio.get_running_loop()
        async with self._lock:
            if self._value is None or self._started_at < since:
                await asyncio.sleep(self._started_at + UPDATE_S - loop.time())
                started_at = loop.time()
                self._value = await self._load()
                self._started_at = started_at
            return self._value


class Hub:
    """Who listens to which channel, and the one connection that serves them all."""

    def __init__(self, redis_url: str, database_url: str) -> None:
        self.away = False  # known not to answer, unlike not asked yet
        self._ended = False
        self._database_url, self._prefix = database_url, ""
        self._client = events.connect_async(redis_url)
        self._client.set_retry(Retry(NoBackoff(), 0))  # a silent reconnect would hide that news were lost
        self._pubsub: PubSub | None = None
        self._listeners: dict[str, set[Listener]] = defaultdict(set)
        self._asked: Counter[str] = Counter()  # confirmations that are on their way
        self._confirmed: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._readings: WeakValueDictionary[str, Reading[Any]] = WeakValueDictionary()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to listen, now and whenever Redis comes back."""
        self._task = asyncio.create_task(self._run(), name="hub")

    async def close(self) -> None:
        """End every stream and the subscription."""
        self._ended, self._pubsub = True, None
        for listener in self._everyone():
            listener.end()
        while self._task and not self._task.done():  # wait_for may swallow a cancellation (CPython gh-86296)
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=0.1)
        await self._client.aclose()

    @contextlib.asynccontextmanager
    async def listening(self, listener: Listener, *channels: str) -> AsyncIterator[None]:
        """Let ``listener`` hear ``channels``: everything that is published while the body runs."""
        if self._ended:
            listener.end()
        new = [channel for channel in channels if not self._heard(channel)]
        for channel in channels:
            self._listeners[channel].add(listener)
        try:
            await self._subscribe(new)
            await self._wait_for(channels)
            yield
        finally:
            await self._leave(listener, channels)

    async def every(self, seconds: float, draw: Callable[[], Awaitable[object]]) -> None:
        """Call ``draw`` now and at this interval, until it returns True or this web process stops."""
        viewer = Viewer()
        async with self.listening(viewer, events.ALL_CAMPAIGNS):
            while not viewer.ended and await draw() is not True:
                await viewer.rest(seconds)

    def reading(self, key: str, load: Callable[[], Awaitable[T]]) -> Reading[T]:
        """Return the reading that all who ask for ``key`` now share. Readings nobody holds are forgotten."""
        found = self._readings.get(key)
        if found is None:
            found = self._readings[key] = Reading(load)
        return found

    def _everyone(self) -> set[Listener]:
        return set().union(*self._listeners.values())

    def _heard(self, channel: str) -> bool:
        """Whether what is published on ``channel`` comes here, or will as soon as Redis is there."""
        return channel == events.ALL_CAMPAIGNS or bool(self._listeners.get(channel))

    async def _subscribe(self, channels: list[str]) -> None:
        if self._pubsub and channels:
            self._asked.update(channels)
            with contextlib.suppress(redis.RedisError, OSError):  # the listening task meets it as well
                await self._pubsub.subscribe(*self._wired(channels))

    async def _wait_for(self, channels: Iterable[str]) -> None:
        if self.away:
            return
        with contextlib.suppress(TimeoutError):  # then it is late, and a later confirmation wakes it
            async with asyncio.timeout(_CONFIRM_S):
                for channel in channels:
                    await self._confirmed[channel].wait()

    async def _leave(self, listener: Listener, channels: Iterable[str]) -> None:
        for channel in channels:
            self._listeners[channel].discard(listener)
            if not self._listeners[channel]:
                del self._listeners[channel]
        left = [channel for channel in channels if not self._heard(channel)]
        for channel in left:
            self._confirmed.pop(channel, None)
        if self._pubsub and left:
            with contextlib.suppress(redis.RedisError, OSError):
                await self._pubsub.unsubscribe(*self._wired(left))

    async def _run(self) -> None:
        while True:
            try:
                await self._listen()
            except (redis.RedisError, OSError, SQLAlchemyError) as error:
                if not self.away:
                    log.warning("queue lost", error=str(error))
            except Exception:  # without the hub every page would stand still, and nobody would know why
                log.exception("the hub failed and restarts")
            self.away = True
            self._confirmed.clear()
            for listener in self._everyone():
                listener.miss()
            await asyncio.sleep(FALLBACK_S)

    async def _listen(self) -> None:
        """Subscribe to everything wanted and pass on what comes, until the connection fails."""
        self._prefix = await asyncio.to_thread(redis_prefix.prefix, self._database_url)
        async with self._client.pubsub() as pubsub:
            wanted = {events.ALL_CAMPAIGNS, *self._listeners}
            self._asked = Counter(wanted)
            await pubsub.subscribe(*self._wired(wanted))
            self._pubsub, self.away = pubsub, False
            try:
                await self._subscribe(list(self._listeners.keys() - wanted))  # who joined meanwhile
                await self._read(pubsub)
            finally:
                self._pubsub = None

    def _wired(self, channels: Iterable[str]) -> list[str]:
        """Return what Redis calls ``channels``."""
        return [self._prefix + channel for channel in channels]

    async def _read(self, pubsub: PubSub) -> None:
        silent = False
        while True:
            message = await pubsub.get_message(timeout=SILENCE_S)
            if message is not None:
                silent = False
                self._pass_on(message)
            elif silent:
                raise redis.TimeoutError("Redis does not answer")
            else:
                silent = True
                await pubsub.ping()

    def _pass_on(self, message: dict[str, Any]) -> None:
        channel = message["channel"].decode().removeprefix(self._prefix) if message["channel"] else ""
        listeners = self._listeners.get(channel, ())
        if message["type"] == "subscribe":
            self._asked[channel] -= 1
            if self._asked[channel] > 0 or not self._heard(channel):  # it answers somebody who has left
                return
            self._confirmed[channel].set()
            for listener in listeners:  # what was published before this moment is unknown to them
                listener.miss()
        elif message["type"] == "message":
            happened = _read(message["data"])
            for listener in listeners:
                listener.hear(happened)


def _read(data: bytes) -> Happened:
    """Return what was published, and nothing of what is no event: others may write to Redis, too."""
    try:
        happened = [(line, orjson.loads(line)) for line in data.split(b"\n")]
        if all(_KEYS.get(event["type"], set()) <= event.keys() for _line, event in happened):
            return happened
    except (ValueError, TypeError, KeyError, AttributeError):
        pass
    log.warning("a published message is not an event", size=len(data))
    return ()
