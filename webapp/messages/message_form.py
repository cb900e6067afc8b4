"""The half of a campaign's form that holds the message: what is typed in it, and what it makes of a draft."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from mailing.campaigns.drafts import Draft
from mailing.core.bounds import GIVE_UP_HOURS, GIVE_UP_USUALLY
from mailing.messages import compose
from mailing.writing.written import Writing
from webapp.i18n.domain_texts import say_why
from webapp.i18n.languages import _

if TYPE_CHECKING:
    from collections.abc import Mapping

    from werkzeug.datastructures import MultiDict

    from mailing.campaigns.queries import Campaign

_HOURS = frozenset(map(str, GIVE_UP_HOURS))


def blank(sender_from: str) -> dict[str, str]:
    """Return what an empty form holds."""
    return {"from": sender_from, "give_up_hours": str(GIVE_UP_USUALLY)}


def typed(campaign: Campaign) -> dict[str, str]:
    """Return what the form of a draft holds."""
    return {
        "from": campaign.sender_from,
        "subject": campaign.subject,
        "text": campaign.written.text,
        "give_up_hours": str(campaign.give_up_hours),
    }


def draft(form: MultiDict[str, str], old: Campaign | None = None) -> Draft:
    """Return the draft that a form describes, in the place of an ``old`` one."""
    return Draft(
        sender_from=form.get("from", "").strip(),
        subject=form.get("subject", "").strip(" \t"),
        text=form.get("text", ""),
        html=old.written.html if old else "",
        preheader=old.preheader if old else "",
        writing=old.writing if old else Writing.PLAIN,
        priority=old.priority if old else 5,
        give_up_hours=int(hours) if (hours := _give_up_hours(form)) in _HOURS else GIVE_UP_USUALLY,
    )


async def faults(form: MultiDict[str, str], old: Campaign | None = None) -> dict[str, str]:
    """Return what is wrong with the message, by the name of the form's field."""
    new, found = draft(form, old), dict[str, str]()
    if not new.subject:
        found["subject"] = _("Enter a subject.")
    if not new.text.strip():
        found["text"] = _("Enter a message.")
    if _give_up_hours(form) not in _HOURS:
        found["give_up_hours"] = _("Enter a whole number of hours, from 1 to %(most)s.", most=len(_HOURS))
    for error in await asyncio.to_thread(compose.faults, new.message):
        found.setdefault(error.field, say_why(error))
    return found


def _give_up_hours(form: Mapping[str, str]) -> str:
    return form.get("give_up_hours", str(GIVE_UP_USUALLY)).strip()
