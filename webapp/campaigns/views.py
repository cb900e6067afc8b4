"""The campaign pages: the list, writing and changing a draft, one campaign, and its buttons.

Every form is a POST answered by a redirect, so all of it works without scripts. Everything a page
shows depends on its address alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Blueprint, Response, abort, redirect, render_template, request

from mailing.accounts.roles import Permission
from mailing.campaigns import queries as campaigns
from mailing.campaigns import versions
from mailing.campaigns.lifecycle import NotAllowed
from mailing.contacts import origins as sources
from mailing.contacts.conditions import AudienceError
from mailing.core.clock import now_ms
from mailing.core.reasons import UnfitError
from mailing.core.states import CampaignAction, CampaignState, RecipientAction, RecipientState
from mailing.ledger.breaker import USUAL
from mailing.lists import surveys
from mailing.recipients import decisions, listing, received, search
from mailing.recipients.copies import Part
from mailing.recipients.search import Choice, Sort
from mailing.reports import preview
from tasks.commands import campaigns as commands
from tasks.commands import steering
from webapp.campaigns import (
    bulk_actions,
    demos,
    draft_views,
    list_view,
    notices,
    progress,
    recipients_form,
    share_links,
)
from webapp.campaigns.stream import CAMPAIGNS_PER_PAGE
from webapp.http import auth, origins, params
from webapp.http.list_process import CrowdedError
from webapp.http.services import services, the_campaign
from webapp.i18n.domain_texts import say_why
from webapp.i18n.languages import _
from webapp.messages import files as message_files
from webapp.messages import message_form, rehearsals, safeguards_form, templates, timing_form
from webapp.ui import badges, receipts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jinja2 import Environment
    from werkzeug.datastructures import MultiDict
    from werkzeug.wrappers import Response as AnyResponse

    from mailing.campaigns.queries import Campaign

blueprint = Blueprint("pages", __name__)
STARTED_S = 4  # after its time a campaign is being sent
LOOK_AGAIN_S = 6 * 3600  # the page of one that is scheduled
_KEPT = {"Cache-Control": "private, no-cache"}  # a browser that may keep the page keeps what is typed in it


def install(env: Environment) -> None:
    """Give the templates of campaigns what they ask for."""
    recipients_form.install(env)
    env.globals.update(offers=bulk_actions.offers, row_offers=bulk_actions.row_offers, SIZES=list_view.SIZES)


@blueprint.get("/campaigns")
@auth.needs(Permission.READ)
async def index() -> str:
    """Show all campaigns, the newest first."""
    before = params.number("before")
    page = await services().read(campaigns.latest, before=before, limit=CAMPAIGNS_PER_PAGE)
    return await render_template(
        "campaigns/index.html",
        section="campaigns",
        page=page,
        before=before,
        next=page[-1].id if len(page) == CAMPAIGNS_PER_PAGE else None,
        stream=services().at("/campaigns/stream")
        + (f"?before={before}" if before else f"?newest={page[0].id if page else 0}"),
    )


@blueprint.get("/campaigns/new")
@auth.needs(Permission.WRITE)
async def new() -> tuple[str, int, Mapping[str, str]]:
    """Show an empty form, or one that is filled in: with ``demo=1``, or from a template."""
    typed = message_form.blank(services().settings.default_from)
    if request.args.get("demo") == "1":
        typed |= demos.filled_in()
    typed |= await templates.started()
    return await _form(typed, {}, None), 200, _KEPT


@blueprint.post("/campaigns")
@auth.needs(Permission.WRITE)
async def create() -> AnyResponse | tuple[str, int]:
    """Store a draft with its list, and show it."""
    form = await request.form
    if faults := await message_form.faults(form) | await recipients_form.faults(form, None):
        return await _form(form, faults, None), 422
    try:
        change = await recipients_form.create(form, message_form.draft(form))
    except AudienceError as error:
        return await _form(form, recipients_form.unfit(error), None), 422
    except CrowdedError as crowded:
        return await _form(form, {"recipients": str(crowded.description)}, None), 503
    await services().do(commands.announce, change)
    return redirect(services().at(f"/campaigns/{change.campaign_id}"), 303)


@blueprint.get("/campaigns/<id:campaign_id>/edit")
@auth.needs(Permission.WRITE)
async def edit(campaign_id: int) -> tuple[str, int, Mapping[str, str]]:
    """Show the form of a draft."""
    campaign = await the_campaign(campaign_id)
    if CampaignAction.EDIT not in campaign.actions:
        state = badges.look(campaign.state).label
        abort(
            409,
            _(
                "Campaign %(id)s can't be edited any more: its state is %(state)s.",
                id=campaign_id,
                state=state,
            ),
        )
    auth.may_edit(campaign)
    return await _form(message_form.typed(campaign), {}, campaign), 200, _KEPT


@blueprint.post("/campaigns/<id:campaign_id>")
@auth.needs(Permission.WRITE)
async def revise(campaign_id: int) -> AnyResponse | tuple[str, int]:
    """Change a draft; without new recipients it keeps its list."""
    form = await request.form
    campaign = await the_campaign(campaign_id)
    auth.may_edit(campaign)
    if faults := await message_form.faults(form, campaign) | await recipients_form.faults(form, campaign):
        return await _form(form, faults, campaign), 422
    try:
        change = await recipients_form.revise(form, campaign, message_form.draft(form, campaign))
    except CrowdedError as crowded:
        return await _form(form, {"recipients": str(crowded.description)}, campaign), 503
    except AudienceError as error:
        return await _form(form, recipients_form.unfit(error), campaign), 422
    except NotAllowed as refusal:
        return await _too_late(form, campaign_id, say_why(refusal)), 409
    await services().do(commands.announce, change)
    return redirect(services().at(f"/campaigns/{campaign_id}"), 303)


async def _too_late(form: MultiDict[str, str], campaign_id: int, refusal: str) -> str:
    """Show a form that came too late, with all that was typed: it is saved if it is sent again."""
    campaign = await the_campaign(campaign_id)
    if CampaignAction.EDIT not in campaign.actions:
        abort(409, refusal)
    return await _form(form, {"again": refusal}, campaign)


async def again(form: MultiDict[str, str], campaign_id: int | None = None) -> tuple[str, int]:
    """Show a form whose session ended, with all that was typed, to be sent from there."""
    campaign = await the_campaign(campaign_id) if campaign_id else None
    said = _(
        "Your session had expired, so nothing was saved. Your input is still here: press the button again."
    )
    return await _form(form, {"again": said}, campaign), 403


@blueprint.get("/campaigns/<id:campaign_id>/message")
@auth.needs(Permission.READ)
async def message(campaign_id: int) -> str:
    """Show the message of a campaign, as its first recipient gets it, in any of its versions."""
    campaign, number = await the_campaign(campaign_id), params.number("version")
    listed = await services().read(versions.listed, campaign)
    if number not in {None, *(it.number for it in listed)}:
        abort(404, _("The message of campaign %(id)s has no version %(n)s.", id=campaign_id, n=number))
    campaign = await services().read(versions.at, campaign, number)
    shown = await services().read(preview.of, campaign, None)
    return await render_template(
        "campaigns/message.html",
        section="campaigns",
        campaign=campaign,
        shown=shown,
        versions=listed,
        here=services().at(f"/campaigns/{campaign_id}"),
        **await services().read(message_files.shown, campaign),
    )


@blueprint.post("/campaigns/<id:campaign_id>/copy")
@auth.needs(Permission.WRITE)
async def copy(campaign_id: int) -> AnyResponse:
    """Make a draft of a campaign's message, with all, some or none of its recipients, and show it."""
    part, campaign = (await request.form).get("list", ""), await the_campaign(campaign_id)
    if part not in set(Part):
        abort(400, _("This form is out of date. Reload the page."))
    change = await services().lists.copy(auth.person(), campaign, Part(part))
    await services().do(commands.announce, change)
    receipts.tell(_("Copied. Review the draft, then send it."))
    return redirect(services().at(f"/campaigns/{change.campaign_id}"), 303)


@blueprint.post("/campaigns/<id:campaign_id>/follow-up")
@auth.needs(Permission.WRITE)
async def follow_up(campaign_id: int) -> AnyResponse:
    """Make a draft to exactly those recipients that a filter finds, and show it."""
    form, campaign = await request.form, await the_campaign(campaign_id)
    try:
        change = await services().lists.follow(auth.person(), campaign, _chosen(form))
    except NotAllowed as refusal:
        abort(409, say_why(refusal))
    await services().do(commands.announce, change)
    receipts.tell(_("Draft created with these recipients. Review it, then send it."))
    return redirect(services().at(f"/campaigns/{change.campaign_id}"), 303)


@blueprint.get("/campaigns/<id:campaign_id>")
@auth.needs(Permission.READ)
async def show(campaign_id: int) -> str | Response:
    """Show one campaign: a draft with what was found in its list, any other with its ledger and rows."""
    campaign = await the_campaign(campaign_id)
    if CampaignAction.EDIT not in campaign.actions:
        return await _campaign_page(campaign_id)
    response = Response(await draft_views.page(campaign))
    if campaign.state is CampaignState.SCHEDULED and campaign.send_at:  # then it is another page
        due_s = max(campaign.send_at - now_ms(), 0) // 1000 + STARTED_S
        response.headers["Refresh"] = str(min(due_s, LOOK_AGAIN_S))
    return response


@blueprint.post("/campaigns/<id:campaign_id>/<any(send, schedule, unschedule, pause, resume, cancel):verb>")
@auth.needs(Permission.SEND)
async def act(campaign_id: int, verb: str) -> AnyResponse:
    """Send, schedule, pause, resume or cancel; with the queue away it is stored, and begun later."""
    form, actor = await request.form, auth.person()
    seen = draft_views.revision(form) if "revision" in form else None
    red = form.get("despite") == "dns"
    try:
        if verb == CampaignAction.SCHEDULE:
            asked = timing_form.asked(form)
            await services().do(steering.schedule, actor, campaign_id, asked, seen=seen, despite_red=red)
        else:
            await services().do(
                commands.act, actor, campaign_id, CampaignAction(verb), seen=seen, despite_red=red
            )
    except UnfitError as error:
        abort(422, say_why(error))
    except NotAllowed as refusal:
        abort(409, say_why(refusal))
    receipts.acted(CampaignAction(verb))
    return _back(campaign_id)


@blueprint.post("/campaigns/<id:campaign_id>/timing")
@auth.needs(Permission.SEND)
async def steer(campaign_id: int) -> AnyResponse:
    """Change when a campaign is sent, and how urgent it is."""
    form = await request.form
    campaign = await the_campaign(campaign_id)
    urgency = timing_form.priority(form, campaign)
    try:
        await services().do(steering.steer, auth.person(), campaign_id, timing_form.asked(form), urgency)
    except UnfitError as error:
        abort(422, say_why(error))
    except NotAllowed as refusal:
        abort(409, say_why(refusal))
    receipts.tell(_("Changed."))
    return _back(campaign_id)


@blueprint.post(f"/campaigns/<id:campaign_id>/{params.DECISION}")
@auth.needs(Permission.SEND)
async def decide(campaign_id: int, verb: str) -> AnyResponse:
    """Decide about all in a state, those of them that a search or a reply finds, or one."""
    choice = _chosen(await request.form)
    try:
        done = await services().do(commands.decide, auth.person(), campaign_id, RecipientAction(verb), choice)
    except NotAllowed as refusal:
        abort(409, say_why(refusal))
    receipts.decided(done)
    return _back(campaign_id)


def _chosen(form: Mapping[str, str]) -> Choice:
    """Return the recipients that a form names."""
    state, recipient = form.get("state", ""), form.get("recipient", "")
    if state not in {"", *RecipientState} or (recipient and not params.is_id(recipient)):
        abort(400, _("This form is out of date. Reload the page."))
    return Choice(
        RecipientState(state) if state else None,
        params.words(form.get("q", "")),
        params.reply(form.get("reply", "")),
        int(recipient) if recipient else None,
    )


def _back(campaign_id: int) -> AnyResponse:
    """Redirect to the page with the button: a card, a recipient, or the campaign with its filters."""
    page, before = f"campaigns/{campaign_id}", origins.page_before()
    path = before.partition("?")[0].strip("/")
    known = before and (path in {"", "campaigns", page} or path.startswith(f"{page}/"))
    return redirect(services().at(before if known else f"/{page}"), 303)


async def _campaign_page(campaign_id: int) -> Response:
    """Answer with the page, or where a filter is being typed with its list alone."""
    svc, view = services(), list_view.asked()
    after, before = params.number("after"), params.number("before")
    now = await svc.read(progress.load, campaign_id)
    assert now is not None
    state, paged = now.campaign.state, after or before
    order = view.order(state)
    follows = view.follows(state) and not paged
    if follows:
        page = await svc.read(listing.newest, campaign_id, view.size)
    else:
        page = await svc.read(
            listing.recipients_page,
            campaign_id,
            view.choice,
            sort=order,
            after=after,
            before=before,
            limit=view.size,
        )
    found = await svc.read(decisions.open_to, campaign_id, view.choice) if view.choice else {}
    followed = await svc.read(search.total, now.campaign.id, view.choice) if view.choice and page.rows else 0
    some_final = view.choice.state is RecipientState.FAILED and any(each.final for each in now.causes)
    first_and_last = not paged and (order is Sort.LATEST or page.next is None)
    known = view.known(now) if first_and_last else None
    shown_rows = (
        {"follow": 1} if follows else {"rows": ".".join(str(row.id) for row in page.rows), "known": known}
    )
    shown = {
        "campaign": now.campaign,
        "standing": now,
        "view": view,
        "order": order,
        "page": page,
        "rows": page.rows,
        "paged": paged,
        "follows": follows,
        "address": svc.at(f"/campaigns/{campaign_id}{view.query(after=after, before=before)}"),
        "moved": 0,
        "fresh": 0,
        "followed": followed,
        "some_final": some_final,
        "found": bulk_actions.offers(state, found, view.choice) if now.campaign.rehearses is None else (),
        "stream": svc.at(f"/campaigns/{campaign_id}/stream{view.query(**shown_rows)}"),
    }
    if "HX-Request" in request.headers:
        response = Response(await render_template("campaigns/_list.html", **shown))
    else:
        told = notices.of(now, queue_away=svc.hub.away, trouble=svc.queue.trouble)
        pace = await svc.read(progress.pace, now)
        held = await svc.read(surveys.load, campaign_id)
        links = await share_links.of(campaign_id)
        shown |= {"pace": pace, "forecast": notices.forecast(now, pace), "notices": told}
        shown["outlook"] = pace.outlook
        shown |= await rehearsals.found(svc, now.campaign)
        shown |= {"timing": timing_form.typed(now.campaign), **timing_form.shown()}
        shown |= {"remarks": held.remarks, "came": await svc.read(sources.told, now.campaign.audience)}
        shown |= {"usual_limit": USUAL, "received": await svc.read(received.both, campaign_id)}
        text = await render_template("campaigns/show.html", section="campaigns", **shown, **links)
        response = Response(text)
    response.vary.add("HX-Request")
    return response


async def _form(typed: Mapping[str, str], faults: Mapping[str, str], campaign: Campaign | None) -> str:
    typed = safeguards_form.filled(typed, campaign)
    return await render_template(
        "campaigns/form.html",
        section="campaigns",
        typed=typed,
        faults=faults,
        campaign=campaign,
        **await message_form.shown(campaign),
        **await recipients_form.shown(campaign, typed),
    )
