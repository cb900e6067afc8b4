"""How a campaign stands: one reading of the database, for its page and for its stream alike."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailing import campaigns, causes, maillog, paces, workers
from mailing.ledger import PACE_SECONDS
from mailing.maillog import Search
from mailing.models import now_ms
from mailing.states import CampaignState, RecipientState
from webapp import formats
from webapp.charts import draw
from webapp.languages import _, ngettext
from webapp.phrases import say
from webapp.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection

    from mailing.campaigns import Campaign, Rate
    from mailing.causes import Cause
    from mailing.maillog import LogRow
    from mailing.workers import Worker
    from webapp.charts import Chart

TAIL = 10
_SLOT_MS = PACE_SECONDS * 1000
_LATE_MS = 1_000  # after the end of a slot its last results are still being recorded


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a person must know now, in the tone of a state; ``detail`` is quoted verbatim."""

    tone: str
    title: str
    text: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """A campaign, its speed, what held it up, its latest results and who works, all read at ``at`` (ms)."""

    campaign: Campaign
    rate: Rate
    causes: Sequence[Cause]
    tail: Sequence[LogRow]
    workers: Sequence[Worker]
    at: int

    @property
    def progress(self) -> Progress:
        """How far the campaign has come."""
        return Progress(self.campaign)

    @property
    def ended(self) -> int:
        """How many recipients have their final state."""
        return self.progress.ended

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
    def measured_until(self) -> int:
        """The end of the last slot of time that is over, in seconds: the charts change when it does."""
        finished = self.campaign.finished_at
        slot = finished // _SLOT_MS + 1 if finished else (self.at - _LATE_MS) // _SLOT_MS
        return slot * PACE_SECONDS

    @property
    def forecast(self) -> str:
        """How long the rest will take, or why nobody can say; empty when nothing is being sent."""
        if self.campaign.state is not CampaignState.SENDING:
            return ""
        if all(worker.held_up for worker in self.workers):
            return _("No forecast until a worker can send") if self.campaign.waiting else ""
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
        causes.of(connection, campaign_id),
        maillog.page(connection, Search(campaign_id=campaign_id), limit=TAIL).rows,
        workers.alive(connection),
        now_ms(),
    )


def charts(connection: Connection, standing: Standing) -> Sequence[Chart]:
    """Draw the whole run, and before it the last quarter of an hour once the run is longer."""
    campaign, end = standing.campaign, standing.measured_until
    if campaign.started_at is None:
        return ()
    begun = campaign.started_at // _SLOT_MS * PACE_SECONDS
    starts = [end - paces.RECENT_S, begun] if end - begun > paces.RECENT_S else [begun]
    courses = (paces.course(connection, campaign.id, start, end) for start in starts if start < end)
    drawn = (draw(course, campaign.started_at / 1000) for course in courses)
    return [chart for chart in drawn if chart]


def notices(standing: Standing, *, queue_away: bool) -> tuple[Notice, ...]:
    """Return what keeps a campaign from going on, each with what to do."""
    campaign = standing.campaign
    found = []
    if campaign.paused_reason and campaign.state is CampaignState.PAUSED:
        found.append(
            Notice(
                "failed",
                _("Volley paused this campaign"),
                _(
                    "Every further email would fail for the same reason. Mend it, then press Resume: "
                    "nobody is mailed twice."
                ),
                say(campaign.paused_reason),
            )
        )
    if campaign.state is not CampaignState.SENDING or not campaign.waiting:
        return tuple(found)
    if queue_away:
        found.append(
            Notice(
                "deferred",
                _("The queue (Redis) does not answer"),
                _(
                    "The campaign is stored. Workers start by themselves when the queue is back. "
                    "Until then this page reads the database every two seconds."
                ),
            )
        )
    if not standing.workers:
        found.append(
            Notice(
                "failed",
                _("No worker is running"),
                _("Nothing is sent until one is. `make run` starts three; sending then begins by itself."),
            )
        )
    return (*found, *held_up(standing.workers))


def held_up(found: Sequence[Worker]) -> Iterator[Notice]:
    """Return what keeps workers from sending, or from sending as fast as they could."""
    slowed = next((worker.notice for worker in found if worker.notice and not worker.held_up), "")
    if slowed:
        yield Notice(
            "deferred",
            _("The mail server asks to be sent less"),
            _(
                "Sending goes on, with fewer emails at a time; with as many as before "
                "once it has not asked for half a minute."
            ),
            say(slowed),
        )
    total = len(found)
    for notice, n in Counter(worker.notice for worker in found if worker.held_up).items():
        held = ngettext(
            "%(n)s of %(total)s workers is held up", "%(n)s of %(total)s workers are held up", n, total=total
        )
        yield Notice(
            "deferred",
            held if total > 1 else _("The worker is held up"),
            _("What waits goes out by itself when this is over."),
            say(notice),
        )
