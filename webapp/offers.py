"""What a page offers for recipients that failed, wait or are unknown: its buttons and their words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailing import states
from mailing.finding import EVERYBODY, Filter
from mailing.states import RecipientAction, RecipientState
from webapp import formats, looks
from webapp.languages import N_, NN_, _, ngettext

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailing.evidence import Evidence
    from mailing.states import CampaignState


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
    found: Filter

    @property
    def id(self) -> str:
        """The name of its question, unique on the page."""
        return f"confirm-{self.action}-{self.state or 'these'}{'-found' if self.found else ''}"


_SKIPPING = (
    NN_("Leave %(n)s person out?", "Leave %(n)s people out?"),
    N_("They are not mailed in this campaign, and become canceled. It cannot be undone."),
)
_FAILING = (
    NN_("Give %(n)s person up?", "Give %(n)s people up?"),
    N_("They are not tried again, and count as failed. They can be retried later."),
)

WORDS: Mapping[tuple[RecipientAction, RecipientState | None], Words] = {
    (RecipientAction.RETRY, RecipientState.DEFERRED): Words(
        N_("Retry now"),
        N_("Retry %(n)s deferred now"),
        NN_("Retry %(n)s person now?", "Retry %(n)s people now?"),
        N_(
            "They are tried now instead of at the time shown. A server that wants time may refuse them again."
        ),
    ),
    (RecipientAction.RETRY, RecipientState.FAILED): Words(
        N_("Retry"),
        N_("Retry %(n)s failed"),
        NN_("Retry %(n)s person?", "Retry %(n)s people?"),
        N_("They were refused for good, or for too long. Whatever caused it should be mended first."),
    ),
    (RecipientAction.RESEND_UNKNOWN, RecipientState.UNKNOWN): Words(
        N_("Resend"),
        N_("Resend %(n)s unknown"),
        NN_("Send again to %(n)s person?", "Send again to %(n)s people?"),
        N_(
            "It may have arrived: whoever has it gets it twice, with the same Message-ID. "
            "Both tries stay in the log."
        ),
    ),
    (RecipientAction.MARK_UNKNOWN_SENT, RecipientState.UNKNOWN): Words(
        N_("Mark as sent"),
        N_("Mark %(n)s unknown as sent"),
        NN_("Mark %(n)s person as sent?", "Mark %(n)s people as sent?"),
        N_(
            "Do this if you know that it arrived. Nobody is mailed, and it cannot be undone. "
            "The log tells that a person decided."
        ),
    ),
    (RecipientAction.SKIP, RecipientState.QUEUED): Words(N_("Skip"), N_("Skip %(n)s queued"), *_SKIPPING),
    (RecipientAction.SKIP, RecipientState.DEFERRED): Words(N_("Skip"), N_("Skip %(n)s deferred"), *_SKIPPING),
    (RecipientAction.SKIP, None): Words(N_("Skip"), N_("Skip these %(n)s"), *_SKIPPING),
    (RecipientAction.FAIL, RecipientState.QUEUED): Words(N_("Fail"), N_("Fail %(n)s queued"), *_FAILING),
    (RecipientAction.FAIL, RecipientState.DEFERRED): Words(N_("Fail"), N_("Fail %(n)s deferred"), *_FAILING),
    (RecipientAction.FAIL, None): Words(N_("Fail"), N_("Fail these %(n)s"), *_FAILING),
}
_GOING_PAST = (RecipientAction.SKIP, RecipientAction.FAIL)
_MUST_WAIT = (RecipientState.DEFERRED, RecipientState.FAILED, RecipientState.UNKNOWN)


def offers(
    campaign: CampaignState, counts: Mapping[RecipientState, int], found: Filter = EVERYBODY
) -> tuple[Offer, ...]:
    """Return what can be done with the recipients counted: all of a campaign, or those in ``found``."""
    return tuple(
        _offer(action, state, n, found)
        for state in ((RecipientState.QUEUED, *_MUST_WAIT) if found else _MUST_WAIT)
        if (n := counts.get(state, 0))
        for action in states.decisions(campaign, state)
    )


def ways_past(campaign: CampaignState, evidence: Evidence | None) -> tuple[Offer, ...]:
    """Return what can be done with those whose refusal paused a campaign: it can go on without them."""
    if evidence is None:
        return ()
    allowed = states.decisions(campaign, RecipientState.DEFERRED)
    these = Filter(reply=evidence.reply)
    return tuple(_offer(action, None, evidence.n, these) for action in _GOING_PAST if action in allowed)


def row_offers(
    campaign: CampaignState, recipient: RecipientState, *, briefly: bool = False
) -> tuple[tuple[RecipientAction, str], ...]:
    """Return what can be done with one recipient, each with the words of its button.

    ``briefly``, in a list: without going past those who only wait.
    """
    return tuple(
        (action, _(WORDS[action, recipient].one))
        for action in states.decisions(campaign, recipient)
        if not (briefly and action in _GOING_PAST)
    )


def _offer(action: RecipientAction, state: RecipientState | None, n: int, found: Filter) -> Offer:
    words = WORDS[action, state]
    button = _(words.many, n=formats.number(n))
    if found.reply and state:
        button = _("%(button)s that got %(reply)s", button=button, reply=looks.reply(found.reply))
    if found.q:
        button = _("%(button)s with “%(words)s”", button=button, words=found.q)
    return Offer(action, state, button, ngettext(*words.title, n), _(words.text), found)
