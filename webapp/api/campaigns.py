"""Campaigns for programs, under ``/api/v1``: the same as on the pages, as JSON.

A call from another site's page is refused (``security``), so a browser cannot be made to send mail. Errors
are problems (RFC 9457, ``problems``). What each route takes and answers it says itself (``operations``).
"""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from quart import Response, request
from sqlalchemy.exc import IntegrityError

from mailing.accounts.roles import Permission
from mailing.campaigns import idempotency
from mailing.campaigns import queries as campaigns
from mailing.campaigns.drafts import Draft
from mailing.campaigns.idempotency import KeyReused
from mailing.campaigns.lifecycle import NotAllowed
from mailing.contacts import origins
from mailing.contacts.conditions import AudienceError
from mailing.core.clock import now_ms
from mailing.core.reasons import UnfitError
from mailing.core.states import CampaignAction, CampaignState
from mailing.messages.marks import ComposeError
from mailing.recipients import undertakings
from mailing.reports import paces
from mailing.senders import routes
from mailing.senders.store import SenderError
from tasks.commands import campaigns as commands
from tasks.commands import corrections, steering
from tasks.commands.campaigns import Once
from tasks.commands.messages import files
from webapp.api import answers, posted, templates
from webapp.http import auth, forms, list_process, problems
from webapp.http.problems import UNKNOWN_FIELD, Fault, Problem, invalid
from webapp.http.services import services
from webapp.openapi import fields, headers, operations, timing_fields
from webapp.openapi.fields import BEFORE_ID, LIMIT
from webapp.openapi.operations import PREFIX, Answer, described
from webapp.openapi.shapes import campaigns as shapes
from webapp.openapi.timing_fields import DESPITE_RED, WHEN

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from mailing.addresses.findings import ParsedList
    from mailing.campaigns.queries import Campaign
    from mailing.contacts.origins import Origin
    from mailing.core.actors import Actor
    from mailing.core.database import Database
    from mailing.schedules.schedule import Asked
    from tasks.commands.backend import Backend
    from tasks.commands.campaigns import Change
    from webapp.api.posted import PostedCampaign
    from webapp.http.services import Services
    from webapp.openapi.fields import Field

TOPIC = "Campaigns"
blueprint = operations.blueprint("api")
_ONE = "/campaigns/<id:campaign_id>"
_ACTS = {
    CampaignAction.SEND: "Send a draft or scheduled campaign now",
    CampaignAction.SCHEDULE: "Schedule a draft campaign",
    CampaignAction.UNSCHEDULE: "Make a scheduled campaign a draft again",
    CampaignAction.PAUSE: "Pause a campaign",
    CampaignAction.RESUME: "Resume a paused campaign",
    CampaignAction.CANCEL: "Cancel the remaining emails of a campaign",
}
_LAUNCHES: Mapping[CampaignAction, Sequence[Field]] = {
    CampaignAction.SEND: (DESPITE_RED,),
    CampaignAction.SCHEDULE: (DESPITE_RED, *WHEN),
}


class Caller(NamedTuple):
    """Who posts a campaign, and whether it may be sent at once."""

    actor: Actor
    may_send: bool


class Stored(NamedTuple):
    """The answer to a posted campaign, and the change that it is about: None if both were before."""

    answer: Mapping[str, Any]
    change: Change | None = None


@blueprint.post("/campaigns")
@auth.needs(Permission.WRITE)
@described(
    TOPIC,
    {201: Answer("The campaign was stored.", shapes.CreatedCampaign, headers=("Location",))},
    bodies={"": posted.CAMPAIGN},
    headers=("Idempotency-Key",),
    refuses=(409,),
    refusal=shapes.ListProblem,
)
async def create_campaign() -> Response:
    """Create a campaign, and send it if ``send`` is true.

    With ``send`` true nothing is stored unless it can be sent to everyone: a merge field that a recipient
    lacks is an error. It needs the scope ``campaigns:send`` too. With ``send`` false it is kept as a draft,
    and such an error is told when it is sent. While Redis is offline the campaign is stored, and ``notice``
    says why sending starts later.
    """
    key = headers.read_key(request.headers.getlist("Idempotency-Key"))
    body, svc = await forms.body(forms.LONGEST), services()
    caller = Caller(auth.program(), may_send=Permission.SEND in auth.rights())
    size = await _weight(svc, body)
    answer, change = await svc.lists.measure(size, _store, caller, body, key, svc.settings.default_from)
    if change:
        await svc.do(commands.announce, change)
    response = operations.in_json({**answer, **await notice(svc, answer)}, 201)
    response.headers["Location"] = svc.at(f"{PREFIX}/campaigns/{answer['id']}")
    return response


@blueprint.get("/campaigns")
@auth.needs(Permission.READ)
@described(TOPIC, {200: Answer("A page of campaigns.", shapes.CampaignPage)}, query=(BEFORE_ID, LIMIT))
async def list_campaigns() -> Response:
    """List campaigns, newest first."""
    return operations.in_json(
        await services().read(_listing, **fields.query(request.args, (BEFORE_ID, LIMIT)))
    )


@blueprint.get(_ONE)
@auth.needs(Permission.READ)
@described(TOPIC, {200: Answer("The campaign.", shapes.Campaign)})
async def get_campaign(campaign_id: int) -> Response:
    """Get a campaign with its recipients by state."""
    return operations.in_json(await services().read(read, campaign_id))


@blueprint.patch(_ONE)
@auth.needs(Permission.WRITE)
@described(
    TOPIC,
    {200: Answer("The campaign as it is now.", shapes.Campaign)},
    bodies={"": posted.CHANGES},
    refuses=(409,),
)
async def change_campaign(campaign_id: int) -> Response:
    """Change a draft, when a campaign is sent, or the message of a paused one.

    A field that is left out stays as it is. A corrected message goes to all recipients that still wait,
    `version` counts up, and the log has the version of each attempt. `breaker`, `hours` and `priority` can be
    changed until the campaign has ended, `send_at` until it has started. For a campaign that is not a draft,
    this needs the scope `campaigns:send`, too.
    """
    svc, actor = services(), auth.program()
    campaign = await svc.read(problems.the_campaign, campaign_id)
    wanted = await asyncio.to_thread(posted.read_changes, await forms.body(forms.LONGEST), campaign)
    if campaign.state is not CampaignState.DRAFT and Permission.SEND not in auth.rights():
        raise Problem(403, "Changing what is being sent needs the scope campaigns:send.", "request.scope")
    try:
        await svc.do(_change_it, actor, campaign, *wanted)
    except (NotAllowed, UnfitError) as refusal:
        raise problems.refused(refusal) from None
    return operations.in_json(await svc.read(read, campaign_id))


@blueprint.post(f"{_ONE}/<any(send, schedule, unschedule, pause, resume, cancel):verb>")
@auth.needs(Permission.SEND)
@described(
    TOPIC,
    {
        200: Answer("The campaign as it is now.", shapes.ChangedCampaign),
        202: Answer("The same; the rest of a long list is canceled automatically.", shapes.ChangedCampaign),
    },
    bodies={**dict.fromkeys(_ACTS, ()), **_LAUNCHES},
    verbs=_ACTS,
    refuses=(409,),
)
async def campaign(campaign_id: int, verb: str) -> Response:
    """Send, schedule, pause, resume or cancel a campaign, all of it.

    Only what sends or schedules a campaign takes fields: the confirmation of a From domain whose DNS records
    have errors, and the time, unless the draft has one already.

    The answer is the campaign as it is then, or why it is not possible. The status is 202 if recipients of a
    long list are still to be marked as canceled; nothing is sent to them.
    """
    svc = services()
    await svc.read(read, campaign_id)
    body = await forms.body(forms.SHORT)
    try:
        if verb == CampaignAction.SCHEDULE:
            asked = fields.body(body, _LAUNCHES[CampaignAction.SCHEDULE], '{"send_at": ...}')
            wanted, red = await _wanted(campaign_id, asked), asked["despite_red"]
            done = await svc.do(steering.schedule, auth.program(), campaign_id, wanted, despite_red=red)
        else:
            red = _confirmed(body, verb)
            action = CampaignAction(verb)
            done = await svc.do(commands.act, auth.program(), campaign_id, action, despite_red=red)
    except (NotAllowed, UnfitError) as refusal:
        raise problems.refused(refusal) from None
    now = await svc.read(read, campaign_id)
    return operations.in_json({**now, **await notice(svc, now)}, 202 if done.left_over else 200)


def _confirmed(body: bytes, verb: str) -> bool:
    """Whether a red domain is confirmed: the only field of what applies to a whole campaign."""
    known = _LAUNCHES.get(CampaignAction(verb), ())
    read_nothing(body, verb, {field.name for field in known})
    return bool(fields.body(body, known, "{}").get("despite_red"))


async def _wanted(campaign_id: int, values: Mapping[str, Any]) -> Asked:
    """Return what is wanted of a campaign's schedule. Raises ``Problem`` with all faults at once."""
    its, wanted = await services().read(problems.the_campaign, campaign_id), timing_fields.asked(values)
    if faults := timing_fields.judge(wanted, its.schedule)[1]:
        raise invalid(faults)
    return wanted


async def _weight(svc: Services, body: bytes) -> int:
    """Return how long the list of a posted campaign takes: that in the body, or the saved ones it names."""
    size = list_process.weight(body)
    if size >= list_process.LONG:
        return size
    template = partial(templates.written, svc.db)
    try:
        order = await asyncio.to_thread(posted.read_campaign, body, svc.settings.default_from, template)
    except Problem:  # told by who stores it, unless the call was answered before
        return size
    return max(size, await svc.lists.weigh(order.audience)) if order.audience else size


def _store(db: Database, caller: Caller, body: bytes, key: str, default_from: str) -> Stored:
    """Read and store a posted campaign: all of it, or nothing."""
    digest = hashlib.sha256(body).hexdigest()
    if key and (first := _first_answer(db, key, digest)):
        return Stored(first)
    order = posted.read_campaign(body, default_from, partial(templates.written, db))
    if order.send and not caller.may_send:
        said = 'Sending needs the scope campaigns:send. Post with "send": false.'
        raise Problem(403, said, "request.scope")
    _check_route(db, order)
    try:
        with _recipients_of(db, order) as (parsed, taken_from):
            answer = partial(answers.created, parsed=parsed)
            once = Once(key, digest, answer) if key else None
            change = _change(db, caller.actor, order, parsed, taken_from=taken_from, once=once)
            return Stored(answer(change.campaign_id, change.state or CampaignState.DRAFT), change)
    except IntegrityError:
        if key and (first := _first_answer(db, key, digest)):  # the same call came twice and this one lost
            return Stored(first)
        raise


def _check_route(db: Database, order: PostedCampaign) -> None:
    try:
        with db.read() as connection:
            routes.check(connection, order.draft.route)
    except SenderError as refusal:
        raise invalid([Fault.of("senders", refusal.reason)]) from None


def _change(
    db: Database,
    actor: Actor,
    order: PostedCampaign,
    parsed: ParsedList,
    *,
    taken_from: Sequence[Origin],
    once: Once | None,
) -> Change:
    try:
        attached = [files.keep_file(db, actor, *each) for each in order.attachments]
        return commands.store(
            db,
            actor,
            order.draft,
            parsed,
            taken_from=taken_from,
            send=order.send,
            despite_red=order.despite_red,
            once=once,
            attached=attached,
        )
    except UnfitError as error:
        raise invalid([Fault.of("attachments", each) for each in error.reasons]) from None
    except NotAllowed as refusal:
        if refusal.reason.code == commands.RED:
            raise problems.refused(refusal) from None
        more = answers.refused(order.parsed.refused)
        raise invalid([Fault.of("recipients", each) for each in refusal.reasons], **more) from None
    except ComposeError as error:  # its parts are good, and too much together
        more = answers.refused(order.parsed.refused)
        raise invalid([Fault.of(error.field, error.reason)], **more) from None


@contextmanager
def _recipients_of(db: Database, order: PostedCampaign) -> Iterator[tuple[ParsedList, Sequence[Origin]]]:
    """Give the recipients of a posted campaign, and from which saved lists they are."""
    if order.audience is None:
        yield order.parsed, ()
        return
    try:
        with origins.taking(db, order.audience) as taken:
            yield taken.parsed, (taken.origin,)
    except AudienceError as error:
        raise invalid([Fault.of("lists", each) for each in error.reasons]) from None


def _change_it(backend: Backend, actor: Actor, campaign: Campaign, draft: Draft, asked: Asked) -> None:
    seen, editable = campaign.revision, CampaignAction.EDIT in campaign.actions
    if (draft.schedule, draft.priority) != (campaign.schedule, campaign.priority):
        steering.steer(backend, actor, campaign.id, asked, draft.priority)
        seen += editable
    if editable:
        if replace(draft, schedule=campaign.schedule, priority=campaign.priority) != Draft.of(campaign):
            commands.announce(backend, commands.revise(backend.db, actor, campaign.id, draft, seen=seen))
        return
    if draft.written != campaign.written:
        corrections.correct(backend, actor, campaign.id, draft.written, seen=seen)
    if draft.breaker != campaign.breaker:
        corrections.change_breaker(backend, actor, campaign.id, draft.breaker)


def _first_answer(db: Database, key: str, digest: str) -> Mapping[str, Any] | None:
    try:
        with db.read() as connection:
            return idempotency.find(connection, key, digest)
    except KeyReused:
        detail = "This Idempotency-Key was already used with another body. Use a new key for each campaign."
        raise Problem(422, f"{detail} Nothing was changed.", "request.key-reused") from None


async def notice(svc: Services, campaign: Mapping[str, Any]) -> Mapping[str, str]:
    """Return what is added to the answer to a change where no worker hears of it yet."""
    trouble = await svc.queue.look() if campaign["state"] == CampaignState.SENDING else None
    if trouble is None:
        return {}
    said = f"Saved. Sending starts when Redis accepts work again. {trouble.reason}"
    return {"notice": said, "notice_code": trouble.reason.code}


def read(connection: Connection, campaign_id: int) -> shapes.Campaign:
    """Read a campaign as programs get it. Raises ``Problem`` if it does not exist."""
    found = problems.the_campaign(connection, campaign_id)
    speed = paces.recent(connection, [found], now_ms())[campaign_id]
    going_on = undertakings.under_way(connection, [campaign_id])[campaign_id]
    return answers.campaign(found, speed, going_on)


def _listing(connection: Connection, *, before: int | None, limit: int) -> shapes.CampaignPage:
    found = campaigns.latest(connection, before=before, limit=limit + 1)
    speeds = paces.recent(connection, found[:limit], now_ms())
    going_on = undertakings.under_way(connection, [it.id for it in found])
    shown = [answers.campaign(it, speeds[it.id], going_on[it.id]) for it in found[:limit]]
    return {"campaigns": shown, "next": shown[-1]["id"] if len(found) > limit else None}


def read_nothing(body: bytes, verb: str, but: Collection[str] = ()) -> None:
    """Refuse fields, ``but`` some, where the whole campaign is meant.

    A program that sends some may mean fewer recipients.
    """
    given = fields.json_object(body, "{}") if body.strip() else {}
    if given := {name: given[name] for name in given if name not in but}:
        none = f"{verb} has no fields: it applies to the whole campaign."
        raise problems.invalid(problems.unknown(given, lambda _name: none, UNKNOWN_FIELD))
