"""How a campaign stands: one reading of the database, for its page and for its stream alike."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailing import campaigns, history, workers
from mailing.models import now_ms
from mailing.states import ENDED, CampaignState, RecipientState
from webapp import formats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from mailing.campaigns import Campaign, Rate
    from mailing.history import LogRow
    from mailing.workers import Worker

TAIL = 10


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a person must know now, in the tone of a state; ``detail`` is quoted verbatim."""

    tone: str
    title: str
    text: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """A campaign, its speed, its latest results and who works, all read at ``at`` (ms since 1970)."""

    campaign: Campaign
    rate: Rate
    tail: Sequence[LogRow]
    workers: Sequence[Worker]
    at: int

    @property
    def ended(self) -> int:
        """How many recipients have their final state."""
        return sum(self.campaign.counts[state] for state in ENDED)

    @property
    def sum(self) -> int:
        """What the eight states add up to: the total, or the ledger is broken."""
        return sum(self.campaign.counts.values())

    @property
    def running_ms(self) -> int:
        """How long it has been going, or went."""
        if self.campaign.started_at is None:
            return 0
        return (self.campaign.finished_at or self.at) - self.campaign.started_at

    @property
    def forecast(self) -> str:
        """How long the rest will take, or why nobody can say; empty when nothing is being sent."""
        if self.campaign.state is not CampaignState.SENDING:
            return ""
        if all(worker.notice for worker in self.workers):
            return "No forecast until a worker can send" if self.campaign.waiting else ""
        counts = self.campaign.counts
        return formats.forecast(
            waiting=counts[RecipientState.QUEUED] + counts[RecipientState.SENDING],
            deferred=counts[RecipientState.DEFERRED],
            per_minute=self.rate.last_minute,
            running_ms=self.running_ms,
        )


def load(connection: Connection, campaign_id: int) -> Standing | None:
    """Read how a campaign stands; None if there is none."""
    campaign = campaigns.get(connection, campaign_id)
    if campaign is None:
        return None
    return Standing(
        campaign,
        campaigns.rate(connection, campaign),
        history.log_page(connection, campaign_id=campaign_id, limit=TAIL).rows,
        workers.alive(connection),
        now_ms(),
    )


def notices(standing: Standing, *, queue_away: bool) -> tuple[Notice, ...]:
    """Return what keeps a campaign from going on, each with what to do."""
    campaign = standing.campaign
    found = []
    if campaign.paused_reason and campaign.state is CampaignState.PAUSED:
        found.append(
            Notice(
                "failed",
                "Volley paused this campaign",
                "Every further email would fail for the same reason. Mend it, then press Resume: "
                "nobody is mailed twice.",
                campaign.paused_reason,
            )
        )
    if campaign.state is not CampaignState.SENDING or not campaign.waiting:
        return tuple(found)
    if queue_away:
        found.append(
            Notice(
                "deferred",
                "The queue (Redis) does not answer",
                "The campaign is stored. Workers start by themselves when the queue is back. "
                "Until then this page reads the database every two seconds.",
            )
        )
    if not standing.workers:
        found.append(
            Notice(
                "failed",
                "No worker is running",
                "Nothing is sent until one is. `make run` starts three; sending then begins by itself.",
            )
        )
    total = len(standing.workers)
    for notice, n in Counter(worker.notice for worker in standing.workers if worker.notice).items():
        who = f"{n} of {total} workers" if total > 1 else "The worker"
        found.append(
            Notice(
                "deferred",
                f"{who} {'is' if n == 1 else 'are'} held up",
                "What waits goes out by itself when this is over.",
                notice,
            )
        )
    return tuple(found)
