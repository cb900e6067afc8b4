"""Permits: what may leave within the limits of a sender and of a campaign, shared by all workers (Redis).

A permit is taken before a recipient is claimed, and is held until the outcome is known; only then does its
time in the windows begin. So whatever the server saw within a window was held or spent at the window's end:
there are never more of them than the limit, however long each took.

Scripts go by Redis' own clock. Whoever holds permits says so at each request, and what a dead worker held
counts as spent once its lease is over. A Redis that has forgotten lets nothing pass for the shortest window,
until all that was under way is in the database; then the windows are filled from there. It is known by the
moment since which it knows, kept beside the windows: that a sender is new to it is no reason to wait.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mailing.redis.events import Client
    from mailing.senders.windows import Window

LEASE_MS = 60_000  # after so long without a word of its holder a permit counts as spent
KEPT_MS = 2 * 86_400_000
CLOSED_MS = 1_000  # for which a Redis that has forgotten lets nothing pass


class Scope(NamedTuple):
    """Whose windows they are: ``name`` is like ``sender:3``. Other limits of the same are another scope."""

    name: str
    windows: Sequence[Window]


@dataclass(frozen=True, slots=True)
class Answer:
    """How many permits were granted. ``wait_ms`` until more may be; ``window`` is what holds them back.

    ``forgotten`` is the scope whose windows Redis has lost and the caller must fill, with ``refill``.
    """

    granted: int
    wait_ms: int = 0
    scope: str = ""
    window: Window | None = None
    forgotten: Scope | None = None


class Permits:
    """The permits of an installation, in its Redis. All methods block.

    They raise what redis-py raises, and what the database raises until the installation's name is known.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._ask, self._refill = client.register_script(_ASK), client.register_script(_REFILL)

    def begin(self) -> None:
        """Have Redis know from now on, so that the first to ask need not wait for it."""
        self._ask(keys=[self._since], args=["", LEASE_MS, KEPT_MS, CLOSED_MS, 0, 0, 0])

    def ask(self, holder: str, scopes: Sequence[Scope], *, want: int, held: int, done: int) -> Answer:
        """Take up to ``want`` permits; ``done`` were spent since the last request, ``held`` still are."""
        args: list[str | int] = [holder, LEASE_MS, KEPT_MS, CLOSED_MS, want, held, done]
        for scope in scopes:
            args += len(scope.windows), *chain.from_iterable(window.script_args for window in scope.windows)
        keys = [self._since, *(key for scope in scopes for key in self._keys(scope))]
        granted, wait, place, window, forgotten = self._ask(keys=keys, args=args)
        by = scopes[place - 1] if place else None
        return Answer(
            granted,
            wait,
            by.name if by else "",
            by.windows[window - 1] if by and window else None,
            scopes[forgotten - 1] if forgotten else None,
        )

    def refill(self, scope: Scope, spent: Iterable[tuple[str, int, int]]) -> None:
        """Tell Redis what left already: a window's name, how long ago in ms, and how many.

        Where another process has done so in the meantime, nothing changes.
        """
        args: list[str | int] = [KEPT_MS, len(scope.windows)]
        for told in (*(window.script_args for window in scope.windows), *spent):
            args += told
        self._refill(keys=[self._keys(scope)[0]], args=args)

    @property
    def _since(self) -> str:
        return f"{self._client.prefix}permits:since"

    def _keys(self, scope: Scope) -> tuple[str, str]:
        begin = f"{self._client.prefix}permits:{scope.name}"
        return f"{begin}:spent", f"{begin}:held"


_SPEND = """
local function whole(n) return string.format('%.0f', n) end
local function spend(key, window, now, n)
  if window.day > 0 then
    local day = redis.call('HGET', key, window.name .. ':day')
    if day ~= whole(window.day) then
      redis.call('HSET', key, window.name .. ':day', whole(window.day), window.name .. ':n', 0)
    end
  else
    local bucket = math.floor(now / window.bucket)
    redis.call('HINCRBY', key, window.name .. ':' .. whole(bucket), n)
    local lo = redis.call('HGET', key, window.name .. ':lo')
    local hi = redis.call('HGET', key, window.name .. ':hi')
    if not lo or bucket < tonumber(lo) then
      redis.call('HSET', key, window.name .. ':lo', whole(bucket))
    end
    if not hi or bucket > tonumber(hi) then
      redis.call('HSET', key, window.name .. ':hi', whole(bucket))
    end
  end
  redis.call('HINCRBY', key, window.name .. ':n', n)
end
local function read_windows(at)
  local windows, n = {}, tonumber(ARGV[at])
  for i = 1, n do
    local f = at + 1 + (i - 1) * 5
    windows[i] = {name = ARGV[f], span = tonumber(ARGV[f + 1]), most = tonumber(ARGV[f + 2]),
                  bucket = tonumber(ARGV[f + 3]), day = tonumber(ARGV[f + 4])}
  end
  return windows, at + 1 + n * 5
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""

_ASK = (
    _SPEND
    + """
local holder, lease, kept, closed = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local want, held, done = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local at, scopes, soon = 8, {}, 8 -- ms until a holder may have put some back
for s = 1, (#KEYS - 1) / 2 do
  scopes[s] = {spent = KEYS[2 * s], held = KEYS[2 * s + 1]}
  scopes[s].windows, at = read_windows(at)
end
redis.call('SET', KEYS[1], whole(now), 'NX')
redis.call('PEXPIRE', KEYS[1], kept)
local opens_at = tonumber(redis.call('GET', KEYS[1])) + closed
for s, scope in ipairs(scopes) do
  if redis.call('HEXISTS', scope.spent, 'born') == 0 then
    local wait = opens_at - now
    if wait > 0 then return {0, wait, s, 0, 0} end
    return {0, 0, s, 0, s}
  end
end
local free, wait, by, window_by = want, 0, 0, 0
for s, scope in ipairs(scopes) do
  local others = 0
  for _, window in ipairs(scope.windows) do if done > 0 then spend(scope.spent, window, now, done) end end
  local all = redis.call('HGETALL', scope.held)
  for i = 1, #all, 2 do
    if all[i] ~= holder then
      local n, ends = string.match(all[i + 1], '^(%d+):(%d+)$')
      if tonumber(ends) < now then
        for _, window in ipairs(scope.windows) do spend(scope.spent, window, now, tonumber(n)) end
        redis.call('HDEL', scope.held, all[i])
      else
        others = others + tonumber(n)
      end
    end
  end
  for w, window in ipairs(scope.windows) do
    local n, opens = 0, 0
    if window.day > 0 then
      if redis.call('HGET', scope.spent, window.name .. ':day') == whole(window.day) then
        n = tonumber(redis.call('HGET', scope.spent, window.name .. ':n') or 0)
      end
      opens = window.day + window.span - now
    else
      n = tonumber(redis.call('HGET', scope.spent, window.name .. ':n') or 0)
      local lo = tonumber(redis.call('HGET', scope.spent, window.name .. ':lo') or 0)
      local hi = tonumber(redis.call('HGET', scope.spent, window.name .. ':hi') or -1)
      local first = math.floor((now - window.span) / window.bucket)
      local before, gone = lo, 0
      while lo < first and lo <= hi do
        local name = window.name .. ':' .. whole(lo)
        local in_it = redis.call('HGET', scope.spent, name)
        if in_it then
          gone = gone + tonumber(in_it)
          redis.call('HDEL', scope.spent, name)
        end
        lo = lo + 1
      end
      n = n - gone
      if n <= 0 then
        redis.call('HDEL', scope.spent, window.name .. ':lo', window.name .. ':hi', window.name .. ':n')
      elseif lo ~= before then
        while lo < hi and redis.call('HEXISTS', scope.spent, window.name .. ':' .. whole(lo)) == 0 do
          lo = lo + 1
        end
        redis.call('HSET', scope.spent, window.name .. ':lo', whole(lo))
        redis.call('HINCRBY', scope.spent, window.name .. ':n', -gone)
      end
      opens = (lo + 1) * window.bucket + window.span - now
    end
    if n < window.most then opens = soon end
    local left = window.most - n - others - held
    if left < free then
      free = left
      if left <= 0 and opens > wait then wait, by, window_by = opens, s, w end
      if left > 0 and by == 0 then by, window_by = s, w end
    end
  end
end
local granted = math.max(0, free)
for _, scope in ipairs(scopes) do
  if held + granted > 0 then
    redis.call('HSET', scope.held, holder, string.format('%.0f:%.0f', held + granted, now + lease))
  else
    redis.call('HDEL', scope.held, holder)
  end
  redis.call('PEXPIRE', scope.spent, kept)
  redis.call('PEXPIRE', scope.held, kept)
end
if granted == want then return {granted, 0, 0, 0, 0} end
return {granted, math.max(1, wait), by, window_by, 0}
"""
)

_REFILL = (
    _SPEND
    + """
if redis.call('HEXISTS', KEYS[1], 'born') == 1 then return 0 end
local windows, at = read_windows(2)
local named = {}
for _, window in ipairs(windows) do named[window.name] = window end
for i = at, #ARGV, 3 do
  local window = named[ARGV[i]]
  if window then spend(KEYS[1], window, now - tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])) end
end
redis.call('HSET', KEYS[1], 'born', whole(now))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
"""
)
