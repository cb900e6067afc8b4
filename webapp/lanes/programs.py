"""Lanes for programs: how far each receiver of a campaign is, and its lane by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing.accounts.roles import Permission
from mailing.campaigns.lifecycle import NotAllowed
from mailing.core import reasons
from mailing.core.states import RecipientState
from mailing.ledger.lanes import Order
from mailing.reports import lanes
from mailing.reports.lanes import Pace
from tasks.commands import lanes as commands
from webapp.http import auth, forms, problems
from webapp.http.services import services
from webapp.openapi import fields, operations
from webapp.openapi.fields import Field, Text, Whole
from webapp.openapi.operations import Answer, described
from webapp.openapi.shapes import lanes as shapes
from webapp.ui import formats

if TYPE_CHECKING:
    from quart import Response
    from sqlalchemy import Connection

    from mailing.reports.lanes import Standing

TOPIC = "Lanes"
blueprint = operations.blueprint("api_lanes")
_LANES = "/campaigns/<id:campaign_id>/lanes"
_WHOSE = "Name the receiver, as returned by GET /campaigns/ID/lanes."
_RECEIVER = Field("receiver", Text(_WHOSE), "The receiver's key.", missing=_WHOSE, example="gmail")
_MINUTES = Field(
    "minutes",
    Whole(range(1, commands.MOST_MINUTES + 1), f"Must be from 1 to {commands.MOST_MINUTES}."),
    "For how long it rests.",
    usual=10,
)
_ORDERS = {
    Order.RESUME: "Resume a lane now, with one email first",
    Order.REST: "Slow a lane down for some minutes",
    Order.PAUSE: "Pause a lane until it is resumed",
}


@blueprint.get(_LANES)
@auth.needs(Permission.READ)
@described(TOPIC, {200: Answer("The lanes.", shapes.Lanes)})
async def list_lanes(campaign_id: int) -> Response:
    """List the lanes of a campaign: how far each receiver is, how fast, and why it is slow."""
    return operations.in_json(await services().read(_found, campaign_id))


@blueprint.post(f"{_LANES}/<any(resume, rest, pause):verb>")
@auth.needs(Permission.SEND)
@described(
    TOPIC,
    {200: Answer("The lanes as they are now.", shapes.Lanes)},
    bodies={order: (_RECEIVER, _MINUTES) if order is Order.REST else (_RECEIVER,) for order in _ORDERS},
    verbs=_ORDERS,
    refuses=(409,),
)
async def order(campaign_id: int, verb: str) -> Response:
    """Resume, slow down or pause the lane to a receiver, for all campaigns of the same sender."""
    svc, wanted = services(), Order(verb)
    await svc.read(_found, campaign_id)
    known = (_RECEIVER, _MINUTES) if wanted is Order.REST else (_RECEIVER,)
    asked = fields.body(await forms.body(forms.SHORT), known, '{"receiver": "gmail"}')
    receiver = asked.pop("receiver")
    try:
        await svc.do(commands.order, auth.program(), campaign_id, receiver, wanted, **asked)
    except NotAllowed as refusal:
        raise problems.refused(refusal) from None
    return operations.in_json(await svc.read(_found, campaign_id))


def _found(connection: Connection, campaign_id: int) -> shapes.Lanes:
    campaign = problems.the_campaign(connection, campaign_id)
    return {"lanes": [_lane(it) for it in lanes.of(connection, campaign)]}


def _lane(it: Standing) -> shapes.Lane:
    slow, resting = it.slow, it.pace is Pace.RESTING
    return {
        "receiver": it.receiver,
        "name": it.name,
        "domains": it.domains,
        "total": it.total,
        "left": it.left,
        "sent": it.counts.get(RecipientState.SENT, 0),
        "deferred": it.counts.get(RecipientState.DEFERRED, 0),
        "failed": it.counts.get(RecipientState.FAILED, 0),
        "unknown": it.counts.get(RecipientState.UNKNOWN, 0),
        "canceled": it.counts.get(RecipientState.CANCELED, 0),
        "rate_per_minute": round(it.per_minute, 1),
        "pace": it.pace,
        "width": slow.width or int(it.pace is Pace.TRYING) if slow else None,
        "resumes_at": formats.iso(slow.rest.until) if slow and resting else None,
        "reason": str(it.reason),
        "reason_code": reasons.code(it.reason),
        "last_reply": str(it.said),
        "last_reply_at": formats.iso(it.said_at) if it.said_at else None,
    }
