"""How wide the lane to a server is: on how many connections it likes to be sent mail, and from when on.

Pure bookkeeping: what the server said, and the time now, come in. The lane acts on it.
"""

from __future__ import annotations

from mailing.smtp.rulebook import Follows, Scope
from mailing.smtp.verdicts import SENT, Verdict

SPARED_S = 30.0  # how long a server that asked to be sent less is given less
REST_AFTER = 3  # refusals by receivers one after the other, with nothing accepted in between
FIRST_REST_S = 1.0  # doubled with each further one, up to the wait of the rule


class Width:
    """From 1 to ``most`` connections. Times are monotonic seconds."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._width = float(most)
        self._spared_until = 0.0
        self._resting_until = 0.0
        self._refusals = 0

    @property
    def spared(self) -> bool:
        """Whether fewer connections are used than allowed, to spare the server."""
        return self._spared_until > 0

    @property
    def connections(self) -> int:
        """On how many connections mail may be sent."""
        return int(self._width)

    def resize(self, most: int) -> None:
        """Have so many at most from now on."""
        self._most = most
        self._width = min(self._width, most) if self.spared else float(most)

    def room(self, now: float) -> int:
        """Return on how many connections new mail may be sent now; none while the receivers want rest."""
        return 0 if now < self._resting_until else self.connections

    def is_over(self, now: float) -> bool:
        """Whether the server is spared no longer; then it is as wide as before."""
        if not self.spared or now <= self._spared_until:
            return False
        self._spared_until, self._width = 0.0, float(self._most)
        return True

    def heard(self, verdict: Verdict, now: float) -> bool:
        """Note the outcome of a mail; return whether to report that the server wants less.

        A limit of our own is told by the rest of the sender, and not here.

        One receiver that wants rest gets as little as can be. Once nothing else was accepted in between
        either, nobody is sent anything for a while, that doubles until something is accepted again.
        """
        if verdict is SENT:
            self._refusals = 0
        ruling = verdict.ruling
        if ruling is None or not verdict.slow_down:
            return False
        rest_s = 0.0
        wants_rest = ruling.scope is Scope.LANE and ruling.follows is Follows.REST
        if wants_rest:
            self._refusals += 1
            if self._refusals >= REST_AFTER:
                rest_s = min(FIRST_REST_S * 2.0 ** min(self._refusals - REST_AFTER, 16), ruling.wait_s)
                self._resting_until = now + rest_s
        self.spare(1 if wants_rest else self._width / 2, now, rest_s)
        return ruling.scope is Scope.LANE

    def spare(self, connections: float, now: float, rest_s: float = 0.0) -> None:
        """Use no more than this many connections for a while, counted from the end of a rest."""
        self._width = max(1.0, min(self._width, connections))
        self._spared_until = max(self._spared_until, now + rest_s + SPARED_S)
