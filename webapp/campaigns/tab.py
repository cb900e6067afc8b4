"""How far a campaign has come, told where nobody looks at its page: the tab's title, its icon, the news."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailing.core.states import CampaignState, RecipientState
from webapp.campaigns import favicon
from webapp.i18n.domain_texts import say
from webapp.i18n.languages import _
from webapp.ui import badges, formats

if TYPE_CHECKING:
    from mailing.campaigns.queries import Campaign

_WORST = (RecipientState.UNKNOWN, RecipientState.FAILED, RecipientState.DEFERRED)


@dataclass(frozen=True, slots=True)
class Progress:
    """What the counts of one campaign say to somebody who looks elsewhere."""

    campaign: Campaign

    @property
    def worst(self) -> RecipientState | None:
        """The worst that happened to anybody; None if nothing did."""
        return next((state for state in _WORST if self.campaign.counts[state]), None)

    @property
    def percent(self) -> int:
        """How many of a hundred are done: 100 only if all are."""
        return self.campaign.done * 100 // self.campaign.total if self.campaign.total else 100

    @property
    def title(self) -> str:
        """The title of the tab: progress, the worst that happened, the subject."""
        worst = f" · {badges.look(self.worst).label}" if self.worst else ""
        return f"{formats.percent(self.percent)}{worst} · {badges.titled(self.campaign)} · Volley"

    @property
    def icon(self) -> str:
        """The path of the tab's icon."""
        return favicon.path(self.worst or RecipientState.SENT, self.percent)

    @property
    def milestones(self) -> dict[str, str]:
        """What is worth telling somebody who looks elsewhere, each under a name that it keeps."""
        campaign, news = self.campaign, {}
        for percent in (25, 50, 75):
            if self.percent >= percent:
                news[str(percent)] = _(
                    "%(subject)s: %(percent)s processed.",
                    percent=formats.percent(percent),
                    subject=badges.titled(campaign),
                )
        if campaign.started_at and campaign.send_at:
            news["started"] = _("%(subject)s has started, as scheduled.", subject=badges.titled(campaign))
        if campaign.counts[RecipientState.FAILED]:
            news["failed"] = _("%(subject)s: the first email failed.", subject=badges.titled(campaign))
        if campaign.state is CampaignState.PAUSED and campaign.paused_reason:
            news["paused"] = _(
                "Volley paused %(subject)s: %(reason)s",
                subject=badges.titled(campaign),
                reason=say(campaign.paused_reason),
            )
        if campaign.state is CampaignState.FINISHED:
            news["finished"] = _(
                "%(subject)s is finished: %(ends)s.", subject=badges.titled(campaign), ends=_ends(campaign)
            )
        return news


def _ends(campaign: Campaign) -> str:
    """Return how many got it, how many did not, and of how many that is not known."""
    sent, unknown = campaign.counts[RecipientState.SENT], campaign.counts[RecipientState.UNKNOWN]
    said = [_("%(n)s delivered", n=formats.number(sent))]
    if rest := campaign.total - sent - unknown:
        said.append(_("%(n)s not delivered", n=formats.number(rest)))
    if unknown:
        said.append(_("%(n)s unknown", n=formats.number(unknown)))
    return ", ".join(said)
