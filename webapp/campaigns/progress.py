"""How a campaign stands: one reading of the database, for its page and for its stream alike."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailing.bounces import store as bounces
from mailing.campaigns import canary
from mailing.campaigns import queries as campaigns
from mailing.core.clock import now_ms
from mailing.core.states import AttemptResult, CampaignState
from mailing.ledger import evidence, rates
from mailing.ledger import leases as workers
from mailing.ledger.rates import Speed
from mailing.recipients import reply_groups as causes
from mailing.recipients import undertakings
from mailing.reports import estimates, lanes, paces
from mailing.reports.log import email_log
from mailing.reports.log.walks import Search
from webapp.campaigns.tab import Progress
from webapp.ui.charts import draw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from mailing.bounces.store import Counts
    from mailing.campaigns.canary import Canary
    from mailing.campaigns.queries import Campaign
    from mailing.ledger.evidence import Evidence
    from mailing.ledger.leases import Worker
    from mailing.recipients.reply_groups import Cause
    from mailing.recipients.undertakings import Undertaking
    from mailing.reports.lanes import Behind
    from mailing.reports.log.email_log import LogRow
    from mailing.senders.forecasts import Band
    from webapp.ui.charts import Chart

TAIL = 10


@dataclass(frozen=True, slots=True)
class Standing:
    """A campaign, what held it up, its latest results and who works, all read at ``at`` (ms).

    ``attempts`` is how many tries have ended, ``evidence`` what paused it, if that was a refusal, ``canary``
    those who are sent first, while the others wait for them, ``returned`` how many emails came back.
    """

    campaign: Campaign
    attempts: int
    causes: Sequence[Cause]
    tail: Sequence[LogRow]
    workers: Sequence[Worker]
    evidence: Evidence | None
    under_way: Sequence[Undertaking]
    canary: Canary | None
    lanes: Sequence[lanes.Standing]
    returned: Counts
    at: int

    @property
    def progress(self) -> Progress:
        """How far the campaign has come."""
        return Progress(self.campaign)

    @property
    def sum(self) -> int:
        """What the eight states add up to: the total, or the ledger is broken."""
        return sum(self.campaign.counts.values())

    @property
    def worth_retrying(self) -> bool:
        """Whether anybody failed for another reason than that there is no such mailbox."""
        return any(each.result is AttemptResult.FAILED and not each.final for each in self.causes)

    @property
    def behind(self) -> Behind:
        """Who waits for receivers that rest or recover."""
        return lanes.behind(self.lanes)

    @property
    def running_ms(self) -> int:
        """How long it has been going, or went."""
        if self.campaign.started_at is None:
            return 0
        return max((self.campaign.finished_at or self.at) - self.campaign.started_at, 0)

    @property
    def measured(self) -> tuple[int, int]:
        """What changes when its speed must be measured again: by the second at first, then by the slot."""
        started, finished = self.campaign.started_at, self.campaign.finished_at
        if started is None or finished:
            return finished or 0, self.attempts
        until = rates.until(started, None, self.at)
        return until // 1000, 0


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a campaign goes: since its start, in the last minute, and drawn; all of the same slots.

    ``outlook`` foretells when the rest is sent, where limits or hours hold it back.
    """

    average: Speed = field(default_factory=Speed)
    recent: Speed = field(default_factory=Speed)
    charts: Sequence[Chart] = ()
    outlook: Band | None = None


def load(connection: Connection, campaign_id: int) -> Standing | None:
    """Read how a campaign stands; None if there is none."""
    campaign = campaigns.get(connection, campaign_id)
    if campaign is None:
        return None
    return Standing(
        campaign,
        campaigns.attempts(connection, campaign),
        causes.of(connection, campaign_id),
        email_log.page(connection, Search(campaign_id=campaign_id), limit=TAIL).rows,
        workers.alive(connection),
        evidence.of(connection, campaign_id) if campaign.state is CampaignState.PAUSED else None,
        undertakings.under_way(connection, [campaign_id])[campaign_id],
        canary.of(connection, campaign_id, until) if (until := campaign.canary_until) else None,
        () if campaign.state is CampaignState.DRAFT else lanes.of(connection, campaign),
        bounces.counts(connection, campaign_id),
        now_ms(),
    )


def pace(connection: Connection, now: Standing) -> Pace:
    """Measure a campaign, and draw the whole run; before it the last quarter of an hour once it is longer."""
    campaign = now.campaign
    if campaign.started_at is None:
        return Pace()
    whole = paces.course(connection, campaign, now.at)
    courses = [whole]
    if whole.until - whole.begun > paces.RECENT_MS:
        courses = [paces.course(connection, campaign, now.at, last_ms=paces.RECENT_MS), whole]
    recent = rates.recent(campaign.started_at, whole.until, courses[0].slots)
    going = campaign.state is CampaignState.SENDING
    outlook = estimates.band(connection, campaign, recent, behind=now.behind.all) if going else None
    return Pace(whole.average, recent, [chart for chart in map(draw, courses) if chart], outlook)
