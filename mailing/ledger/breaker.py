"""The breaker: it pauses a campaign once too many of its latest emails have failed, or too many complain.

It is asked in the transaction that records a failure, behind the lock of its campaign: so of two workers that
count at the same moment the second sees what the first saw, and one of them pauses. What is deferred or
unknown is no outcome yet. After a person resumes, it counts anew.

Complaints are weighed when one is recorded, against all that was sent: what receivers judge a sender by. They
ask for less than 0.1 %, and 0.3 % is where Gmail and Yahoo stop to listen (their sender guidelines).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, update

from mailing.bounces import store as bounces
from mailing.bounces.following import COMPLAINED
from mailing.bounces.tables import bounce_tallies
from mailing.core import reasons
from mailing.core.reasons import Reason, UnfitError, Words
from mailing.core.statements import run
from mailing.core.states import CampaignState, RecipientState
from mailing.core.tables import attempts, campaigns
from mailing.ledger import counters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, ScalarSelect


PERCENTS = range(101)  # 0: failures pause nothing
WINDOWS = range(10, 1_001)
COMPLAINTS = range(1_001)  # of 1,000 sent; 0: complaints pause nothing
WARNED_AT = 1  # of 1,000 sent: no campaign pauses for it, but somebody should know
FARTHEST = 5_000  # attempts that are looked through for the outcomes of a window
REPLIES_TOLD = 3
_REPLY_MOST = 300  # characters of a reply that are told
_GOING = (CampaignState.DRAFT, CampaignState.SCHEDULED, CampaignState.SENDING, CampaignState.PAUSED)
_LAST = (
    "(SELECT id, result FROM (SELECT id, result FROM attempts WHERE campaign_id = ? AND id > ? "
    "ORDER BY ended_at DESC, id DESC LIMIT ?) AS near WHERE result IN ('sent', 'failed') LIMIT ?) "
    "AS last"
)
_COUNTED = f"SELECT count(*), count(CASE result WHEN 'failed' THEN 1 END) FROM {_LAST}"  # noqa: S608 - no values
_FAILED = f"SELECT id FROM {_LAST} WHERE result = 'failed'"  # noqa: S608


@dataclass(frozen=True, slots=True)
class Breaker:
    """It trips when ``percent`` of the last outcomes are bad, and these are ``at_least`` so many.

    It looks at the last ``of_last`` outcomes, or at all while there are fewer; at 0 ``percent`` it does not
    look. It trips, too, when
    ``complaints`` of 1,000 that were sent complained, and these are ``complaints_at_least`` so many. Raises
    ``UnfitError`` for numbers out of bounds, and for a window in which there cannot be so many.
    """

    percent: int = 10
    of_last: int = 200
    at_least: int = 20
    complaints: int = 3
    complaints_at_least: int = 3

    def __post_init__(self) -> None:
        """Refuse what could never trip, or would look too far."""
        if self.percent not in PERCENTS:
            raise UnfitError(Reason("breaker.percent"))
        if self.of_last not in WINDOWS:
            raise UnfitError(Reason("breaker.window", least=WINDOWS.start, most=WINDOWS.stop - 1))
        if not 1 <= self.at_least <= self.of_last:
            raise UnfitError(Reason("breaker.never", most=self.of_last))
        if self.complaints not in COMPLAINTS:
            raise UnfitError(Reason("breaker.complaints", most=COMPLAINTS.stop - 1))
        if not 1 <= self.complaints_at_least < COMPLAINTS.stop:
            raise UnfitError(Reason("breaker.complaints-at-least", most=COMPLAINTS.stop - 1))

    def trips(self, bad: int, outcomes: int) -> bool:
        """Whether so many failures of the outcomes in its window are too many."""
        return bad >= self.at_least and self.exceeds(bad, outcomes)

    def exceeds(self, bad: int, outcomes: int) -> bool:
        """Whether it is too large a share, however few they are."""
        return 100 * bad >= self.percent * outcomes > 0

    def trips_for(self, complaints: int, sent: int) -> bool:
        """Whether so many complaints are too many for what was sent."""
        enough = complaints >= self.complaints_at_least
        return enough and 1_000 * complaints >= self.complaints * sent and self.complaints > 0

    @property
    def idle(self) -> bool:
        """Whether it never trips."""
        return not (self.percent or self.complaints)

    def dump(self) -> dict[str, int]:
        """Return it as JSON."""
        return asdict(self)

    @classmethod
    def load(cls, stored: Mapping[str, int] | None) -> Breaker | None:
        """Return what ``dump`` made JSON of; none where it is off."""
        return cls(**stored) if stored else None


USUAL = Breaker()


def of_canary(breaker: Breaker | None) -> Breaker:
    """Return the limit that a canary is held to: the usual one where failures pause nothing."""
    return breaker if breaker and breaker.percent else USUAL


def weigh(connection: Connection, campaign_id: int) -> Reason | None:
    """Return why a campaign, which the caller has locked, must pause by now; None if it need not."""
    own = select(campaigns.c.breaker, campaigns.c.counted_after).where(campaigns.c.id == campaign_id)
    row = connection.execute(own).one()
    breaker = Breaker.load(row.breaker)
    if breaker is None or not breaker.percent:
        return None
    window = (campaign_id, row.counted_after, FARTHEST, breaker.of_last)
    outcomes, n = map(int, run(connection, _COUNTED, window).one())
    if not breaker.trips(n, outcomes):
        return None
    failed = run(connection, _FAILED, window).scalars().all()
    said = told(connection, attempts.c.id.in_(failed))
    return Reason("paused.many-failed", n=n, of=outcomes, percent=breaker.percent, replies=said)


def weigh_complaints(connection: Connection, campaign_id: int) -> Reason | None:
    """Return why a campaign, which the caller has locked, must pause for its complaints; None if it need not.

    Those that a person knew of when they resumed it count no more.
    """
    own = select(campaigns.c.breaker, campaigns.c.complaints_after).where(campaigns.c.id == campaign_id)
    row = connection.execute(own).one()
    breaker = Breaker.load(row.breaker)
    n = bounces.counts(connection, campaign_id).complained - row.complaints_after
    sent = counters.counts(connection, campaign_id)[RecipientState.SENT]
    if breaker is None or not breaker.trips_for(n, sent):
        return None
    limit = f"{breaker.complaints / 10:g}"
    return Reason("paused.many-complained", n=n, of=sent, percent=limit)


def warns(complaints: int, sent: int) -> bool:
    """Whether so many complaints are more than receivers like to see."""
    return complaints >= USUAL.complaints_at_least and 1_000 * complaints >= WARNED_AT * sent


def complaints_now(campaign_id: int) -> ScalarSelect[int]:
    """Return how many complained of a campaign by now."""
    own = bounce_tallies.c.campaign_id == campaign_id, bounce_tallies.c.what == COMPLAINED
    return select(func.coalesce(func.max(bounce_tallies.c.n), 0)).where(*own).scalar_subquery()


def told(connection: Connection, which: Any) -> tuple[Reason, ...]:
    """Return the most frequent replies of these attempts, each with how often it came."""
    columns = attempts.c.code, attempts.c.enhanced, attempts.c.reply, attempts.c.reason_code
    n, samples = Counter[tuple[int, str]](), dict[tuple[int, str], Words]()
    for row in connection.execute(select(*columns).where(which).order_by(attempts.c.id)):
        group = (row.code or 0, row.enhanced)
        n[group] += 1
        samples.setdefault(group, _cut(reasons.load(row.reply, row.reason_code)))
    return tuple(Reason("paused.reply", n=of, reply=samples[it]) for it, of in n.most_common(REPLIES_TOLD))


def _cut(reply: Words) -> Words:
    return f"{reply[: _REPLY_MOST - 1]}…" if isinstance(reply, str) and len(reply) > _REPLY_MOST else reply


def change(connection: Connection, campaign_id: int, breaker: Breaker | None) -> bool:
    """Have a campaign pause by this one from now on, or by none; return whether it is not over."""
    going = campaigns.c.id == campaign_id, campaigns.c.state.in_(_GOING)
    values = {"breaker": breaker and breaker.dump(), "counted_after": newest_attempt()}
    return connection.execute(update(campaigns).where(*going).values(values)).rowcount == 1


def newest_attempt() -> ScalarSelect[int]:
    """Return where a window begins anew: behind the attempts that are logged."""
    return select(func.coalesce(func.max(attempts.c.id), 0)).scalar_subquery()
