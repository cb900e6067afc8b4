"""On how many connections a server likes to be sent mail, and from when on.

What one receiver says is its lane's affair (``mailing.ledger.lanes``). Only once several complain, and
nothing else is accepted in between, it is the server that wants less.

Pure bookkeeping: what the server said, and the time now, come in. The pool acts on it.
"""

from __future__ import annotations

from mailing.smtp.rulebook import Follows, Scope
from mailing.smtp.verdicts import SENT, Verdict

SPARED_S = 30.0  # how long a server that asked to be sent less is given less
REST_AFTER = 3  # domains one after the other that complain, with nothing accepted in between
FIRST_REST_S = 1.0  # doubled with each further one, up to the wait of the rule


class Width:
    """From 1 to ``most`` connections. Times are monotonic seconds."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._width = float(most)
        self._spared_until = 0.0
        self._resting_until = 0.0
        self._complaining: set[str] = set()  # domains, since something was accepted last
        self._refusals = 0  # since then and since they were enough

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

    def heard(self, verdict: Verdict, domain: str, now: float) -> bool:
        """Note the outcome of a mail to a domain; return whether to report that the server wants less.

        A limit of our own is told by the rest of the sender, and not here.

        Receivers that all want rest get as little as can be, and nobody is sent anything for a while, that
        doubles until something is accepted again.
        """
        if verdict is SENT:
            self._complaining.clear()
            self._refusals = 0
        ruling = verdict.ruling
        if ruling is None or not verdict.slow_down:
            return False
        if ruling.scope is not Scope.LANE:
            self.spare(self._width / 2, now)
            return False
        if len(self._complaining) < REST_AFTER:
            self._complaining.add(domain)
        if len(self._complaining) < REST_AFTER:
            return False
        rest_s = 0.0
        if ruling.follows is Follows.REST:
            rest_s = min(FIRST_REST_S * 2.0 ** min(self._refusals, 16), ruling.wait_s)
            self._refusals += 1
            self._resting_until = now + rest_s
        self.spare(1 if rest_s else self._width / 2, now, rest_s)
        return True

    def spare(self, connections: float, now: float, rest_s: float = 0.0) -> None:
        """Use no more than this many connections for a while, counted from the end of a rest."""
        self._width = max(1.0, min(self._width, connections))
        self._spared_until = max(self._spared_until, now + rest_s + SPARED_S)
