"""The campaign pages: the list, writing and changing a draft, one campaign, and its buttons.

Every form is a POST answered by a redirect, so all of it works without scripts. Everything a page
shows depends on its address alone.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from quart import Blueprint, abort, redirect, render_template, request

from mailing import campaigns, composing, decisions, history, lists
from mailing.campaigns import Draft, NotAllowed
from mailing.composing import ComposeError
from mailing.decisions import Choice
from mailing.states import CampaignAction, CampaignState, RecipientAction, RecipientState
from tasks import sending
from webapp import asking, offers, previews, standing
from webapp.services import services
from webapp.streams import CAMPAIGNS_PER_PAGE, ROWS_PER_PAGE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection
    from werkzeug.datastructures import MultiDict
    from werkzeug.wrappers import Response

    from mailing.campaigns import Campaign

blueprint = Blueprint("pages", __name__)
REFUSED_SHOWN = 200
_HOURS = frozenset(map(str, campaigns.GIVE_UP_HOURS))
_NOTE_KINDS = ("refused", "duplicate", "noted")


@blueprint.get("/")
async def index() -> str:
    """Show all campaigns, the newest first."""
    before = asking.number("before")
    page = await services().read(campaigns.latest, before=before, limit=CAMPAIGNS_PER_PAGE)
    return await render_template(
        "campaigns.html",
        section="campaigns",
        page=page,
        before=before,
        next=page[-1].id if len(page) == CAMPAIGNS_PER_PAGE else None,
        stream=f"/stream?before={before}" if before else f"/stream?newest={page[0].id if page else 0}",
    )


@blueprint.get("/campaigns/new")
async def new() -> str:
    """Show an empty form."""
    typed = {"from": services().settings.default_from, "give_up_hours": _give_up_hours({})}
    return await _form(typed, {}, None)


@blueprint.post("/campaigns")
async def create() -> Response | tuple[str, int]:
    """Store a draft with its list, and show it."""
    form = await request.form
    faults = _faults(form)
    if not form.get("recipients", "").strip():
        faults["recipients"] = "The list is empty. Paste at least one address."
    if faults:
        return await _form(form, faults, None), 422
    campaign_id = await services().lists.create(_draft(form), form["recipients"])
    return redirect(f"/campaigns/{campaign_id}", 303)


@blueprint.get("/campaigns/<id:campaign_id>/edit")
async def edit(campaign_id: int) -> str:
    """Show the form of a draft."""
    campaign = await _campaign(campaign_id)
    if CampaignAction.EDIT not in campaign.actions:
        abort(409, f"Campaign {campaign_id} is {campaign.state} and can no longer be changed.")
    typed = {
        "from": campaign.sender_from,
        "subject": campaign.subject,
        "text": campaign.text,
        "give_up_hours": str(campaign.give_up_hours),
    }
    return await _form(typed, {}, campaign)


@blueprint.post("/campaigns/<id:campaign_id>")
async def revise(campaign_id: int) -> Response | tuple[str, int]:
    """Change a draft; an empty list box keeps its list."""
    form = await request.form
    campaign = await _campaign(campaign_id)
    if faults := _faults(form):
        return await _form(form, faults, campaign), 422
    draft, pasted = _draft(form, campaign), form.get("recipients", "")
    try:
        if pasted.strip():
            await services().lists.revise(campaign_id, draft, pasted)
        else:
            await services().write(campaigns.revise, campaign_id, draft, None)
    except NotAllowed as refusal:
        abort(409, str(refusal))
    return redirect(f"/campaigns/{campaign_id}", 303)


@blueprint.get("/campaigns/<id:campaign_id>")
async def show(campaign_id: int) -> str:
    """Show one campaign: a draft with what was found in its list, any other with its ledger and rows."""
    campaign = await _campaign(campaign_id)
    if campaign.state is CampaignState.DRAFT:
        draft = await services().read(_draft_page, campaign)
        return await render_template("draft.html", section="campaigns", campaign=campaign, **draft)
    return await _campaign_page(campaign_id)


@blueprint.post("/campaigns/<id:campaign_id>/<any(send, pause, resume, cancel):verb>")
async def act(campaign_id: int, verb: str) -> Response:
    """Send, pause, resume or cancel; with the queue away it is stored, and the workers begin later."""
    the = services()
    try:
        await asyncio.to_thread(sending.act, the.db, the.news, campaign_id, CampaignAction(verb))
    except NotAllowed as refusal:
        abort(409, str(refusal))
    return _back(campaign_id)


@blueprint.post('/campaigns/<id:campaign_id>/<any("retry", "resend-unknown", "mark-unknown-sent"):verb>')
async def decide(campaign_id: int, verb: str) -> Response:
    """Retry, resend or mark as sent: all in a state, those of them that a search finds, or one."""
    form = await request.form
    state, recipient = form.get("state", ""), form.get("recipient", "")
    if state not in {"", *RecipientState} or (recipient and not asking.is_id(recipient)):
        abort(400, "This form names no recipients that there can be. Load the campaign's page again.")
    choice = Choice(
        RecipientState(state) if state else None,
        asking.words(form.get("q", "")),
        int(recipient) if recipient else None,
    )
    the = services()
    try:
        await asyncio.to_thread(sending.decide, the.db, the.news, campaign_id, RecipientAction(verb), choice)
    except NotAllowed as refusal:
        abort(409, str(refusal))
    return _back(campaign_id)


def _back(campaign_id: int) -> Response:
    """Lead to the campaign's page, with the filters that it had."""
    page, came_from = f"/campaigns/{campaign_id}", urlsplit(request.referrer or "")
    query = came_from.query if (came_from.netloc, came_from.path) == (request.host, page) else ""
    return redirect(f"{page}?{query}" if query else page, 303)


async def _campaign(campaign_id: int) -> Campaign:
    campaign = await services().read(campaigns.get, campaign_id)
    if campaign is None:
        abort(404, f"There is no campaign {campaign_id}. The list of campaigns shows those that exist.")
    return campaign


async def _campaign_page(campaign_id: int) -> str:
    the = services()
    state, q = asking.state(RecipientState), asking.search()
    after = asking.number("after") or 0
    now = await the.read(standing.load, campaign_id)
    assert now is not None
    page = await the.read(
        history.recipients_page, campaign_id, state=state, q=q, after=after, limit=ROWS_PER_PAGE
    )
    found = await the.read(decisions.count, campaign_id, Choice(state, q)) if q else {}
    rows = ".".join(str(row.id) for row in page.rows)
    return await render_template(
        "campaign.html",
        section="campaigns",
        standing=now,
        campaign=now.campaign,
        notices=standing.notices(now, queue_away=the.hub.away),
        page=page,
        found=offers.offers(now.campaign.state, found, q),
        shown=state,
        q=q,
        after=after,
        moved=0,
        stream=f"/campaigns/{campaign_id}/stream?rows={rows}" + (f"&state={state}" if state else ""),
    )


def _draft_page(connection: Connection, campaign: Campaign) -> dict[str, Any]:
    uses_name = "name" in previews.fields(campaign)
    return {
        "faults": campaigns.faults(connection, campaign.id),
        "found": lists.note_counts(connection, campaign.id),
        "remarks": {kind: lists.notes(connection, campaign.id, kind, REFUSED_SHOWN) for kind in _NOTE_KINDS},
        "nameless": lists.nameless(connection, campaign.id) if uses_name else 0,
        "preview": previews.first(connection, campaign),
    }


async def _form(typed: Mapping[str, str], faults: Mapping[str, str], campaign: Campaign | None) -> str:
    return await render_template(
        "compose.html", section="campaigns", typed=typed, faults=faults, campaign=campaign
    )


def _draft(form: MultiDict[str, str], old: Campaign | None = None) -> Draft:
    return Draft(
        sender_from=form.get("from", "").strip(),
        subject=form.get("subject", "").strip(" \t"),
        text=form.get("text", ""),
        html=old.html if old else "",
        priority=old.priority if old else 5,
        give_up_hours=int(hours) if (hours := _give_up_hours(form)) in _HOURS else campaigns.GIVE_UP_USUALLY,
    )


def _give_up_hours(form: Mapping[str, str]) -> str:
    return form.get("give_up_hours", str(campaigns.GIVE_UP_USUALLY)).strip()


def _faults(form: MultiDict[str, str]) -> dict[str, str]:
    """Return what is wrong with the message, by the name of the form's field."""
    draft = _draft(form)
    faults = {}
    if not draft.subject:
        faults["subject"] = "The subject is empty. Write one."
    if not draft.text.strip():
        faults["text"] = "The message is empty. Write something."
    if _give_up_hours(form) not in _HOURS:
        faults["give_up_hours"] = f"Give up after a whole number of hours, from 1 to {len(_HOURS)}."
    try:
        composing.prepare(draft.message, token="0", domain=None)  # noqa: S106 - any token will do
    except ComposeError as error:
        faults.setdefault(error.field, str(error))
    return faults
