"""What becomes of a recipient by a verdict: sent, failed, when to try again, or that it was not its fault.

Pure: the time and chance are arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mailing.core.states import AttemptResult
from mailing.delivery import backoff, waits

if TYPE_CHECKING:
    from mailing.smtp.rulebook import Ruling
    from mailing.smtp.verdicts import Verdict


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
    return Fate(
        verdict.result, now + int(1000 * backoff.next_delay_s(tries.n, chance, least) / tries.haste), ruling
    )
