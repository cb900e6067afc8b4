"""The half of the campaign form that says who gets it: what is pasted, and what becomes of it.

The other half, the message, comes as a ``Draft`` that was found good.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from mailing.lists import surveys
from tasks import commands
from webapp.campaigns import draft_views
from webapp.http import auth
from webapp.http.list_process import Edit
from webapp.http.services import services
from webapp.i18n.languages import _
from webapp.ui import receipts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailing.campaigns.drafts import Draft
    from mailing.campaigns.queries import Campaign
    from tasks.commands import Change


async def shown(campaign: Campaign | None) -> dict[str, Any]:
    """Return what ``campaigns/_recipients.html`` needs besides what was typed."""
    skipped = (await services().read(surveys.load, campaign.id)).remarks["refused"] if campaign else 0
    return {"skipped": skipped}


async def faults(form: Mapping[str, str], campaign: Campaign | None) -> dict[str, str]:
    """Return what is wrong with the recipients, by the name of the form's field."""
    if campaign is None and not form.get("recipients", "").strip():
        return {"recipients": _("Add at least one recipient.")}
    return {}


async def create(form: Mapping[str, str], draft: Draft) -> Change:
    """Store a draft with its recipients. Raises ``CrowdedError`` if too many lists wait."""
    return await services().lists.create(auth.person(), draft, form["recipients"])


async def revise(form: Mapping[str, str], campaign: Campaign, draft: Draft) -> Change:
    """Change a draft; an empty list box keeps its list.

    Raises ``CrowdedError`` if too many lists wait, and ``NotAllowed`` if it is too late.
    """
    pasted, seen, actor = form.get("recipients", ""), draft_views.revision(form), auth.person()
    if not pasted.strip():
        return await asyncio.to_thread(commands.revise, services().db, actor, campaign.id, draft, seen=seen)
    edit = Edit(campaign.id, seen, draft, pasted)
    if form.get("list") == "add":
        change, added = await services().lists.add(actor, edit)
        receipts.grown(added)
        return change
    return await services().lists.revise(actor, edit)
