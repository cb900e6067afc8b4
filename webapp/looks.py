"""What each state looks like: its word, its shape and its tone. The only place that knows.

The shapes are symbols in ``templates/_shapes.html``, the tones are classes in ``volley.css``. Within
one kind no two states share a shape, so colour is never the only difference.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from markupsafe import Markup

from mailing.states import AttemptResult, CampaignState, RecipientState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from enum import StrEnum

    from mailing.campaigns import Campaign


@dataclass(frozen=True, slots=True)
class Look:
    """A state as people see it. ``meaning`` is the sentence behind the word."""

    label: str
    shape: str
    tone: str
    meaning: str


LOOKS: Mapping[type[StrEnum], Mapping[StrEnum, Look]] = {
    RecipientState: {
        RecipientState.QUEUED: Look("Queued", "ring", "queued", "Waits for a worker."),
        RecipientState.SENDING: Look("Sending", "arrow", "sending", "A worker is handing it over now."),
        RecipientState.DEFERRED: Look(
            "Deferred", "clock", "deferred", "Refused for now. It is tried again at the time shown."
        ),
        RecipientState.SENT: Look("Sent", "check", "sent", "The server accepted it."),
        RecipientState.FAILED: Look("Failed", "cross", "failed", "Refused for good, or out of tries."),
        RecipientState.UNKNOWN: Look(
            "Unknown", "question", "unknown", "The line broke before the answer came: it may have arrived."
        ),
        RecipientState.SUPPRESSED: Look("Suppressed", "shield", "suppressed", "Must not be mailed."),
        RecipientState.CANCELED: Look("Canceled", "dash", "canceled", "The campaign ended before its turn."),
    },
    CampaignState: {
        CampaignState.DRAFT: Look("Draft", "pencil", "queued", "Nothing has been sent."),
        CampaignState.SCHEDULED: Look("Scheduled", "clock", "deferred", "It starts at the time shown."),
        CampaignState.SENDING: Look("Sending", "arrow", "sending", "Workers are sending it."),
        CampaignState.PAUSED: Look("Paused", "bars", "deferred", "Nothing is sent until it is resumed."),
        CampaignState.FINISHED: Look("Finished", "check", "sent", "Every address has its final answer."),
        CampaignState.CANCELED: Look("Canceled", "dash", "canceled", "It was stopped for good."),
    },
    AttemptResult: {
        AttemptResult.SENT: Look("Sent", "check", "sent", "The server accepted it."),
        AttemptResult.DEFERRED: Look("Deferred", "clock", "deferred", "The server said: not now."),
        AttemptResult.FAILED: Look("Failed", "cross", "failed", "The server refused it for good."),
        AttemptResult.UNKNOWN: Look(
            "Unknown", "question", "unknown", "The line broke before the answer came."
        ),
        AttemptResult.RETURNED: Look(
            "Returned", "back", "queued", "Not the address's fault: it waits for another try."
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

_STOPPING = {CampaignState.PAUSED: "Pausing", CampaignState.CANCELED: "Canceling"}
_RECORDING = "What was handed over already is still being recorded."


def look(state: StrEnum) -> Look:
    """Return how ``state`` looks."""
    return LOOKS[type(state)][state]


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
    in_flight = campaign.counts[RecipientState.SENDING]
    word = _STOPPING.get(campaign.state)
    if not in_flight or not word:
        return badge(campaign.state)
    it = replace(look(campaign.state), label=f"{word}, {in_flight:,} in flight", meaning=_RECORDING)
    return _badge(it)


def address(email: str) -> Markup:
    """Return an email address that, where it must break, breaks before its @."""
    local, at, domain = email.rpartition("@")
    return Markup("{}<wbr>{}{}").format(local, at, domain)
