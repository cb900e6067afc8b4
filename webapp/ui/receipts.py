"""Receipts: the one line in which the next page tells that an act was carried out.

It waits in the signed session cookie of whoever acted, so that it survives the redirect, works without
scripts, is shown once, and is shown to nobody else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import session

from mailing.core.states import CampaignAction, RecipientAction
from webapp.i18n.languages import N_, NN_, _, ngettext

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailing.campaigns.growing import Added
    from mailing.recipients.undertakings import Undertaking

_KEY = "receipt"
_ACTED: Mapping[CampaignAction, str] = {
    CampaignAction.SEND: N_("Sending started."),
    CampaignAction.SCHEDULE: N_("Scheduled. Sending starts automatically."),
    CampaignAction.UNSCHEDULE: N_("A draft again. It won't start automatically."),
    CampaignAction.PAUSE: N_("Paused. Nothing more is sent until you resume."),
    CampaignAction.RESUME: N_("Sending resumed."),
    CampaignAction.CANCEL: N_("Canceled. Nothing more is sent."),
}
_DECIDED: Mapping[RecipientAction, tuple[str, str]] = {
    RecipientAction.RETRY: NN_("%(n)s email queued again.", "%(n)s emails queued again."),
    RecipientAction.RESEND_UNKNOWN: NN_(
        "%(n)s email queued to be resent.", "%(n)s emails queued to be resent."
    ),
    RecipientAction.MARK_UNKNOWN_SENT: NN_("%(n)s email marked as sent.", "%(n)s emails marked as sent."),
    RecipientAction.SKIP: NN_("%(n)s email canceled.", "%(n)s emails canceled."),
    RecipientAction.FAIL: NN_("%(n)s email marked as failed.", "%(n)s emails marked as failed."),
}


def acted(action: CampaignAction) -> None:
    """Tell that a campaign was sent, paused, resumed or canceled."""
    tell(_(_ACTED[action]))


def decided(done: Undertaking) -> None:
    """Tell how many recipients a decision moved, and whether the rest follows."""
    text = ngettext(*_DECIDED[done.action], done.moved)
    if done.going_on:
        text = f"{text} {_('The rest follows automatically.')}"
    elif not done.moved:
        text = _("Nothing changed: the state shown was no longer the current one.")
    tell(text)


def grown(added: Added) -> None:
    """Tell what became of lines that were added to a draft's list, or fixed."""
    told = [
        ngettext(*forms, n)
        for forms, n in (
            (NN_("%(n)s address added.", "%(n)s addresses added."), added.recipients),
            (NN_("%(n)s duplicate merged.", "%(n)s duplicates merged."), added.duplicates),
            (NN_("%(n)s line is still skipped.", "%(n)s lines are still skipped."), added.skipped),
        )
        if n
    ]
    if not told and added.forgotten:
        forgotten = NN_("%(n)s skipped line removed.", "%(n)s skipped lines removed.")
        told = [ngettext(*forgotten, added.forgotten)]
    tell(" ".join(told) or _("Nothing changed."))


def tell(text: str) -> None:
    """Show a line on the next page of this session; the last one told, if there are several."""
    session[_KEY] = text


def take() -> str:
    """Return the line to be shown now, once; empty if there is none."""
    return str(session.pop(_KEY, ""))
