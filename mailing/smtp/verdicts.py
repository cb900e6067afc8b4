"""What becomes of one email by what the server answered: the attempt's result, and what the connection does.

Pure. An acceptance is judged here at once; a refusal by the ``rulebook``.
"""

from __future__ import annotations

from dataclasses import dataclass

from mailing.core.states import AttemptResult
from mailing.smtp.replies import ACCEPTED, OPENING, PERMANENT, TRANSIENT, Reply, Stage
from mailing.smtp.rulebook import Follows, Ruling, Scope, rule

_CLOSING = 421
_ELSEWHERE = frozenset({Follows.RECONNECT, Follows.RECYCLE, Follows.NARROW})

RESULTS: dict[Follows, AttemptResult] = {
    Follows.FAIL: AttemptResult.FAILED,
    Follows.WAIT: AttemptResult.DEFERRED,
    Follows.REST: AttemptResult.DEFERRED,
    Follows.RECONNECT: AttemptResult.DEFERRED,  # where it cannot go on at once
    Follows.RECYCLE: AttemptResult.DEFERRED,
    Follows.NARROW: AttemptResult.DEFERRED,
    Follows.PAUSE: AttemptResult.DEFERRED,
    Follows.STOP: AttemptResult.RETURNED,
}

LATER = Ruling(Scope.RECIPIENT, Follows.WAIT)
"""Nothing is known of whom it means: the mail is tried again later."""

FAILED = Ruling(Scope.RECIPIENT, Follows.FAIL)
STOPPED = Ruling(Scope.ACCOUNT, Follows.STOP)
RECONNECT = Ruling(Scope.CONNECTION, Follows.RECONNECT)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer, or its lack, means: the attempt's result, why, and whether the connection closes."""

    result: AttemptResult
    ruling: Ruling | None = None
    close: bool = False

    @property
    def follows(self) -> Follows | None:
        """What follows from a refusal; None if it was none."""
        return self.ruling.follows if self.ruling else None

    @property
    def goes_on(self) -> bool:
        """Whether the mail can leave at once, only not on this connection."""
        return self.follows in _ELSEWHERE

    @property
    def slow_down(self) -> bool:
        """Whether the server complains of how much it is sent."""
        ruling = self.ruling
        return ruling is not None and (
            ruling.scope is Scope.LANE or (ruling.scope is Scope.ACCOUNT and ruling.follows is Follows.REST)
        )

    @property
    def sender_fault(self) -> bool:
        """Whether a person must fix the account or the From address before anything else is sent."""
        return self.follows is Follows.STOP


SENT = Verdict(AttemptResult.SENT)


def of(ruling: Ruling, *, close: bool = False) -> Verdict:
    """Return what follows from a ruling for one email."""
    resting = ruling.scope is Scope.ACCOUNT and ruling.follows is Follows.REST
    result = AttemptResult.RETURNED if resting else RESULTS[ruling.follows]
    return Verdict(result, ruling, close)


def classify(stage: Stage, reply: Reply, server: str = "") -> Verdict:
    """Return what ``reply`` means at ``stage``, by the rules of DESIGN section 3.

    The first digit of the basic code decides whether it refuses. A code that makes no sense at its stage
    leaves the dialogue out of step: the connection closes, and behind the dot the outcome is unknown.
    """
    kind = reply.code // 100
    if kind == ACCEPTED and stage is Stage.DOT:
        return SENT
    if kind not in {TRANSIENT, PERMANENT}:
        lost = AttemptResult.UNKNOWN if stage is Stage.DOT else AttemptResult.DEFERRED
        return Verdict(lost, close=True)
    ruling = rule(stage, reply, server)
    close = reply.code == _CLOSING or stage in OPENING or ruling.follows in _ELSEWHERE
    return of(ruling, close=close)
