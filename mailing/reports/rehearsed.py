"""What a rehearsal has found: answers against the recipe, who could not be written to, sizes and times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from mailing.campaigns import queries as campaigns
from mailing.campaigns import recipes
from mailing.campaigns.recipes import Answer
from mailing.core import reasons
from mailing.core.clock import now_ms
from mailing.core.states import AttemptResult, CampaignState, RecipientState
from mailing.core.tables import attempts, recipients, reply_groups
from mailing.ledger.rates import Speed
from mailing.messages import compose
from mailing.messages.compose import ComposeError, MergeError
from mailing.reports import estimates

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from mailing.campaigns.queries import Campaign
    from mailing.core.reasons import Words
    from mailing.reports.estimates import Estimate

FAULTS_SHOWN = 20
WEIGHED = 500  # messages that are composed to learn how large they are
_TOLD: Mapping[
    tuple[AttemptResult, int, str], Answer
] = {  # by what the ledger counts: each once per recipient
    (AttemptResult.DEFERRED, 451, "4.7.1"): Answer.LATER,
    (AttemptResult.FAILED, 452, "4.2.2"): Answer.FULL,
    (AttemptResult.FAILED, 550, "5.1.1"): Answer.BOUNCE,
}


@dataclass(frozen=True, slots=True)
class Share:
    """How many recipients were to get an answer by the recipe, about, and how many did."""

    answer: Answer
    wanted: int
    got: int


@dataclass(frozen=True, slots=True)
class Fault:
    """A recipient whose email could not be written, and why."""

    recipient_id: int
    email: str
    reason: Words


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A rehearsal, what is known of the campaign that it rehearses, and what it has found.

    ``original`` is None once that was deleted. ``changed`` says whether it differs from what was rehearsed.
    ``unwritten`` recipients could not be written to, of whom ``faults`` are the first. ``largest`` is in
    bytes, of the first ``WEIGHED`` messages. ``speed`` is that of the rehearsal, ``estimate`` what the real
    campaign takes at the rate of the last one through the same server; each is None without a basis.
    """

    campaign: Campaign
    original: Campaign | None
    recipe: str
    shares: Sequence[Share]
    unwritten: int
    faults: Sequence[Fault]
    largest: int
    speed: Speed | None
    estimate: Estimate | None

    @property
    def changed(self) -> bool:
        """Whether the draft was changed after it was copied."""
        it = self.original
        return it is not None and (it.revision, it.total) != (self.campaign.revision, self.campaign.total)

    @property
    def least_ms(self) -> int:
        """How long the campaign takes at least: as long as its rehearsal at its full speed; 0 if unknown."""
        return round(self.campaign.total * self.speed.ms / self.speed.n) if self.speed else 0

    @property
    def next(self) -> Campaign | None:
        """The draft that can be sent now, if there still is one."""
        it = self.original
        return it if it is not None and it.state is CampaignState.DRAFT else None


def read(connection: Connection, campaign: Campaign) -> Rehearsed | None:
    """Return what a rehearsal has found so far; None for a campaign that is none."""
    if campaign.rehearses is None:
        return None
    got, unwritten = _answers(connection, campaign)
    return Rehearsed(
        campaign=campaign,
        original=campaigns.get(connection, campaign.rehearses),
        recipe=recipes.name_of(campaign.recipe or {}),
        shares=_shares(campaign, got),
        unwritten=unwritten,
        faults=_faults(connection, campaign.id) if unwritten else (),
        largest=_largest(connection, campaign) if campaign.over else 0,
        speed=_speed(connection, campaign) if campaign.over else None,
        estimate=estimates.of(connection, campaign),
    )


def _answers(connection: Connection, campaign: Campaign) -> tuple[dict[Answer, int], int]:
    """Return how many recipients got which answer, and how many could not be written to."""
    columns = reply_groups.c.result, reply_groups.c.code, reply_groups.c.enhanced
    counted = select(*columns, func.sum(reply_groups.c.n)).where(reply_groups.c.campaign_id == campaign.id)
    got = dict.fromkeys(Answer, 0)
    unwritten = 0
    for result, code, enhanced, n in connection.execute(counted.group_by(*columns)):
        answer = _TOLD.get((AttemptResult(result), code, enhanced))
        if answer:
            got[answer] += int(n)
        elif result == AttemptResult.UNKNOWN:
            got[Answer.DROP] += int(n)
        elif result == AttemptResult.FAILED and not code:
            unwritten += int(n)
    later = got[Answer.LATER]
    got[Answer.ACCEPTED] = max(campaign.counts[RecipientState.SENT] - later, 0)
    return got, unwritten


def _shares(campaign: Campaign, got: Mapping[Answer, int]) -> Sequence[Share]:
    """Return each answer that was wanted or given. Who is slow is accepted, and is counted there."""
    recipe = {Answer(name): n for name, n in (campaign.recipe or {}).items() if name != Answer.SLOW}
    wanted = {Answer.ACCEPTED: recipes.WHOLE - sum(recipe.values()), **recipe}
    return [
        Share(answer, round(campaign.total * wanted.get(answer, 0) / recipes.WHOLE), got[answer])
        for answer in Answer
        if wanted.get(answer) or got[answer]
    ]


def _faults(connection: Connection, campaign_id: int) -> Sequence[Fault]:
    told = attempts.c
    statement = (
        select(told.recipient_id, recipients.c.email, told.reply, told.reason_code)
        .join(recipients, recipients.c.id == told.recipient_id)
        .where(told.campaign_id == campaign_id, told.result == AttemptResult.FAILED, told.code.is_(None))
        .order_by(told.ended_at, told.id)
        .limit(FAULTS_SHOWN)
    )
    rows = [reasons.in_row(row._asdict(), "reply") for row in connection.execute(statement)]
    return [Fault(row["recipient_id"], row["email"], row["reply"]) for row in rows]


def _largest(connection: Connection, campaign: Campaign) -> int:
    try:
        message = campaigns.whole_message(connection, campaign)
        prepared = compose.prepare(message, token=campaign.token, domain=None)
    except ComposeError:
        return 0
    it, largest, now = recipients.c, 0, now_ms()
    some = select(it.id, it.email, it.name, it.fields).where(it.campaign_id == campaign.id)
    for row in connection.execute(some.order_by(it.id).limit(WEIGHED)):
        try:
            filled = prepared.fill(*row, now)
        except MergeError:
            continue
        largest = max(largest, len(filled.head) + len(filled.tail))
    return largest


def _speed(connection: Connection, campaign: Campaign) -> Speed | None:
    """Return how fast most of the attempts went; of a short list, how fast all the first ones did."""
    if found := estimates.of_campaign(connection, campaign.id):
        return found
    first = attempts.c.campaign_id == campaign.id, attempts.c.number == 1
    n, ended = connection.execute(select(func.count(), func.max(attempts.c.ended_at)).where(*first)).one()
    took = (ended or 0) - (campaign.started_at or 0)
    return Speed(n, took) if n and took > 0 else None
