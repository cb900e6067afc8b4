"""What becomes of a recipient by a verdict: sent, failed, when to try again, or that it was not its fault.

Pure: the time and chance are arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mailing.core.states import AttemptResult
from mailing.delivery import waits

if TYPE_CHECKING:
    from mailing.smtp.rulebook import Ruling
    from mailing.smtp.verdicts import Verdict

FIRST_S = 60.0
LONGEST_S = 3600.0
JITTER = 0.25


class Fate(NamedTuple):
    """An attempt's result; ``due_at`` in ms since 1970 where it is deferred.

    In ``ruling`` a wait that the reply names stands instead of the rule's.
    """

    result: AttemptResult
    due_at: int | None = None
    ruling: Ruling | None = None


class Tries(NamedTuple):
    """How often a recipient was tried, since when, for how long at most, and the sender's rests (ms).

    In a rehearsal the waits are shorter, by a ``haste`` above 1.
    """

    n: int
    first_at: int
    most_ms: int
    rested_ms: int = 0
    haste: float = 1.0


def fate(verdict: Verdict, text: str, tries: Tries, now: int, chance: float) -> Fate:
    """Return what becomes of a recipient after the reply ``text``.

    After a temporary refusal it is tried again, each time later and not before the server allows it, until
    the time for retries is over. Time in which the sender itself had to wait does not count.
    """
    ruling = verdict.ruling
    if ruling is None and verdict.result is not AttemptResult.DEFERRED:
        return Fate(verdict.result)
    asked = None if verdict.result is AttemptResult.FAILED else waits.asked_wait_s(text, now)
    if ruling is not None and asked is not None:
        ruling = ruling._replace(wait_s=asked)
    if verdict.result is not AttemptResult.DEFERRED:
        return Fate(verdict.result, ruling=ruling)
    if now - tries.first_at >= tries.most_ms + tries.rested_ms:
        return Fate(AttemptResult.FAILED, ruling=ruling)
    least = asked if asked is not None else ruling.wait_s if ruling else 0
    return Fate(verdict.result, now + int(1000 * next_delay_s(tries.n, chance, least) / tries.haste), ruling)


def next_delay_s(attempts: int, random: float, asked_s: int | None = None) -> float:
    """Return the seconds to wait after ``attempts`` tries (RFC 5321 section 4.5.4.1).

    Those are 1 or more, ``random`` is from 0 to 1.

    About a minute first, then doubled each time, spread by a quarter either way so that mail refused
    together does not come back together, and never above an hour. A wait that the server asked for is
    the least, also above an hour, and is spread upwards only.
    """
    doubled = FIRST_S * 2.0 ** min(max(attempts, 1) - 1, 10)
    middle = min(doubled, LONGEST_S / (1 + JITTER))  # below the hour, so that its jitter fits too
    delay = middle * (1 - JITTER + 2 * JITTER * random)
    return max(delay, (asked_s or 0) * (1 + JITTER * random))
