"""What a page offers for recipients that failed, wait or are unknown: its buttons and their words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailing.core import states
from mailing.core.states import RecipientAction, RecipientState
from mailing.recipients.search import EVERYBODY, Choice
from webapp.i18n.languages import N_, NN_, _, ngettext
from webapp.ui import badges, formats

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailing.core.states import CampaignState
    from mailing.ledger.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Words:
    """How a decision is put: to one recipient, to ``%(n)s`` of them, and what is asked before it acts."""

    one: str
    many: str
    title: tuple[str, str]
    text: str


@dataclass(frozen=True, slots=True)
class Offer:
    """A button, and what is asked before it acts: on all in ``state``, or on those of them in ``found``.

    Without a state it acts on all in ``found`` that it can move.
    """

    action: RecipientAction
    state: RecipientState | None
    button: str
    title: str
    text: str
    found: Choice

    @property
    def id(self) -> str:
        """The name of its question, unique on the page."""
        return f"confirm-{self.action}-{self.state or 'these'}{'-found' if self.found else ''}"


_SKIPPING = (
    NN_("Exclude %(n)s email?", "Exclude %(n)s emails?"),
    N_("They won't be sent in this campaign and count as canceled. This can't be undone."),
)
_FAILING = (
    NN_("Mark %(n)s email as failed?", "Mark %(n)s emails as failed?"),
    N_("They won't be sent now and count as failed. You can retry them later."),
)

WORDS: Mapping[tuple[RecipientAction, RecipientState | None], Words] = {
    (RecipientAction.RETRY, RecipientState.DEFERRED): Words(
        N_("Retry now"),
        N_("Retry %(n)s deferred now"),
        NN_("Retry %(n)s email now?", "Retry %(n)s emails now?"),
        N_("They are retried now instead of at the time shown. The server may reject them again."),
    ),
    (RecipientAction.RETRY, RecipientState.FAILED): Words(
        N_("Retry"),
        N_("Retry %(n)s failed"),
        NN_("Retry %(n)s email?", "Retry %(n)s emails?"),
        N_("These were rejected permanently, or retries ran out. Fix the cause first."),
    ),
    (RecipientAction.RESEND_UNKNOWN, RecipientState.UNKNOWN): Words(
        N_("Resend"),
        N_("Resend %(n)s unknown"),
        NN_("Resend %(n)s email?", "Resend %(n)s emails?"),
        N_("Some may have arrived. Those recipients get the email twice, with the same Message-ID."),
    ),
    (RecipientAction.MARK_UNKNOWN_SENT, RecipientState.UNKNOWN): Words(
        N_("Mark as sent"),
        N_("Mark %(n)s unknown as sent"),
        NN_("Mark %(n)s email as sent?", "Mark %(n)s emails as sent?"),
        N_(
            "Do this only if you know that they arrived. Nothing is sent, and this can't be undone. "
            "The log shows that they were marked manually."
        ),
    ),
    (RecipientAction.SKIP, RecipientState.QUEUED): Words(
        N_("Exclude"), N_("Exclude %(n)s queued"), *_SKIPPING
    ),
    (RecipientAction.SKIP, RecipientState.DEFERRED): Words(
        N_("Exclude"), N_("Exclude %(n)s deferred"), *_SKIPPING
    ),
    (RecipientAction.SKIP, None): Words(N_("Exclude"), N_("Exclude these %(n)s"), *_SKIPPING),
    (RecipientAction.FAIL, RecipientState.QUEUED): Words(
        N_("Mark as failed"), N_("Mark %(n)s queued as failed"), *_FAILING
    ),
    (RecipientAction.FAIL, RecipientState.DEFERRED): Words(
        N_("Mark as failed"), N_("Mark %(n)s deferred as failed"), *_FAILING
    ),
    (RecipientAction.FAIL, None): Words(N_("Mark as failed"), N_("Mark these %(n)s as failed"), *_FAILING),
}
_GOING_PAST = (RecipientAction.SKIP, RecipientAction.FAIL)
_MUST_WAIT = (RecipientState.DEFERRED, RecipientState.FAILED, RecipientState.UNKNOWN)


def offers(
    campaign: CampaignState, counts: Mapping[RecipientState, int], found: Choice = EVERYBODY
) -> tuple[Offer, ...]:
    """Return what can be done with the recipients counted: all of a campaign, or those in ``found``."""
    return tuple(
        _offer(action, state, n, found)
        for state in ((RecipientState.QUEUED, *_MUST_WAIT) if found else _MUST_WAIT)
        if (n := counts.get(state, 0))
        for action in states.decisions(campaign, state)
    )


def ways_past(campaign: CampaignState, evidence: Evidence | None) -> tuple[Offer, ...]:
    """Return what can be done with recipients that paused a campaign, so that it can resume without them."""
    if evidence is None:
        return ()
    allowed = states.decisions(campaign, RecipientState.DEFERRED)
    these = Choice(reply=evidence.reply)
    return tuple(_offer(action, None, evidence.n, these) for action in _GOING_PAST if action in allowed)


def row_offers(
    campaign: CampaignState, recipient: RecipientState, *, briefly: bool = False
) -> tuple[tuple[RecipientAction, str], ...]:
    """Return what can be done with one recipient, each with the words of its button.

    ``briefly``, in a list: without actions on recipients that only wait.
    """
    return tuple(
        (action, _(WORDS[action, recipient].one))
        for action in states.decisions(campaign, recipient)
        if not (briefly and action in _GOING_PAST)
    )


def _offer(action: RecipientAction, state: RecipientState | None, n: int, found: Choice) -> Offer:
    words = WORDS[action, state]
    button = _(words.many, n=formats.number(n))
    if found.reply and state:
        button = _("%(button)s (%(reply)s)", button=button, reply=badges.reply(found.reply))
    if found.q:
        button = _("%(button)s (matching “%(words)s”)", button=button, words=found.q)
    return Offer(action, state, button, ngettext(*words.title, n), _(words.text), found)
