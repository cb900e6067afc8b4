"""What follows from bounces and complaints for an address. The rules are data.

=============  =====================================  ===================
``what``       it happens                             usually
=============  =====================================  ===================
``hard``       the mailbox is dead                    suppressed at once
``soft``       the mailbox does not take it for now   3 campaigns, 30 days
``policy``     what was sent, or who sent it          never
``complained`` called it spam                         suppressed at once
=============  =====================================  ===================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, select

from mailing.bounces.causes import BounceClass, Cause
from mailing.bounces.tables import bounce_rules
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason, UnfitError
from mailing.core.statements import run
from mailing.core.tables import recipients
from mailing.suppression import subjects
from mailing.suppression.store import Entry
from mailing.suppression.tables import SuppressionReason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

COMPLAINED = "complained"
DAY_MS = 86_400_000
TIMES = range(101)
DAYS = range(1, 366)


@dataclass(frozen=True, slots=True)
class Rule:
    """In ``times`` campaigns within ``days`` days it happens until an address is suppressed; 0: never.

    Raises ``UnfitError`` for numbers out of bounds.
    """

    times: int
    days: int

    def __post_init__(self) -> None:
        """Refuse numbers that mean nothing."""
        if self.times not in TIMES or self.days not in DAYS:
            most = {"times": TIMES.stop - 1, "days": DAYS.stop - 1}
            raise UnfitError(Reason("bounce-rule.bounds", **most))


USUAL: Mapping[str, Rule] = {
    BounceClass.HARD: Rule(1, 30),
    BounceClass.SOFT: Rule(3, 30),
    BounceClass.POLICY: Rule(0, 30),
    COMPLAINED: Rule(1, 30),
}
_RULES = "SELECT what, times, days FROM bounce_rules"
_CAUSES = {of: [str(it) for it in Cause if it.bounce_class is of] for of in BounceClass}


def rules(connection: Connection) -> dict[str, Rule]:
    """Return the rules, those that nobody has changed as they usually are."""
    kept = {row.what: Rule(row.times, row.days) for row in run(connection, _RULES, ())}
    return {what: kept.get(what, usual) for what, usual in USUAL.items()}


def change(connection: Connection, what: str, rule: Rule) -> None:
    """Have another rule from now on. Raises ``KeyError`` if there is none for ``what``."""
    if what not in USUAL:
        raise KeyError(what)
    connection.execute(delete(bounce_rules).where(bounce_rules.c.what == what))
    connection.execute(insert(bounce_rules).values(what=str(what), times=rule.times, days=rule.days))


def due(connection: Connection, email: str, what: str, source: str, rule: Rule) -> Entry | None:
    """Return the suppression of an address if it is due by now; ``source`` says by what.

    What has just happened must have been noted.
    """
    if not rule.times or (rule.times > 1 and _campaigns(connection, email, what, rule) < rule.times):
        return None
    reason = SuppressionReason.COMPLAINED if what == COMPLAINED else SuppressionReason.BOUNCED
    return Entry(subjects.of(email)[0], reason, source)


def left(email: str, source: str) -> Entry:
    """Return the suppression of an address whose owner unsubscribed at a provider: from everything."""
    return Entry(subjects.of(email)[0], SuppressionReason.UNSUBSCRIBED, source)


def _campaigns(connection: Connection, email: str, what: str, rule: Rule) -> int:
    """Return in how many campaigns it happened within the days of a rule."""
    since = now_ms() - rule.days * DAY_MS
    happened = (
        (recipients.c.complained_at > since,)
        if what == COMPLAINED
        else (recipients.c.bounced.in_(_CAUSES[BounceClass(what)]), recipients.c.bounced_at > since)
    )
    same = func.lower(recipients.c.email) == func.lower(email)
    statement = select(func.count(recipients.c.campaign_id.distinct())).where(same, *happened)
    return int(connection.execute(statement).scalar_one())
