"""The page of a draft: what its list holds, what each recipient gets, and what can be fixed before sending.

All that is shown depends on the page's address alone; each form is a POST with the revision that its page
showed, and whoever is too late is told.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from quart import Blueprint, Response, abort, redirect, render_template, request

from mailing.accounts.roles import Permission
from mailing.addresses import repairs
from mailing.campaigns import drafts, growing
from mailing.campaigns.drafts import Draft
from mailing.campaigns.lifecycle import NotAllowed
from mailing.contacts import origins
from mailing.contacts.conditions import AudienceError
from mailing.core.states import CampaignAction
from mailing.domains import health
from mailing.lists import store as lists
from mailing.lists import surveys
from mailing.messages.compose import ComposeError
from mailing.recipients import listing
from mailing.recipients.search import Choice
from mailing.reports import estimates, preview
from mailing.suppression import claims
from mailing.writing import fallbacks
from tasks.commands import campaigns as commands
from webapp.api import exports
from webapp.http import auth, params
from webapp.http.list_process import CrowdedError, Edit
from webapp.http.services import services, the_campaign
from webapp.i18n.domain_texts import say_why
from webapp.i18n.languages import _
from webapp.messages import files as message_files
from webapp.messages import rehearsals, timing_form
from webapp.ui import receipts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection
    from werkzeug.datastructures import MultiDict
    from werkzeug.wrappers import Response as AnyResponse

    from mailing.campaigns.queries import Campaign
    from mailing.lists.surveys import Survey

blueprint = Blueprint("drafts", __name__)
REMARKS_SHOWN = 200  # of each kind
ADDRESSES = 25  # on a page
DOMAINS = 12
_ONE = "/campaigns/<id:campaign_id>"


@dataclass(frozen=True, slots=True)
class View:
    """What the address of a draft's page asks for.

    ``q`` and a key of paging choose accepted addresses; ``to`` is the recipient of the preview, ``gap`` the
    field that its recipient has no value of.
    """

    q: str = ""
    after: int | None = None
    before: int | None = None
    to: int | None = None
    gap: str = ""

    def query(self, **more: Any) -> str:
        """Return the address's query for this view with other values."""
        it = replace(self, **more)
        values = {"q": it.q, "after": it.after, "before": it.before, "to": it.to, "gap": it.gap}
        return f"?{urlencode({name: value for name, value in values.items() if value})}"


@dataclass(frozen=True, slots=True)
class Gap:
    """``n`` recipients have no value of a field that the message prints; ``sample`` is one of them."""

    field: str
    n: int
    sample: str


async def page(campaign: Campaign, *, box: str | None = None, fault: str = "") -> str:
    """Return the page of a draft. ``box`` is what somebody wrote to fix its list, ``fault`` why it failed."""
    view = View(
        params.search(),
        params.number("after"),
        params.number("before"),
        params.number("to"),
        params.words(request.args.get("gap", "")),
    )
    shown = await services().read(_load, campaign, view)
    estimate = await services().read(estimates.of, campaign)
    outlook = await services().read(estimates.band, campaign)
    here = services().at(f"/campaigns/{campaign.id}")
    shown |= {
        "here": here,
        "estimate": None if outlook else estimate,
        "outlook": outlook,
        "box": shown["to_fix"] if box is None else box,
        "rehearsal": await rehearsals.latest(campaign),
        "timing": timing_form.typed(campaign),
        **timing_form.shown(),
        "fault": fault,
        "red": await services().read(health.red, campaign.id),
    }
    return await render_template(
        "campaigns/draft.html", section="campaigns", campaign=campaign, view=view, **shown
    )


@blueprint.post(f"{_ONE}/skipped")
@auth.needs(Permission.WRITE)
async def fix(campaign_id: int) -> AnyResponse | tuple[str, int]:
    """Read the skipped lines again, as they are in the box."""
    form = await request.form
    box, actor = form.get("lines", ""), auth.person()
    auth.may_edit(await the_campaign(campaign_id))
    try:
        change, added = await services().lists.fix(actor, campaign_id, box, revision(form))
    except CrowdedError as crowded:
        return await _again(campaign_id, str(crowded.description), box), 503
    except NotAllowed as refusal:
        return await _again(campaign_id, say_why(refusal), box), 409
    await services().do(commands.announce, change)
    receipts.grown(added)
    return redirect(services().at(f"/campaigns/{campaign_id}#skipped"), 303)


@blueprint.post(f"{_ONE}/again")
@auth.needs(Permission.WRITE)
async def take_again(campaign_id: int) -> AnyResponse | tuple[str, int]:
    """Take the recipients of a draft from their saved lists again, as these are now."""
    form = await request.form
    campaign = await the_campaign(campaign_id)
    auth.may_edit(campaign)
    wanted = (await services().read(origins.told, campaign.audience)).again(campaign.total)
    if wanted is None:
        said = _(
            "The recipients of this draft can't be taken from lists again. Edit the draft to choose them."
        )
        return await _again(campaign_id, said), 409
    edit, actor = Edit(campaign_id, revision(form), Draft.of(campaign), wanted), auth.person()
    try:
        change = await services().lists.revise(actor, edit)
    except CrowdedError as crowded:
        return await _again(campaign_id, str(crowded.description)), 503
    except (AudienceError, ComposeError) as error:
        return await _again(campaign_id, say_why(error)), 422
    except NotAllowed as refusal:
        return await _again(campaign_id, say_why(refusal)), 409
    await services().do(commands.announce, change)
    receipts.tell(_("The recipients were taken from the saved lists again."))
    return redirect(services().at(f"/campaigns/{campaign_id}"), 303)


@blueprint.get(f"{_ONE}/skipped.csv")
@auth.needs(Permission.READ)
async def skipped(campaign_id: int) -> Response:
    """Send all skipped lines."""
    await the_campaign(campaign_id)
    return exports.skipped(campaign_id)


@blueprint.post(f"{_ONE}/fallback")
@auth.needs(Permission.WRITE)
async def fallback(campaign_id: int) -> AnyResponse | tuple[str, int]:
    """Write into the message what it says where a recipient has no value of a field."""
    form = await request.form
    field, text = form.get("field", ""), form.get("text", "").strip()
    if not text:
        return await _again(campaign_id, _("Enter the words to use where a recipient has no value.")), 422
    campaign = await the_campaign(campaign_id)
    auth.may_edit(campaign)
    try:
        draft = Draft.of(campaign, fallbacks.write(campaign.written, field, text))
        db, actor = services().db, auth.person()
        change = await asyncio.to_thread(commands.revise, db, actor, campaign_id, draft, seen=revision(form))
    except ComposeError as error:
        return await _again(campaign_id, say_why(error)), 422
    except NotAllowed as refusal:
        return await _again(campaign_id, say_why(refusal)), 409
    await services().do(commands.announce, change)
    receipts.tell(_("The message now says “%(text)s” where a recipient has no value.", text=text))
    return redirect(services().at(f"/campaigns/{campaign_id}#preview"), 303)


async def ended(form: MultiDict[str, str], campaign_id: int) -> tuple[str, int]:
    """Show the page again with all that was written in it: the session had ended."""
    said = _(
        "Your session had expired, so nothing was saved. Your input is still here: press the button again."
    )
    return await _again(campaign_id, said, form.get("lines", "")), 403


def revision(form: Mapping[str, str]) -> int:
    """Return the revision that a form's page showed."""
    seen = form.get("revision", "")
    if not params.is_id(seen):
        abort(400, _("This form is out of date. Reload the page."))
    return int(seen)


async def _again(campaign_id: int, fault: str, box: str | None = None) -> str:
    campaign = await the_campaign(campaign_id)
    if CampaignAction.EDIT not in campaign.actions:
        abort(409, fault)
    return await page(campaign, box=box, fault=fault)


def _load(connection: Connection, campaign: Campaign, view: View) -> dict[str, Any]:
    survey = surveys.load(connection, campaign.id)
    remarks = {
        kind: lists.notes(connection, campaign.id, kind, REMARKS_SHOWN)
        for kind, n in survey.remarks.items()
        if n
    }
    gaps = _gaps(campaign, survey)
    shown = preview.of(connection, campaign, _recipient(connection, campaign, view, gaps))
    to_fix = growing.to_fix(connection, campaign.id)
    accepted = listing.recipients_page(
        connection, campaign.id, Choice(q=view.q), after=view.after, before=view.before, limit=ADDRESSES
    )
    return {
        "came": origins.told(connection, campaign.audience),
        "faults": drafts.faults(connection, campaign.id),
        "found": survey.remarks,
        "remarks": remarks,
        "gaps": gaps,
        "to_fix": "\n".join(repairs.one_line(note.text) for note in to_fix),
        "fixable": len(to_fix),
        "accepted": accepted,
        "domains": [*survey.domains.top.items()][:DOMAINS],
        "other_domains": survey.domains.others + max(len(survey.domains.top) - DOMAINS, 0),
        "shown": shown,
        "withheld": claims.foretell(connection, campaign.id, campaign.purpose),
        "preview": shown.mail,
        **message_files.shown(connection, campaign),
    }


def _recipient(connection: Connection, campaign: Campaign, view: View, gaps: Sequence[Gap]) -> int | None:
    sample = next((gap.sample for gap in gaps if gap.field == view.gap), "")
    return preview.find(connection, campaign.id, sample) if sample else view.to


def _gaps(campaign: Campaign, survey: Survey) -> Sequence[Gap]:
    """Return what recipients lack that the message prints. A field that nobody has is a fault, and no gap."""
    known = survey.shapes.fields
    found = (
        (field, survey.shapes.lacking(field, campaign.total))
        for field in fallbacks.lacking(campaign.message)
        if field in known
    )
    return [Gap(field, shape.n, next(iter(shape.samples), "")) for field, shape in found if shape.n]
