"""When the rest of a campaign is sent, for programs: within the limits of its senders and its own."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from mailing.accounts.roles import Permission
from mailing.core.clock import now_ms
from mailing.reports import estimates, lanes, paces
from webapp.http import auth, problems
from webapp.http.services import services
from webapp.openapi import operations
from webapp.openapi.operations import Answer, described
from webapp.openapi.shapes import senders as shapes
from webapp.ui import formats

if TYPE_CHECKING:
    from quart import Response
    from sqlalchemy import Connection

    from mailing.campaigns.queries import Campaign
    from mailing.senders.forecasts import Band

TOPIC = "Campaigns"
blueprint = operations.blueprint("api_forecasts")


@blueprint.get("/campaigns/<id:campaign_id>/forecast")
@auth.needs(Permission.READ)
@described(TOPIC, {200: Answer("The forecast.", shapes.Forecast)})
async def get_forecast(campaign_id: int) -> Response:
    """Get when the rest of a campaign is sent, and what holds it back; of a draft, as if it were sent now.

    It follows the limits of the senders and of the campaign, what they have sent already, the measured speed
    and the sending hours.
    """
    campaign = await services().read(problems.the_campaign, campaign_id)
    band, behind = await services().read(_read, campaign)
    told = {"left": 0 if campaign.over else campaign.waiting, "behind": behind, **shown(band)}
    return operations.in_json(told)


def shown(band: Band | None) -> dict[str, object]:
    """Return a forecast as programs get it; None: nobody can tell."""
    if band is None:
        return {"ends_at": None, "earliest": None, "latest": None, "days": [], "held_by": None}
    held = band.usual.held
    return {
        "ends_at": _time(band.usual.ends_at),
        "earliest": _time(band.earliest),
        "latest": _time(band.latest),
        "days": [{"day": day, "emails": n} for day, n in band.usual.by_day(UTC).items()],
        "held_by": held and {"what": held.by, "sender": held.sender_id or None, "most": held.most or None},
    }


def _read(connection: Connection, campaign: Campaign) -> tuple[Band | None, int]:
    recent = paces.recent(connection, [campaign], now_ms())[campaign.id]
    behind = lanes.all_behind(connection, campaign).all
    return estimates.band(connection, campaign, recent, behind=behind, always=True), behind


def _time(ms: int | None) -> str | None:
    return None if ms is None else formats.iso(ms)
