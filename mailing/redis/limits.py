"""How often something may be asked for, counted in Redis by all processes together (GCRA).

One key holds one time: when all requests so far are forgotten. A script moves it, by Redis' own clock, so two
processes never let one too many pass. ``take`` says the same without Redis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailing.accounts.throttle import Limit

SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local every, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local free_at = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local ahead = free_at + every - now
if ahead > burst * every then return {ahead - burst * every, free_at - now} end
redis.call('SET', KEYS[1], string.format('%.0f', free_at + every), 'PX', ahead)
return {0, ahead}
"""
"""Takes the name of the moment, ``every_ms`` and ``burst``; returns what ``Taken.of`` reads."""


@dataclass(frozen=True, slots=True)
class Taken:
    """The answer to one request. ``wait_ms`` is 0 if it may pass."""

    wait_ms: int
    left: int  # how many more may pass at once
    full_ms: int  # until all may pass at once again

    @classmethod
    def of(cls, limit: Limit, answer: Sequence[int]) -> Taken:
        """Read the wait and how far the moment is ahead."""
        wait_ms, ahead_ms = answer
        return cls(wait_ms, limit.burst - -(-ahead_ms // limit.every_ms), ahead_ms)


def take(free_at: int, now: int, limit: Limit) -> tuple[int, Taken]:
    """Count one at ``now``; return the moment when all is forgotten. What is refused is not counted."""
    begin = max(free_at, now)
    ahead = begin + limit.every_ms - now
    if (wait := ahead - limit.burst * limit.every_ms) > 0:
        return begin, Taken.of(limit, (wait, begin - now))
    return begin + limit.every_ms, Taken.of(limit, (0, ahead))
