"""A campaign's course, to be looked through and played again in some seconds, from the log."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import orjson
from quart import Blueprint, Response, abort, render_template

from mailing.accounts.roles import Permission
from mailing.core import states
from mailing.reports import paces, replay
from mailing.reports.log import email_log
from mailing.reports.log.walks import Search
from webapp.http import auth, params
from webapp.http.services import services, the_campaign
from webapp.i18n import languages
from webapp.i18n.languages import _
from webapp.ui import badges, charts, formats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from mailing.campaigns.queries import Campaign
    from mailing.reports.log.email_log import LogRow
    from mailing.reports.replay import Replay
    from webapp.ui.charts import Strip

blueprint = Blueprint("replay", __name__)
TAIL = 10
PLAYED_IN_S = (10, 30, 60)  # how long it takes to play all of it
_ONE = "/campaigns/<id:campaign_id>/replay"


@blueprint.get(_ONE)
@auth.needs(Permission.READ)
async def show(campaign_id: int) -> str:
    """Show a campaign as it was at one frame of its course."""
    campaign, course = await _course(campaign_id)
    frame = _frame(course)
    counts = course.at(frame)
    tenth = max(1, course.last // 10)
    return await render_template(
        "campaigns/replay.html",
        section="campaigns",
        campaign=campaign,
        course=course,
        frame=frame,
        moment=course.moment(frame),
        counts=counts,
        done=sum(counts[state] for state in states.DONE),
        segments={part.state: part for part in formats.segments(counts, badges.BAR_ORDER)},
        order=badges.BAR_ORDER,
        speed=course.speed(frame),
        lasts=PLAYED_IN_S,
        strip=await services().read(_strip, campaign, course),
        locale=str(languages.locale()).replace("_", "-"),
        back=max(0, frame - tenth),
        ahead=min(course.last, frame + tenth),
        tail=await services().read(_latest, campaign_id, course.moment(frame)),
    )


@blueprint.get(f"{_ONE}/tail")
@auth.needs(Permission.READ)
async def tail(campaign_id: int) -> str:
    """Show the last results before one frame, for the page that plays."""
    _campaign, course = await _course(campaign_id)
    found = await services().read(_latest, campaign_id, course.moment(_frame(course)))
    return await render_template("campaigns/_replay_tail.html", tail=found)


@blueprint.get(f"{_ONE}.json")
@auth.needs(Permission.READ)
async def data(campaign_id: int) -> Response:
    """Send the whole course: of each state that occurs how it changed from frame to frame.

    ``rates`` are emails per minute, and those from frame ``minute`` on were measured for a whole one.
    """
    campaign, course = await _course(campaign_id)
    speeds = [course.speed(frame) for frame in range(course.last + 1)]
    body = {
        "begun": course.begun,
        "step": course.step,
        "total": campaign.total,
        "counts": {state.value: _changes(of) for state, of in course.counts.items() if any(of)},
        "tries": _changes(course.tries),
        "rates": [round(speed.per_minute, 1) for speed in speeds],
        "minute": next((n for n, speed in enumerate(speeds) if speed.whole_minute), len(speeds)),
    }
    return Response(orjson.dumps(body), content_type="application/json")


async def _course(campaign_id: int) -> tuple[Campaign, Replay]:
    campaign = await the_campaign(campaign_id)
    if campaign.state not in replay.OVER or campaign.started_at is None:
        abort(409, _("A campaign can be replayed once it is finished, canceled or paused."))
    return campaign, await services().read(services().replays.get, campaign)


def _latest(connection: Connection, campaign_id: int, moment: int) -> Sequence[LogRow]:
    return email_log.page(connection, Search(campaign_id=campaign_id, until=moment), limit=TAIL).rows


def _strip(connection: Connection, campaign: Campaign, course: Replay) -> Strip | None:
    rates = paces.course(connection, campaign, course.ended)
    return charts.strip(rates, course.begun, course.moment(course.last))


def _frame(course: Replay) -> int:
    """Return the frame that is asked for, or the first one."""
    return min(params.number("at") or 0, course.last)


def _changes(values: Sequence[int]) -> list[int]:
    return [values[0], *(after - before for before, after in pairwise(values))]
