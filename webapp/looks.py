"""What each state looks like: its word, its shape and its tone. The only place that knows.

The shapes are symbols in ``templates/_shapes.html``, the tones are classes in ``volley.css``. Within
one kind no two states share a shape, so colour is never the only difference.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from markupsafe import Markup

from mailing.states import AttemptResult, CampaignState, RecipientState, WorkerState
from webapp import languages
from webapp.languages import N_, _

if TYPE_CHECKING:
    from collections.abc import Mapping
    from enum import StrEnum

    from mailing.campaigns import Campaign
    from mailing.finding import Reply


@dataclass(frozen=True, slots=True)
class Look:
    """A state as people see it. ``meaning`` is the sentence behind the word."""

    label: str
    shape: str
    tone: str
    meaning: str


LOOKS: Mapping[type[StrEnum], Mapping[StrEnum, Look]] = {
    RecipientState: {
        RecipientState.QUEUED: Look(N_("Queued"), "ring", "queued", N_("Waits for a worker.")),
        RecipientState.SENDING: Look(
            N_("Sending"), "arrow", "sending", N_("A worker is handing it over now.")
        ),
        RecipientState.DEFERRED: Look(
            N_("Deferred"), "clock", "deferred", N_("Refused for now. It is tried again at the time shown.")
        ),
        RecipientState.SENT: Look(N_("Sent"), "check", "sent", N_("The server accepted it.")),
        RecipientState.FAILED: Look(
            N_("Failed"), "cross", "failed", N_("Refused for good, or out of tries.")
        ),
        RecipientState.UNKNOWN: Look(
            N_("Unknown"),
            "question",
            "unknown",
            N_("The line broke before the answer came: it may have arrived."),
        ),
        RecipientState.SUPPRESSED: Look(N_("Suppressed"), "shield", "suppressed", N_("Must not be mailed.")),
        RecipientState.CANCELED: Look(
            N_("Canceled"), "dash", "canceled", N_("The campaign ended before its turn.")
        ),
    },
    CampaignState: {
        CampaignState.DRAFT: Look(N_("Draft"), "pencil", "queued", N_("Nothing has been sent.")),
        CampaignState.SCHEDULED: Look(
            N_("Scheduled"), "clock", "deferred", N_("It starts at the time shown.")
        ),
        CampaignState.SENDING: Look(N_("Sending"), "arrow", "sending", N_("Workers are sending it.")),
        CampaignState.PAUSED: Look(
            N_("Paused"), "bars", "deferred", N_("Nothing is sent until it is resumed.")
        ),
        CampaignState.FINISHED: Look(
            N_("Finished"), "check", "sent", N_("Every address has its final answer.")
        ),
        CampaignState.CANCELED: Look(N_("Canceled"), "dash", "canceled", N_("It was stopped for good.")),
    },
    AttemptResult: {
        AttemptResult.SENT: Look(N_("Sent"), "check", "sent", N_("The server accepted it.")),
        AttemptResult.DEFERRED: Look(N_("Deferred"), "clock", "deferred", N_("The server said: not now.")),
        AttemptResult.FAILED: Look(N_("Failed"), "cross", "failed", N_("The server refused it for good.")),
        AttemptResult.UNKNOWN: Look(
            N_("Unknown"), "question", "unknown", N_("The line broke before the answer came.")
        ),
        AttemptResult.RETURNED: Look(
            N_("Returned"), "back", "queued", N_("Not the address's fault: it waits for another try.")
        ),
    },
    WorkerState: {
        WorkerState.SENDING: Look(N_("Sending"), "arrow", "sending", N_("It has mail in hand.")),
        WorkerState.IDLE: Look(N_("Idle"), "ring", "queued", N_("It waits for work.")),
        WorkerState.HELD_UP: Look(
            N_("Held up"), "clock", "deferred", N_("The mail server keeps it from sending.")
        ),
        WorkerState.RESTING: Look(
            N_("Takes no work"), "bars", "deferred", N_("It finishes what it holds and takes no new batches.")
        ),
        WorkerState.LOST: Look(
            N_("Lost"), "cross", "failed", N_("It gives no sign of life, or died without a word.")
        ),
        WorkerState.ENDED: Look(
            N_("Ended"), "dash", "canceled", N_("It finished what it held and closed its connections.")
        ),
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

_STOPPING = {
    CampaignState.PAUSED: N_("Pausing, %(n)s in flight"),
    CampaignState.CANCELED: N_("Canceling, %(n)s in flight"),
}
_RETRYING = N_("All were tried. Who was refused for now is tried again at the time shown.")
_RECORDING = N_("What was handed over already is still being recorded.")


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


def campaign_badge(campaign: Campaign) -> Markup:
    """Return the badge of a campaign; one that was stopped is so only once nothing is in flight."""
    if campaign.retry:
        return _badge(Look(_("Waiting to retry"), "clock", "deferred", _(_RETRYING)))
    in_flight = campaign.counts[RecipientState.SENDING]
    words = _STOPPING.get(campaign.state)
    if not in_flight or not words:
        return badge(campaign.state)
    label = _(words, n=languages.grouped(in_flight))
    return _badge(replace(look(campaign.state), label=label, meaning=_(_RECORDING)))


def reply(it: Reply) -> str:
    """Return the codes of a reply as a server writes them, ``550 5.1.1``."""
    return f"{it.code} {it.enhanced}".strip() if it.code else _("no answer")


def address(email: str) -> Markup:
    """Return an email address that, where it must break, breaks before its @."""
    local, at, domain = email.rpartition("@")
    return Markup("{}<wbr>{}{}").format(local, at, domain)
