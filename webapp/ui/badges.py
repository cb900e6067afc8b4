"""What each state looks like: its word, its shape and its tone. The only place that knows.

The shapes are symbols in ``templates/shared/_shapes.html``, the tones are classes in ``volley.css``. Within
one kind no two states share a shape, so color is never the only difference.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Protocol

from markupsafe import Markup

from mailing.contacts.tables import ImportState, Standing
from mailing.core.states import AttemptResult, CampaignState, RecipientState, WorkerState
from webapp.i18n import languages
from webapp.i18n.languages import N_, _
from webapp.ui import formats

if TYPE_CHECKING:
    from collections.abc import Mapping
    from enum import StrEnum

    from mailing.campaigns.queries import Campaign
    from mailing.smtp.replies import ReplyCode


@dataclass(frozen=True, slots=True)
class Look:
    """A state as people see it. ``meaning`` is the sentence behind the word."""

    label: str
    shape: str
    tone: str
    meaning: str


LOOKS: Mapping[type[StrEnum], Mapping[StrEnum, Look]] = {
    RecipientState: {
        RecipientState.QUEUED: Look(N_("Queued"), "ring", "queued", N_("Waiting for a worker.")),
        RecipientState.SENDING: Look(N_("Sending"), "arrow", "sending", N_("A worker is sending it now.")),
        RecipientState.DEFERRED: Look(
            N_("Deferred"), "clock", "deferred", N_("Rejected temporarily. Next attempt at the time shown.")
        ),
        RecipientState.SENT: Look(N_("Sent"), "check", "sent", N_("Accepted by the mail server.")),
        RecipientState.FAILED: Look(
            N_("Failed"), "cross", "failed", N_("Rejected permanently, or retries ran out.")
        ),
        RecipientState.UNKNOWN: Look(
            N_("Unknown"),
            "question",
            "unknown",
            N_("Connection lost before confirmation: the email may have arrived."),
        ),
        RecipientState.SUPPRESSED: Look(
            N_("Suppressed"), "shield", "suppressed", N_("On the do-not-send list.")
        ),
        RecipientState.CANCELED: Look(N_("Canceled"), "dash", "canceled", N_("Canceled before it was sent.")),
    },
    CampaignState: {
        CampaignState.DRAFT: Look(N_("Draft"), "pencil", "queued", N_("Not sent yet.")),
        CampaignState.SCHEDULED: Look(
            N_("Scheduled"), "clock", "deferred", N_("Sending starts at the time shown.")
        ),
        CampaignState.SENDING: Look(N_("Sending"), "arrow", "sending", N_("Workers are sending.")),
        CampaignState.PAUSED: Look(N_("Paused"), "bars", "deferred", N_("Nothing is sent until you resume.")),
        CampaignState.FINISHED: Look(
            N_("Finished"), "check", "sent", N_("Every recipient has a final result.")
        ),
        CampaignState.CANCELED: Look(N_("Canceled"), "dash", "canceled", N_("Stopped permanently.")),
    },
    AttemptResult: {
        AttemptResult.SENT: Look(N_("Sent"), "check", "sent", N_("Accepted by the mail server.")),
        AttemptResult.DEFERRED: Look(N_("Deferred"), "clock", "deferred", N_("Rejected temporarily.")),
        AttemptResult.FAILED: Look(N_("Failed"), "cross", "failed", N_("Rejected permanently.")),
        AttemptResult.UNKNOWN: Look(
            N_("Unknown"), "question", "unknown", N_("Connection lost before confirmation.")
        ),
        AttemptResult.RETURNED: Look(
            N_("Requeued"), "back", "queued", N_("Not caused by the address; it will be retried.")
        ),
    },
    WorkerState: {
        WorkerState.SENDING: Look(N_("Sending"), "arrow", "sending", N_("Sending emails.")),
        WorkerState.IDLE: Look(N_("Idle"), "ring", "queued", N_("Waiting for work.")),
        WorkerState.HELD_UP: Look(N_("Blocked"), "clock", "deferred", N_("Blocked by the mail server.")),
        WorkerState.RESTING: Look(
            N_("Paused"), "bars", "deferred", N_("Finishes its current emails and takes no new ones.")
        ),
        WorkerState.LOST: Look(N_("Lost"), "cross", "failed", N_("No heartbeat; it may have crashed.")),
        WorkerState.ENDED: Look(
            N_("Stopped"), "dash", "canceled", N_("Finished its emails and closed its connections.")
        ),
    },
    Standing: {
        Standing.ACTIVE: Look(N_("Active"), "check", "sent", N_("Campaigns send to this contact.")),
        Standing.UNSUBSCRIBED: Look(
            N_("Unsubscribed"), "dash", "canceled", N_("Wants no more emails; campaigns skip it.")
        ),
        Standing.BOUNCED: Look(N_("Bounced"), "back", "failed", N_("Emails came back; campaigns skip it.")),
        Standing.BLOCKED: Look(N_("Blocked"), "shield", "suppressed", N_("Campaigns skip this contact.")),
    },
    ImportState: {
        ImportState.UPLOADED: Look(
            N_("Check columns"), "pencil", "deferred", N_("Uploaded. The columns must be checked.")
        ),
        ImportState.WAITING: Look(N_("Waiting"), "ring", "queued", N_("Waiting for a worker.")),
        ImportState.READING: Look(N_("Importing"), "arrow", "sending", N_("A worker is reading the file.")),
        ImportState.DONE: Look(N_("Imported"), "check", "sent", N_("The contacts are in the list.")),
        ImportState.FAILED: Look(N_("Failed"), "cross", "failed", N_("Nothing was imported.")),
        ImportState.CANCELED: Look(N_("Canceled"), "dash", "canceled", N_("Nothing was imported.")),
    },
}
"""Kind of state -> state -> look. Two steps: states of different kinds that share a word are equal."""

BAR_ORDER: tuple[RecipientState, ...] = (
    RecipientState.SENT,
    RecipientState.FAILED,
    RecipientState.UNKNOWN,
    RecipientState.SUPPRESSED,
    RecipientState.CANCELED,
    RecipientState.SENDING,
    RecipientState.DEFERRED,
    RecipientState.QUEUED,
)
"""States along the progress bar: what has ended, then what moves, then what waits."""

TROUBLES = (RecipientState.FAILED, RecipientState.DEFERRED, RecipientState.UNKNOWN)
"""States in which an email has not arrived, or may not have: what a person reviews."""

_STOPPING = {
    CampaignState.PAUSED: N_("Pausing, %(n)s in progress"),
    CampaignState.CANCELED: N_("Canceling, %(n)s in progress"),
}
_RETRYING = N_("Every email was attempted. The deferred ones are retried at the time shown.")
_OUTSIDE = N_("Outside of its sending hours. It continues automatically.")
_RECORDING = N_("The results of emails already sent are still being recorded.")


def look(state: StrEnum) -> Look:
    """Return how ``state`` looks, in the language now."""
    return _look(type(state), state, languages.current())


@cache
def _look(kind: type[StrEnum], state: StrEnum, language: str) -> Look:
    it = LOOKS[kind][state]
    return replace(it, label=_(it.label), meaning=_(it.meaning)) if language != languages.ENGLISH else it


def shape(name: str) -> Markup:
    """Return a drawing. It is decorative: its word always stands beside it."""
    return Markup('<svg class="shape" aria-hidden="true"><use href="#shape-{}"></use></svg>').format(name)


def badge(state: StrEnum) -> Markup:
    """Return shape and word of ``state`` in its tone."""
    return _badge(look(state))


def _badge(it: Look) -> Markup:
    return Markup('<span class="badge tone-{}" title="{}">{}{}</span>').format(
        it.tone, it.meaning, shape(it.shape), it.label
    )


class Titled(Protocol):
    """What names a campaign."""

    @property
    def subject(self) -> str:
        """The subject of its message."""

    @property
    def rehearses(self) -> int | None:
        """The campaign of which it is a rehearsal."""


def titled(it: Titled) -> str:
    """Return what a campaign is called wherever people read of it: a rehearsal is always called that."""
    subject = it.subject or _("(no subject)")
    return subject if it.rehearses is None else _("REHEARSAL: %(subject)s", subject=subject)


def campaign_badge(campaign: Campaign) -> Markup:
    """Return the badge of a campaign; one that was stopped is so only once nothing is in flight."""
    if campaign.opens_at and campaign.schedule.hours:
        until = {"time": campaign.schedule.hours.begin, "zone": campaign.time_zone}
        return _badge(Look(_("Waits until %(time)s (%(zone)s)", **until), "clock", "queued", _(_OUTSIDE)))
    if campaign.retry:
        return _badge(Look(_("Waiting to retry"), "clock", "deferred", _(_RETRYING)))
    in_flight = campaign.counts[RecipientState.SENDING]
    words = _STOPPING.get(campaign.state)
    if not in_flight or not words:
        return badge(campaign.state)
    label = _(words, n=languages.grouped(in_flight))
    return _badge(replace(look(campaign.state), label=label, meaning=_(_RECORDING)))


def reply(it: ReplyCode) -> str:
    """Return the codes of a reply as a server writes them, ``550 5.1.1``."""
    return f"{it.code} {it.enhanced}".strip() if it.code else _("no reply")


def address(email: str) -> Markup:
    """Return an email address that, where it must break, breaks before its @; its domain in Unicode."""
    local, at, name = email.rpartition("@")
    return Markup("{}<wbr>{}{}").format(local, at, domain(name))


def coded(text: str) -> Markup:
    """Return a text in which what stands between backticks is code."""
    code, parts = Markup("<code>{}</code>"), enumerate(text.split("`"))
    return Markup().join(code.format(part) if n % 2 else part for n, part in parts)


def domain(name: str) -> Markup:
    """Return a domain as people write it, ``bücher.example``, with its other form as a title."""
    shown = formats.unicode_domain(name)
    return Markup('<span title="{}">{}</span>').format(name, shown) if shown != name else Markup.escape(name)
