"""The API for programs, under ``/api/v1``: the same campaigns as on the pages, as JSON.

There are no keys yet, so whoever reaches the server may use it: it listens on this machine only unless
``VOLLEY_BIND`` says otherwise. A call from another site's page is refused (``security``), so a browser
cannot be made to send mail. Errors are problems (RFC 9457, ``problems``).

======================================  =============================================================
``POST /campaigns``                     store a campaign, send it at once if ``send`` is true
``GET  /campaigns``                     all campaigns, the newest first: ``before``, ``limit``
``GET  /campaigns/ID``                  its state and its ledger
``POST /campaigns/ID/ACTION``           ``send``, ``pause``, ``resume`` or ``cancel``
``POST /campaigns/ID/DECISION``         ``retry``, ``resend-unknown``, ``mark-unknown-sent``, ``skip`` or
                                        ``fail``: all such recipients, or those of ``state``, ``q``,
                                        ``reply`` (like ``550-5.7.1``) or ``recipient`` (an id)
``GET  /campaigns/ID/recipients``       its recipients: ``state``, ``q``, ``after``, ``limit``
``GET  /campaigns/ID/events``           what happens to each email, as Server-Sent Events
``GET  /log``                           the email log, the newest first: ``state``, ``q``, ``domain``,
                                        ``code``, ``enhanced``, ``campaign``, ``from``, ``to``, ``before``,
                                        ``limit``
``GET  /log.jsonl``                     all of it that fits, the oldest first, a line for each attempt
======================================  =============================================================
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from quart import Blueprint, Response, request
from sqlalchemy.exc import IntegrityError

from mailing.accounts.roles import Permission
from mailing.campaigns import idempotency
from mailing.campaigns import queries as campaigns
from mailing.campaigns.idempotency import KeyReused
from mailing.campaigns.lifecycle import NotAllowed
from mailing.core.clock import now_ms
from mailing.core.states import CampaignAction, CampaignState, RecipientAction
from mailing.messages.marks import ComposeError
from mailing.recipients import listing, undertakings
from mailing.recipients.search import Choice
from mailing.reports import email_log, paces
from tasks import commands
from tasks.commands import Once
from webapp.api import exports, schemas
from webapp.api import log as api_log
from webapp.api.events import campaign_events
from webapp.http import auth, forms, params, problems
from webapp.http.problems import Fault, Problem, invalid
from webapp.http.services import services
from webapp.live import sse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from mailing.core.actors import Actor
    from mailing.core.database import Database
    from mailing.recipients.listing import RecipientRow
    from mailing.recipients.search import Page
    from tasks.commands import Change
    from webapp.http.services import Services

PREFIX = "/api/v1"
blueprint = Blueprint("api", __name__, url_prefix=PREFIX)
problems.install(blueprint)
_ONE = "/campaigns/<id:campaign_id>"


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
async def create() -> Response:
    """Store a campaign: 201, or 422 with every fault at once.

    With ``send`` true nothing is stored unless it can be sent to everyone: a merge field that a recipient
    lacks is a fault. With ``send`` false it is kept as a draft, and the fault is told when it is sent.
    Redis away does not matter: the campaign is stored, ``notice`` says why workers start later.
    """
    key = schemas.read_key(request.headers.getlist("Idempotency-Key"))
    body, svc = await forms.body(forms.LONGEST), services()
    caller = Caller(auth.program(), may_send=Permission.SEND in auth.rights())
    answer, change = await svc.lists.run(body, _store, caller, body, key, svc.settings.default_from)
    if change:
        await svc.do(commands.announce, change)
    response = _json({**answer, **await _notice(svc, answer)}, 201)
    response.headers["Location"] = svc.at(f"{PREFIX}/campaigns/{answer['id']}")
    return response


@blueprint.get("/campaigns")
@auth.needs(Permission.READ)
async def index() -> Response:
    """Return a page of campaigns, the newest first; ``next`` is what ``before`` must be for the next one."""
    before, limit = schemas.read_listing(request.args)
    return _json(await services().read(_listing, before, limit))


@blueprint.get(_ONE)
@auth.needs(Permission.READ)
async def show(campaign_id: int) -> Response:
    """Return a campaign and its ledger."""
    return _json(await services().read(_campaign, campaign_id))


@blueprint.post(f"{_ONE}/<any(send, pause, resume, cancel):verb>")
@auth.needs(Permission.SEND)
async def act(campaign_id: int, verb: str) -> Response:
    """Send, pause, resume or cancel; return the campaign as it is then. 409 says why it is not possible.

    202: of a long list, some are still to be marked as canceled. Nobody of them is mailed.
    """
    svc = services()
    await svc.read(_campaign, campaign_id)
    schemas.read_nothing(await forms.body(forms.SHORT), verb)
    try:
        done = await svc.do(commands.act, auth.program(), campaign_id, CampaignAction(verb))
    except NotAllowed as refusal:
        raise problems.refused(refusal) from None
    campaign = await svc.read(_campaign, campaign_id)
    return _json({**campaign, **await _notice(svc, campaign)}, 202 if done.left_over else 200)


@blueprint.post(f"{_ONE}/{params.DECISION}")
@auth.needs(Permission.SEND)
async def decide(campaign_id: int, verb: str) -> Response:
    """Decide about whom the body chooses; return how many it moved, and the campaign.

    202: there are more, and it goes on with them; ``under_way`` of the campaign says how far it is.
    """
    svc, action = services(), RecipientAction(verb)
    await svc.read(_campaign, campaign_id)
    choice = schemas.read_choice(await forms.body(forms.SHORT), action)
    try:
        done = await svc.do(commands.decide, auth.program(), campaign_id, action, choice)
    except NotAllowed as refusal:
        raise problems.refused(refusal) from None
    campaign = await svc.read(_campaign, campaign_id)
    answer = {"affected": done.moved, **campaign, **await _notice(svc, campaign)}
    return _json(answer, 202 if done.going_on else 200)


@blueprint.get(f"{_ONE}/recipients")
@auth.needs(Permission.READ)
async def recipients(campaign_id: int) -> Response:
    """Return a page of recipients in the order of the list, each with its last attempt."""
    query = schemas.read_query(request.args)
    page = await services().read(_recipients, campaign_id, query)
    return _json(schemas.page_json(page))


@blueprint.get(f"{_ONE}/events")
@auth.needs(Permission.READ)
async def follow(campaign_id: int) -> Response:
    """Tell what happens to each email, until the campaign ends. ``api_streams`` describes the events."""
    svc = services()
    await svc.read(_campaign, campaign_id)
    return sse.plain(campaign_events(svc.hub, campaign_id, lambda: svc.read(_campaign, campaign_id)))


@blueprint.get("/log")
@auth.needs(Permission.READ)
async def log() -> Response:
    """Return a page of the email log. ``api_log`` describes it."""
    query = api_log.read_query(request.args)
    page = await services().read(email_log.page, query.search, before=query.before, limit=query.limit)
    return _json(api_log.page_json(page))


@blueprint.get("/log.jsonl")
@auth.needs(Permission.READ)
async def log_lines() -> Response:
    """Return every attempt that fits, however many."""
    return exports.log(api_log.read_search(request.args), "jsonl")


def _store(db: Database, caller: Caller, body: bytes, key: str, default_from: str) -> Stored:
    """Read and store a posted campaign: all of it, or nothing."""
    digest = hashlib.sha256(body).hexdigest()
    if key and (first := _first_answer(db, key, digest)):
        return Stored(first)
    order = schemas.read_campaign(body, default_from)
    if order.send and not caller.may_send:
        said = 'Sending needs the scope campaigns:send. Post with "send": false.'
        raise Problem(403, said, "request.scope")

    def answer(campaign_id: int, state: CampaignState) -> Mapping[str, Any]:
        return schemas.created_json(campaign_id, state, order.parsed)

    once = Once(key, digest, answer) if key else None
    try:
        change = commands.store(db, caller.actor, order.draft, order.parsed, send=order.send, once=once)
    except NotAllowed as refusal:
        more = schemas.refused_json(order.parsed.refused)
        raise invalid([Fault.of("recipients", each) for each in refusal.reasons], **more) from None
    except ComposeError as error:  # its parts are good, and too much together
        more = schemas.refused_json(order.parsed.refused)
        raise invalid([Fault.of(error.field, error.reason)], **more) from None
    except IntegrityError:
        if key and (first := _first_answer(db, key, digest)):  # the same call came twice and this one lost
            return Stored(first)
        raise
    return Stored(answer(change.campaign_id, change.state), change)


def _first_answer(db: Database, key: str, digest: str) -> Mapping[str, Any] | None:
    try:
        with db.read() as connection:
            return idempotency.find(connection, key, digest)
    except KeyReused:
        detail = "This Idempotency-Key was already used with another body. Use a new key for each campaign."
        raise Problem(422, f"{detail} Nothing was changed.", "request.key-reused") from None


async def _notice(svc: Services, campaign: Mapping[str, Any]) -> Mapping[str, str]:
    """Return what is added to the answer to a change where no worker hears of it yet."""
    trouble = await svc.queue.look() if campaign["state"] == CampaignState.SENDING else None
    if trouble is None:
        return {}
    said = f"Saved. Sending starts when Redis accepts work again. {trouble.reason}"
    return {"notice": said, "notice_code": trouble.reason.code}


def _campaign(connection: Connection, campaign_id: int) -> dict[str, Any]:
    campaign = campaigns.get(connection, campaign_id)
    if campaign is None:
        detail = f"Campaign {campaign_id} does not exist. Check the id in the URL."
        raise Problem(404, detail, "campaign.not-found")
    speed = paces.recent(connection, [campaign], now_ms())[campaign_id]
    going_on = undertakings.under_way(connection, [campaign_id])[campaign_id]
    return schemas.campaign_json(campaign, speed, going_on)


def _listing(connection: Connection, before: int, limit: int) -> dict[str, Any]:
    found = campaigns.latest(connection, before=before, limit=limit + 1)
    speeds = paces.recent(connection, found[:limit], now_ms())
    going_on = undertakings.under_way(connection, [it.id for it in found])
    shown = [schemas.campaign_json(it, speeds[it.id], going_on[it.id]) for it in found[:limit]]
    return {"campaigns": shown, "next": shown[-1]["id"] if len(found) > limit else None}


def _recipients(connection: Connection, campaign_id: int, query: schemas.ListRequest) -> Page[RecipientRow]:
    _campaign(connection, campaign_id)
    wanted = Choice(query.state, query.q)
    return listing.recipients_page(connection, campaign_id, wanted, after=query.after, limit=query.limit)


def _json(body: Mapping[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, content_type="application/json")
