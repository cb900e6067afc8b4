"""How sent mail is received, for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Response, request

from mailing.accounts.roles import Permission
from mailing.recipients import received
from mailing.recipients.received import Cut
from webapp.http import auth, problems
from webapp.http.services import services
from webapp.openapi import fields, operations
from webapp.openapi.fields import Field, Number, State
from webapp.openapi.operations import Answer, described
from webapp.openapi.shapes import received as shapes

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailing.recipients.received import Received

TOPIC = "Reception"
DAYS = range(1, 366)
blueprint = operations.blueprint("api_received")
_BY = Field("by", State(Cut), "By what it is told apart. If not given: by receiver.", example="receiver")
_DAYS = Field("days", Number(DAYS), "Emails sent in this many days, today's included; UTC.", usual=30)


@blueprint.get("/received")
@auth.needs(Permission.READ)
@described(TOPIC, {200: Answer("The rows.", shapes.ReceivedOver)}, query=(_BY, _DAYS))
async def list_received() -> Response:
    """Tell how the mail of some days was received, by campaign, sender or receiver.

    The largest 30 have a row of their own, and each with a light that is not green; the others are one row.
    """
    asked = fields.query(request.args, (_BY, _DAYS))
    cut, days = asked["by"] or Cut.RECEIVER, asked["days"]
    rows = await services().read(received.over, cut, days)
    told: shapes.ReceivedOver = {
        "by": cut,
        "days": days,
        "rows": [_row(it) for it in rows],
        "total": _row(received.total(rows)),
    }
    return operations.in_json(told)


@blueprint.get("/campaigns/<id:campaign_id>/received")
@auth.needs(Permission.READ)
@described(TOPIC, {200: Answer("The rows.", shapes.ReceivedCampaign)})
async def get_received(campaign_id: int) -> Response:
    """Tell how a campaign was received, by receiver and by sender."""
    told = await services().read(_of_campaign, campaign_id)
    return operations.in_json(told)


def _of_campaign(connection: Connection, campaign_id: int) -> shapes.ReceivedCampaign:
    problems.the_campaign(connection, campaign_id)
    receivers = received.of_campaign(connection, campaign_id, Cut.RECEIVER)
    senders = received.of_campaign(connection, campaign_id, Cut.SENDER)
    return {
        "receivers": [_row(it) for it in receivers],
        "senders": [_row(it) for it in senders],
        "total": _row(received.total(receivers)),
    }


def _row(it: Received) -> shapes.ReceivedRow:
    return {
        "key": None if it.others else it.key,
        "name": it.name,
        "sent": it.sent,
        "delivered": it.delivered,
        "bounced": it.bounced,
        "hard": it.hard,
        "soft": it.soft,
        "policy": it.policy,
        "complained": it.complained,
        "unsubscribed": it.unsubscribed,
        "bounce_light": it.bounce_light,
        "complaint_light": it.complaint_light,
    }
