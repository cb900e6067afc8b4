"""What a page offers for recipients that failed, wait or are unknown: its buttons and their words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailing import states
from mailing.finding import EVERYBODY
from mailing.states import RecipientAction, RecipientState
from webapp import formats, looks
from webapp.languages import N_, NN_, _, ngettext

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailing.finding import Filter
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
    """A button, and what is asked before it acts: on all in ``state``, or on those of them in ``found``."""

    action: RecipientAction
    state: RecipientState
    button: str
    title: str
    text: str
    found: Filter

    @property
    def id(self) -> str:
        """The name of its question, unique on the page."""
        return f"confirm-{self.action}-{self.state}{'-found' if self.found else ''}"


WORDS: Mapping[tuple[RecipientAction, RecipientState], Words] = {
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
}


def offers(
    campaign: CampaignState, counts: Mapping[RecipientState, int], found: Filter = EVERYBODY
) -> tuple[Offer, ...]:
    """Return what can be done with the recipients counted: all of a campaign, or those in ``found``."""
    return tuple(
        _offer(action, state, n, found)
        for state in (RecipientState.DEFERRED, RecipientState.FAILED, RecipientState.UNKNOWN)
        if (n := counts.get(state, 0))
        for action in states.decisions(campaign, state)
    )


def row_offers(campaign: CampaignState, recipient: RecipientState) -> tuple[tuple[RecipientAction, str], ...]:
    """Return what can be done with one recipient, each with the words of its button."""
    return tuple(
        (action, _(WORDS[action, recipient].one)) for action in states.decisions(campaign, recipient)
    )


def _offer(action: RecipientAction, state: RecipientState, n: int, found: Filter) -> Offer:
    words = WORDS[action, state]
    button = _(words.many, n=formats.number(n))
    if found.reply:
        button = _("%(button)s that got %(reply)s", button=button, reply=looks.reply(found.reply))
    if found.q:
        button = _("%(button)s with “%(words)s”", button=button, words=found.q)
    return Offer(action, state, button, ngettext(*words.title, n), _(words.text), found)
